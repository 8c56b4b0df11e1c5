package storetest

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/wick-run/wick"
)

// Layers is a store of layers and of the functions that use them.
type Layers interface {
	wick.FunctionStore
	wick.LayerStore
}

// LayerStore runs the contract of wick.LayerStore. open returns an empty store that it
// closes itself when the test ends.
func LayerStore(t *testing.T, open func(t *testing.T) Layers) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Layers)
	}{
		{"every member of a layer version survives", everyLayerMemberSurvives},
		{"versions only grow, also when they are deleted", layerVersionsGrow},
		{"a version that isn't there is NotFound, and deleting it no error", missingLayerVersion},
		{"lists show the newest version of each layer, in pages", layersGoByName},
		{"lists of versions go from the newest, in pages", layerVersionsGoBackwards},
		{"lists show what is compatible", layersByCompatibility},
		{"layers of accounts and regions are apart", layersOfAccountsAreApart},
		{"layers count in usage while they are there", layersCount},
		{"packages of layers and of the functions that use them are in use", layerPackagesInUse},
		{"publishing at the same time gives each a number", publishingAtOnce},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// newLayer returns a plausible version of a layer, yet without number.
func newLayer(name string) *wick.LayerVersion {
	return &wick.LayerVersion{
		LayerID: wick.LayerID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: name},
		Code:    wick.Package{SHA256: "sha-of-layer-" + name, Size: 100},
	}
}

