// Package storetest holds the contracts of package wick's stores as tests: each
// implementation runs them over itself.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// Fill sets every member of the struct p points to, and of those inside it, to a
// value of its own that isn't zero, so that a test over all of them needs no list.
// seed makes one filling differ from another.
func Fill(p any, seed int) {
	n := seed
	fill(reflect.ValueOf(p).Elem(), &n)
}

func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text-%d äöü \"quoted\" \n", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, n)
			fill(value, n)
			m.SetMapIndex(key, value)
		}
		v.Set(m)
	case reflect.Slice:
		s := reflect.MakeSlice(v.Type(), 2, 2)
		fill(s.Index(0), n)
		fill(s.Index(1), n)
		v.Set(s)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_800_000_000+int64(*n), 123_000_000).UTC()))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	default:
		panic("storetest.Fill: no way to fill a " + v.Type().String())
	}
}

// NewFunction returns a plausible $LATEST of a function.
func NewFunction(name string) *wick.Function {
	return &wick.Function{
		FunctionID:     wick.FunctionID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: name},
		Version:        wick.Latest,
		Runtime:        "python3.12",
		Handler:        "app.handler",
		TimeoutSeconds: 3,
		MemoryMB:       128,
		Code:           wick.Package{SHA256: "sha-of-" + name, Size: 1000},
		State:          wick.StatePending,
		RevisionID:     "revision-1",
		LastModified:   time.Date(2026, 11, 24, 20, 15, 0, 0, time.UTC),
	}
}