func publish(t *testing.T, s Layers, v *wick.LayerVersion) *wick.LayerVersion {
	t.Helper()
	if err := s.PublishLayerVersion(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	return v
}

func everyLayerMemberSurvives(t *testing.T, s Layers) {
	var full wick.LayerVersion
	Fill(&full, 1)
	full.Version = 0
	bare, empty := newLayer("bare"), newLayer("empty")
	empty.CompatibleRuntimes, empty.CompatibleArchitectures = []string{}, []string{}
	for _, v := range []*wick.LayerVersion{&full, bare, empty} {
		publish(t, s, v)
		got, err := s.LayerVersion(t.Context(), v.LayerID, 1)
		if err != nil || !reflect.DeepEqual(got, v) || got.Version != 1 {
			t.Errorf("read back\n%+v (%v)\nwant\n%+v", got, err, v)
		}
	}
}

func layerVersionsGrow(t *testing.T, s Layers) {
	for want := int64(1); want <= 2; want++ {
		if v := publish(t, s, newLayer("l")); v.Version != want {
			t.Errorf("version %d, want %d", v.Version, want)
		}
	}
	id := newLayer("l").LayerID
	for version := range int64(3) {
		if err := s.DeleteLayerVersion(t.Context(), id, version); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.Layers(t.Context(), queryOf(10), ""); err != nil || len(list) > 0 {
		t.Errorf("still listed: %v, %v", list, err)
	}
	if v := publish(t, s, newLayer("l")); v.Version != 3 {
		t.Errorf("version %d after all were deleted, want 3", v.Version)
	}
	if v := publish(t, s, newLayer("other")); v.Version != 1 {
		t.Errorf("another layer begins with version %d", v.Version)
	}
}

func missingLayerVersion(t *testing.T, s Layers) {
	id := newLayer("l").LayerID
	_, err := s.LayerVersion(t.Context(), id, 1)
	wantKind(t, err, wick.NotFound)
	publish(t, s, newLayer("l"))
	_, err = s.LayerVersion(t.Context(), id, 2)
	wantKind(t, err, wick.NotFound)
	for range 2 {
		if err := s.DeleteLayerVersion(t.Context(), id, 1); err != nil {
			t.Error(err)
		}
	}
	_, err = s.LayerVersion(t.Context(), id, 1)
	wantKind(t, err, wick.NotFound)
}

func queryOf(limit int) wick.LayerQuery {
	return wick.LayerQuery{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Limit: limit}
}

// names returns NAME:VERSION of each.
func names(list []*wick.LayerVersion) []string {
	got := []string{}
	for _, v := range list {
		got = append(got, fmt.Sprintf("%s:%d", v.Name, v.Version))
	}
	return got
}

func layersGoByName(t *testing.T, s Layers) {
	for _, name := range []string{"b", "a-2", "B", "a", "b", "b"} {
		publish(t, s, newLayer(name))
	}
	if err := s.DeleteLayerVersion(t.Context(), newLayer("b").LayerID, 3); err != nil {
		t.Fatal(err)
	}
	var got []string
	after := ""
	for {
		page, err := s.Layers(t.Context(), queryOf(3), after)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		if len(page) > 3 {
			t.Fatalf("a page of %d, want 3 at most", len(page))
		}
		got, after = append(got, names(page)...), page[len(page)-1].Name
	}
	if want := []string{"B:1", "a:1", "a-2:1", "b:2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
}

func layerVersionsGoBackwards(t *testing.T, s Layers) {
	for range 11 {
		publish(t, s, newLayer("l"))
	}
	publish(t, s, newLayer("l2"))
	var got []string
	before := int64(0)
	for {
		page, err := s.LayerVersions(t.Context(), queryOf(4), "l", before)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		got, before = append(got, names(page)...), page[len(page)-1].Version
	}
	want := []string{"l:11", "l:10", "l:9", "l:8", "l:7", "l:6", "l:5", "l:4", "l:3", "l:2", "l:1"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
}

func layersByCompatibility(t *testing.T, s Layers) {
	for _, c := range []struct {
		name          string
		runtimes, cpu []string
	}{
		{"a", []string{"python3.12", "python3.13"}, []string{"x86_64"}},
		{"a", []string{"python3.13"}, []string{"arm64", "x86_64"}},
		{"b", []string{"nodejs22.x"}, nil},
		{"c", nil, []string{}},
	} {
		v := newLayer(c.name)
		v.CompatibleRuntimes, v.CompatibleArchitectures = c.runtimes, c.cpu
		publish(t, s, v)
	}
	for _, c := range []struct {
		runtime, cpu     string
		layers, versions []string // all layers; the versions of a
	}{
		{"", "", []string{"a:2", "b:1", "c:1"}, []string{"a:2", "a:1"}},
		{"python3.12", "", []string{"a:1"}, []string{"a:1"}},
		{"python3.13", "", []string{"a:2"}, []string{"a:2", "a:1"}},
		{"", "arm64", []string{"a:2"}, []string{"a:2"}},
		{"python3.12", "arm64", []string{}, []string{}},
		{"nodejs22.x", "", []string{"b:1"}, []string{}},
	} {
		q := queryOf(10)
		q.Runtime, q.Architecture = c.runtime, c.cpu
		layers, err := s.Layers(t.Context(), q, "")
		if err != nil || !reflect.DeepEqual(names(layers), c.layers) {
			t.Errorf("layers for %q %q: %v, %v; want %v", c.runtime, c.cpu, names(layers), err, c.layers)
		}
		versions, err := s.LayerVersions(t.Context(), q, "a", 0)
		if err != nil || !reflect.DeepEqual(names(versions), c.versions) {
			t.Errorf("versions for %q %q: %v, %v; want %v", c.runtime, c.cpu, names(versions), err, c.versions)
		}
	}
}

func layersOfAccountsAreApart(t *testing.T, s Layers) {
	here, there, other := newLayer("same"), newLayer("same"), newLayer("same")
	there.Region = "eu-central-1"
	other.Account = "111111111111"
	for _, v := range []*wick.LayerVersion{here, there, other} {
		v.Description = v.Account + v.Region
		if publish(t, s, v); v.Version != 1 {
			t.Errorf("%v has version %d", v.LayerID, v.Version)
		}
	}
	for _, v := range []*wick.LayerVersion{here, there, other} {
		list, err := s.Layers(t.Context(), wick.LayerQuery{Account: v.Account, Region: v.Region, Limit: 10}, "")
		if err != nil || len(list) != 1 || list[0].Description != v.Description {
			t.Errorf("%s %s lists %v, %v", v.Account, v.Region, names(list), err)
		}
	}
	if err := s.DeleteLayerVersion(t.Context(), here.LayerID, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.LayerVersion(t.Context(), there.LayerID, 1); err != nil {
		t.Error(err)
	}
}

func layersCount(t *testing.T, s Layers) {
	create(t, s, NewFunction("f"))
	publish(t, s, newLayer("l"))
	publish(t, s, newLayer("l"))
	for _, want := range []int64{1200, 1100} {
		n, bytes, err := s.AccountUsage(t.Context(), wick.DefaultAccount, wick.DefaultRegion)
		if err != nil || n != 1 || bytes != want {
			t.Errorf("usage %d functions, %d bytes, %v; want 1, %d", n, bytes, err, want)
		}
		if err := s.DeleteLayerVersion(t.Context(), newLayer("l").LayerID, 1); err != nil {
			t.Fatal(err)
		}
	}
}

func layerPackagesInUse(t *testing.T, s Layers) {
	f, g := NewFunction("f"), NewFunction("g")
	f.Layers = []wick.FunctionLayer{{ARN: "one", Code: wick.Package{SHA256: "sha-1"}}, {ARN: "two", Code: wick.Package{SHA256: "sha-2"}}}
	g.Layers = []wick.FunctionLayer{}
	create(t, s, f)
	create(t, s, g)
	publish(t, s, newLayer("l"))
	want := map[string]bool{
		"sha-of-f": true, "sha-of-g": true, "sha-of-layer-l": true, "sha-1": true, "sha-2": true,
		wick.MergedLayers([]string{"sha-1", "sha-2"}): true,
	}
	if got, err := s.PackagesInUse(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("packages %v, %v; want %v", got, err, want)
	}
}

func publishingAtOnce(t *testing.T, s Layers) {
	const callers = 16
	var mu sync.Mutex
	given := map[int64]bool{}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			v := newLayer("l")
			if err := s.PublishLayerVersion(t.Context(), v); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			given[v.Version] = true
		})
	}
	wg.Wait()
	for n := int64(1); n <= callers; n++ {
		if !given[n] {
			t.Errorf("nobody got version %d", n)
		}
	}
}