// FunctionStore runs the contract of wick.FunctionStore. open returns an empty store
// that it closes itself when the test ends.
func FunctionStore(t *testing.T, open func(t *testing.T) wick.FunctionStore) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, wick.FunctionStore)
	}{
		{"every member of a function survives", everyMemberSurvives},
		{"a function without environment has none", emptyMapsStay},
		{"a name is taken once", aNameIsTakenOnce},
		{"what isn't there is NotFound", missingIsNotFound},
		{"an update replaces the value", anUpdateReplaces},
		{"an update that fails changes nothing", aFailedUpdateChangesNothing},
		{"updates of one function don't get lost", updatesDoNotGetLost},
		{"a deleted function is gone and can be made again", deletedIsGone},
		{"lists go by name, in pages", listsGoByName},
		{"accounts and regions are apart", accountsAreApart},
		{"usage counts functions and bytes", usageCounts},
		{"packages in use are those of all versions", packagesInUse},
		{"the config hash follows what an instance depends on", configHashFollows},
		{"a call whose context has ended does nothing", endedContext},
		{"one caller's failure is its own", failuresAreAlone},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func everyMemberSurvives(t *testing.T, s wick.FunctionStore) {
	ctx := t.Context()
	var f wick.Function
	Fill(&f, 1)
	create(t, s, &f)
	if f.ConfigHash == "" {
		t.Error("CreateFunction left ConfigHash empty")
	}
	if got := function(t, s, f.FunctionID, f.Version); !reflect.DeepEqual(got, &f) {
		t.Errorf("read back\n%+v\nwant\n%+v", got, &f)
	}
	var next wick.Function
	Fill(&next, 1000)
	next.FunctionID, next.Version = f.FunctionID, f.Version
	updated, err := s.UpdateFunction(ctx, f.FunctionID, f.Version, func(f *wick.Function) error { *f = next; return nil })
	if err != nil {
		t.Fatal(err)
	}
	next.ConfigHash = updated.ConfigHash
	if !reflect.DeepEqual(updated, &next) {
		t.Errorf("UpdateFunction returned\n%+v\nwant\n%+v", updated, &next)
	}
	if got := function(t, s, f.FunctionID, f.Version); !reflect.DeepEqual(got, &next) {
		t.Errorf("read back after the update\n%+v\nwant\n%+v", got, &next)
	}
}

func emptyMapsStay(t *testing.T, s wick.FunctionStore) {
	f := NewFunction("plain")
	create(t, s, f)
	if got := function(t, s, f.FunctionID, wick.Latest); got.Environment != nil || got.Tags != nil {
		t.Errorf("Environment %v, Tags %v: want nil", got.Environment, got.Tags)
	}
}

func aNameIsTakenOnce(t *testing.T, s wick.FunctionStore) {
	first, second := NewFunction("taken"), NewFunction("taken")
	second.Handler = "other.handler"
	create(t, s, first)
	wantKind(t, s.CreateFunction(t.Context(), second), wick.Conflict)
	if got := function(t, s, first.FunctionID, wick.Latest); got.Handler != first.Handler {
		t.Errorf("the second create changed the first: handler %q", got.Handler)
	}
}

func missingIsNotFound(t *testing.T, s wick.FunctionStore) {
	ctx, f := t.Context(), NewFunction("there")
	create(t, s, f)
	missing := NewFunction("missing").FunctionID
	_, err := s.Function(ctx, missing, wick.Latest)
	wantKind(t, err, wick.NotFound)
	_, err = s.Function(ctx, f.FunctionID, "7")
	wantKind(t, err, wick.NotFound)
	_, err = s.UpdateFunction(ctx, missing, wick.Latest, func(*wick.Function) error {
		t.Error("change was called")
		return nil
	})
	wantKind(t, err, wick.NotFound)
	wantKind(t, s.DeleteFunction(ctx, missing), wick.NotFound)
}

func anUpdateReplaces(t *testing.T, s wick.FunctionStore) {
	f := NewFunction("updated")
	f.Environment = map[string]string{"A": "1"}
	create(t, s, f)
	before := function(t, s, f.FunctionID, wick.Latest)
	updated, err := s.UpdateFunction(t.Context(), f.FunctionID, wick.Latest, func(f *wick.Function) error {
		f.State = wick.StateActive
		f.Environment["A"] = "2"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	after := function(t, s, f.FunctionID, wick.Latest)
	if !reflect.DeepEqual(updated, after) || after.State != wick.StateActive || after.Environment["A"] != "2" {
		t.Errorf("updated %+v, read %+v", updated, after)
	}
	if before.State != wick.StatePending || before.Environment["A"] != "1" {
		t.Errorf("a value read before the update has changed: %+v", before)
	}
}

func aFailedUpdateChangesNothing(t *testing.T, s wick.FunctionStore) {
	f := NewFunction("kept")
	create(t, s, f)
	refused := errors.New("refused")
	_, err := s.UpdateFunction(t.Context(), f.FunctionID, wick.Latest, func(f *wick.Function) error {
		f.Handler = "changed"
		return refused
	})
	if err != refused { //nolint:errorlint // the contract: returned as it is
		t.Errorf("error %v, want the change's own", err)
	}
	if got := function(t, s, f.FunctionID, wick.Latest); !reflect.DeepEqual(got, f) {
		t.Errorf("changed to %+v", got)
	}
}

func updatesDoNotGetLost(t *testing.T, s wick.FunctionStore) {
	f := NewFunction("counted")
	f.MemoryMB = 0
	create(t, s, f)
	const callers, each = 8, 25
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				_, err := s.UpdateFunction(t.Context(), f.FunctionID, wick.Latest, func(f *wick.Function) error { f.MemoryMB++; return nil })
				if err != nil {
					t.Error(err)
				}
				if _, err := s.Function(t.Context(), f.FunctionID, wick.Latest); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := function(t, s, f.FunctionID, wick.Latest); got.MemoryMB != callers*each {
		t.Errorf("%d updates counted, want %d", got.MemoryMB, callers*each)
	}
}

func deletedIsGone(t *testing.T, s wick.FunctionStore) {
	f, numbered := NewFunction("gone"), NewFunction("gone")
	numbered.Version = "1"
	create(t, s, f)
	create(t, s, numbered)
	function(t, s, f.FunctionID, "1")
	if err := s.DeleteFunction(t.Context(), f.FunctionID); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{wick.Latest, "1"} {
		_, err := s.Function(t.Context(), f.FunctionID, version)
		wantKind(t, err, wick.NotFound)
	}
	wantKind(t, s.DeleteFunction(t.Context(), f.FunctionID), wick.NotFound)
	create(t, s, f)
	function(t, s, f.FunctionID, wick.Latest)
}

func listsGoByName(t *testing.T, s wick.FunctionStore) {
	for _, name := range []string{"b", "a-2", "B", "a", "c"} {
		create(t, s, NewFunction(name))
	}
	numbered := NewFunction("a")
	numbered.Version = "1"
	create(t, s, numbered)
	var names []string
	after := ""
	for {
		page, err := s.Functions(t.Context(), wick.DefaultAccount, wick.DefaultRegion, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		if len(page) > 2 {
			t.Fatalf("a page of %d, want 2 at most", len(page))
		}
		for _, f := range page {
			if f.Version != wick.Latest {
				t.Errorf("version %s of %s is listed", f.Version, f.Name)
			}
			names = append(names, f.Name)
		}
		after = names[len(names)-1]
	}
	if want := []string{"B", "a", "a-2", "b", "c"}; !reflect.DeepEqual(names, want) {
		t.Errorf("listed %v, want %v", names, want)
	}
}

func accountsAreApart(t *testing.T, s wick.FunctionStore) {
	here, there, other := NewFunction("same"), NewFunction("same"), NewFunction("same")
	there.Region = "eu-central-1"
	other.Account = "111111111111"
	for _, f := range []*wick.Function{here, there, other} {
		f.Description = f.Account + f.Region
		create(t, s, f)
	}
	for _, f := range []*wick.Function{here, there, other} {
		if got := function(t, s, f.FunctionID, wick.Latest); got.Description != f.Description {
			t.Errorf("%v reads as %v", f.FunctionID, got.FunctionID)
		}
		list, err := s.Functions(t.Context(), f.Account, f.Region, "", 10)
		if err != nil || len(list) != 1 {
			t.Errorf("%s %s lists %d functions (%v), want 1", f.Account, f.Region, len(list), err)
		}
	}
	if err := s.DeleteFunction(t.Context(), here.FunctionID); err != nil {
		t.Fatal(err)
	}
	function(t, s, there.FunctionID, wick.Latest)
	function(t, s, other.FunctionID, wick.Latest)
}

func usageCounts(t *testing.T, s wick.FunctionStore) {
	usage := func(wantFunctions int, wantBytes int64) {
		t.Helper()
		n, bytes, err := s.AccountUsage(t.Context(), wick.DefaultAccount, wick.DefaultRegion)
		if err != nil || n != wantFunctions || bytes != wantBytes {
			t.Errorf("usage %d functions, %d bytes, %v; want %d, %d", n, bytes, err, wantFunctions, wantBytes)
		}
	}
	usage(0, 0)
	a, a1, b := NewFunction("a"), NewFunction("a"), NewFunction("b")
	a1.Version = "1"
	b.Code.Size = 500
	for _, f := range []*wick.Function{a, a1, b} {
		create(t, s, f)
	}
	usage(2, 2500)
	if err := s.DeleteFunction(t.Context(), a.FunctionID); err != nil {
		t.Fatal(err)
	}
	usage(1, 500)
}

func packagesInUse(t *testing.T, s wick.FunctionStore) {
	a, a1 := NewFunction("a"), NewFunction("a")
	a1.Version, a1.Code.SHA256 = "1", "sha-of-1"
	create(t, s, a)
	create(t, s, a1)
	if _, err := s.UpdateFunction(t.Context(), a.FunctionID, wick.Latest, func(f *wick.Function) error {
		f.Code.SHA256 = "sha-of-new"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	got, err := s.PackagesInUse(t.Context())
	if want := map[string]bool{"sha-of-1": true, "sha-of-new": true}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("packages %v, %v; want %v", got, err, want)
	}
}

// keepsHash are the members a change of which leaves running instances in use.
var keepsHash = map[string]bool{
	"Description": true, "DeadLetterTarget": true, "Tags": true, "RevisionID": true, "ConfigHash": true, "LastModified": true,
	"State": true, "StateReason": true, "StateReasonCode": true,
	"UpdateStatus": true, "UpdateReason": true, "UpdateReasonCode": true,
}

func configHashFollows(t *testing.T, s wick.FunctionStore) {
	var f wick.Function
	Fill(&f, 1)
	create(t, s, &f)
	hash := f.ConfigHash
	n := 5000
	for i := range reflect.TypeFor[wick.Function]().NumField() {
		member := reflect.TypeFor[wick.Function]().Field(i).Name
		if member == "FunctionID" || member == "Version" {
			continue // an update can't change them
		}
		updated, err := s.UpdateFunction(t.Context(), f.FunctionID, f.Version, func(f *wick.Function) error {
			fill(reflect.ValueOf(f).Elem().Field(i), &n)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if changed := updated.ConfigHash != hash; changed == keepsHash[member] {
			t.Errorf("a new %s: config hash changed %v, want %v", member, changed, !keepsHash[member])
		}
		hash = updated.ConfigHash
	}
	same, err := s.UpdateFunction(t.Context(), f.FunctionID, f.Version, func(*wick.Function) error { return nil })
	if err != nil || same.ConfigHash != hash {
		t.Errorf("an update of nothing changed the config hash (%v)", err)
	}
}

func endedContext(t *testing.T, s wick.FunctionStore) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := NewFunction("never")
	if err := s.CreateFunction(ctx, f); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	_, err := s.Function(t.Context(), f.FunctionID, wick.Latest)
	wantKind(t, err, wick.NotFound)
}

func failuresAreAlone(t *testing.T, s wick.FunctionStore) {
	create(t, s, NewFunction("taken"))
	const callers = 32
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			if i%2 == 0 {
				wantKind(t, s.CreateFunction(t.Context(), NewFunction("taken")), wick.Conflict)
				return
			}
			create(t, s, NewFunction(fmt.Sprint("free-", i)))
		})
	}
	wg.Wait()
	list, err := s.Functions(t.Context(), wick.DefaultAccount, wick.DefaultRegion, "", 100)
	if err != nil || len(list) != 1+callers/2 {
		t.Errorf("%d functions, %v; want %d", len(list), err, 1+callers/2)
	}
}

func create(t *testing.T, s wick.FunctionStore, f *wick.Function) {
	t.Helper()
	if err := s.CreateFunction(t.Context(), f); err != nil {
		t.Errorf("creating %s: %v", f.Name, err)
	}
}

func function(t *testing.T, s wick.FunctionStore, id wick.FunctionID, version string) *wick.Function {
	t.Helper()
	f, err := s.Function(t.Context(), id, version)
	if err != nil {
		t.Fatalf("reading %s: %v", id.QualifiedARN(version), err)
	}
	return f
}

func wantKind(t *testing.T, err error, kind wick.Kind) {
	t.Helper()
	var e *wick.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Errorf("error %v, want kind %d", err, kind)
	}
}
