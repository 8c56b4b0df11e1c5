package control

import (
	"archive/zip"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/code"
)

func layerNamed(name string) wick.LayerID {
	return wick.LayerID{Account: testAccount, Region: testRegion, Name: name}
}

// layer publishes a version of a layer and returns its ARN.
func (b *bench) layer(name, body string) string {
	b.t.Helper()
	v, err := b.PublishLayerVersion(b.ctx, &PublishLayerInput{Layer: layerNamed(name), Content: Source{Zip: zipOf(b.t, body)}})
	if err != nil {
		b.t.Fatal(err)
	}
	return v.ARN()
}

// with creates a function with layers and waits until it is ready.
func (b *bench) with(name string, layers ...string) *wick.Function {
	b.t.Helper()
	in := b.input(name)
	in.Layers = layers
	if _, err := b.Create(b.ctx, in); err != nil {
		b.t.Fatal(err)
	}
	return b.settled(name)
}

func TestLayersThatAFunctionCantHave(t *testing.T) {
	b := newBench(t, nil)
	one, again, two := b.layer("one", "1"), b.layer("one", "1, newer"), b.layer("two", "2")
	gone := b.layer("gone", "3")
	if err := b.DeleteLayerVersion(b.ctx, layerNamed("gone"), 1); err != nil {
		t.Fatal(err)
	}
	b.with("f", two)
	elsewhere := strings.Replace(one, testRegion, "eu-west-1", 1)
	others := strings.Replace(one, testAccount, "222222222222", 1)
	twice := func(a, b string) string {
		return "Two different versions of the same layer are not allowed to be referenced in the same function. " + a + " and " + b +
			" are versions of the same layer."
	}
	for name, c := range map[string]struct {
		layers []string
		kind   wick.Kind
		want   string
	}{
		"too many":                {[]string{"", "", "", "", "", ""}, wick.InvalidParameter, "Cannot reference more than 5 layers."},
		"no such version":         {[]string{two, one[:len(one)-1] + "7"}, wick.InvalidParameter, "Layer version " + one[:len(one)-1] + "7 does not exist."},
		"version 0":               {[]string{one[:len(one)-1] + "0"}, wick.InvalidParameter, "Layer version " + one[:len(one)-1] + "0 does not exist."},
		"no such layer":           {[]string{layerNamed("x").VersionARN(1)}, wick.InvalidParameter, "Layer version " + layerNamed("x").VersionARN(1) + " does not exist."},
		"deleted":                 {[]string{gone}, wick.InvalidParameter, "Layer version " + gone + " does not exist."},
		"two versions of one":     {[]string{one, two, again}, wick.InvalidParameter, twice(one, again)},
		"one version twice":       {[]string{one, one}, wick.InvalidParameter, twice(one, one)},
		"of another region":       {[]string{elsewhere}, wick.InvalidParameter, "Layers are not in the same region as the function. Layers are expected to be in region us-east-1."},
		"of another account":      {[]string{others}, wick.AccessDenied, "User: arn:aws:iam::111111111111:root is not authorized to perform: lambda:GetLayerVersion on resource: " + others + " because no resource-based policy allows the lambda:GetLayerVersion action"},
		"a number beyond all":     {[]string{one + "99999999999999999999"}, wick.InvalidParameter, "Layer version " + one + "99999999999999999999 does not exist."},
		"an ARN without version":  {[]string{layerNamed("one").ARN()}, wick.InvalidParameter, "Layer version " + layerNamed("one").ARN() + " does not exist."},
		"a layer of AWS's itself": {[]string{"arn:aws:lambda:::awslayer:Linux"}, wick.InvalidParameter, "Layer version arn:aws:lambda:::awslayer:Linux does not exist."},
	} {
		t.Run(name, func(t *testing.T) {
			in := b.input("g")
			in.Layers = c.layers
			_, err := b.Create(b.ctx, in)
			wantError(t, err, c.kind, c.want)
			_, err = b.UpdateConfiguration(b.ctx, &UpdateConfigurationInput{Function: named("f"), Layers: c.layers})
			wantError(t, err, c.kind, c.want)
		})
	}
	if f, err := b.Function(b.ctx, named("f")); err != nil || len(f.Layers) != 1 || f.Layers[0].ARN != two {
		t.Errorf("the function's layers became %v (%v)", f.Layers, err)
	}
}

func TestAnUpdateReplacesTheListOfLayers(t *testing.T) {
	b := newBench(t, nil)
	one, two := b.layer("one", "1"), b.layer("two", "2")
	f := b.with("f", one)
	hash := f.ConfigHash
	for _, c := range []struct {
		name    string
		layers  []string
		want    []string
		changes bool
	}{
		{"another order and number", []string{two, one}, []string{two, one}, true},
		{"no list", nil, []string{two, one}, false},
		{"the same list", []string{two, one}, []string{two, one}, false},
		{"the order alone", []string{one, two}, []string{one, two}, true},
		{"an empty list", []string{}, nil, true},
	} {
		if _, err := b.UpdateConfiguration(b.ctx, &UpdateConfigurationInput{Function: named("f"), Layers: c.layers}); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		f := b.settled("f")
		var got []string
		for _, l := range f.Layers {
			got = append(got, l.ARN)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) || (f.ConfigHash != hash) != c.changes {
			t.Errorf("%s: layers %v (want %v); new instances: %t (want %t)", c.name, got, c.want, f.ConfigHash != hash, c.changes)
		}
		hash = f.ConfigHash
	}
}

func TestAFunctionIsReadyWhenItsLayersAreMerged(t *testing.T) {
	b := newBench(t, nil)
	f := b.with("f", b.layer("one", "1"), b.layer("two", "2"))
	merged := filepath.Join(b.dir, "trees", wick.MergedLayers(f.LayerPackages()))
	if _, err := os.Stat(filepath.Join(merged, "app.py")); err != nil {
		t.Error(err)
	}
}

func TestADeletedLayerVersionStaysWithThoseThatHaveIt(t *testing.T) {
	b := newBench(t, func(o *Options) { o.CollectEvery = 1 << 62 })
	f := b.with("f", b.layer("kept", "kept"))
	spare := b.layer("spare", "spare")
	for _, name := range []string{"kept", "spare"} {
		if err := b.DeleteLayerVersion(b.ctx, layerNamed(name), 1); err != nil {
			t.Fatal(err)
		}
	}
	inUse, err := b.store.PackagesInUse(b.ctx)
	if err != nil || !inUse[f.Layers[0].Code.SHA256] || len(inUse) != 2 {
		t.Errorf("in use: %v, %v", inUse, err)
	}
	_, err = b.Create(b.ctx, &CreateInput{
		Function: named("g"), Runtime: "python3.12", Handler: "x.y", Role: "r", Code: Source{Zip: zipOf(t, "x")}, Layers: []string{spare},
	})
	wantError(t, err, wick.InvalidParameter, "Layer version "+spare+" does not exist.")
}

// zeros is a package with one file of that many zeros.
func zeros(t testing.TB, size int64) []byte {
	t.Helper()
	var body bytes.Buffer
	z, err := flate.NewWriter(&body, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	sum := crc32.NewIEEE()
	if _, err := io.CopyN(io.MultiWriter(z, sum), zeroReader{}, size); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	out, err := w.CreateRaw(&zip.FileHeader{
		Name: "zeros", Method: zip.Deflate, CRC32: sum.Sum32(),
		CompressedSize64: uint64(body.Len()), UncompressedSize64: uint64(size), //nolint:gosec // not negative
	})
	if err == nil {
		_, err = out.Write(body.Bytes())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// sized is a package store that says of some packages that they unpack to more than they do.
type sized struct {
	*code.Store
	sizes map[string]int64
}

func (s sized) UnpackedBytes(sha string) (int64, error) {
	if n, ok := s.sizes[sha]; ok {
		return n, nil
	}
	return s.Store.UnpackedBytes(sha)
}

func TestCodeAndLayersTogetherHaveALimit(t *testing.T) {
	sizes := map[string]int64{}
	b := newBench(t, func(o *Options) { o.Code = sized{o.Code.(*gated).Store, sizes} })
	publish := func(name string, size int64) string {
		v, err := b.PublishLayerVersion(b.ctx, &PublishLayerInput{Layer: layerNamed(name), Content: Source{Zip: zipOf(t, name)}})
		if err != nil {
			t.Fatal(err)
		}
		sizes[v.Code.SHA256] = size
		return v.ARN()
	}
	half, most, rest := publish("half", 131072000), publish("most", 262143000), publish("rest", 131072001)
	in := func(name string, codeSize int64, layers ...string) *CreateInput {
		in := b.input(name)
		in.Layers = layers
		in.Code.Zip = zeros(t, codeSize)
		return in
	}
	_, err := b.Create(b.ctx, in("f", 1001, most))
	wantError(t, err, wick.InvalidParameter,
		"Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 262144001 bytes.")
	_, err = b.Create(b.ctx, in("f", 1, half, rest))
	wantError(t, err, wick.InvalidParameter, "Layers consume more than the available size of 262144000 bytes")
	if _, err := b.Create(b.ctx, in("f", 1000, most)); err != nil {
		t.Fatal(err)
	}
	b.settled("f")
	_, err = b.UpdateCode(b.ctx, &UpdateCodeInput{Function: named("f"), Code: Source{Zip: zeros(t, 1002)}, DryRun: true})
	wantError(t, err, wick.InvalidParameter,
		"Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 262144002 bytes.")
	_, err = b.UpdateConfiguration(b.ctx, &UpdateConfigurationInput{Function: named("f"), Layers: []string{half, rest}})
	wantError(t, err, wick.InvalidParameter, "Layers consume more than the available size of 262144000 bytes")
}

func TestLayersAreListedInPages(t *testing.T) {
	b := newBench(t, nil)
	for i := range 53 {
		b.layer(fmt.Sprintf("l%02d", i), "x")
		b.layer("one", fmt.Sprint(i))
	}
	q := wick.LayerQuery{Account: testAccount, Region: testRegion}
	first, next, err := b.Layers(b.ctx, q, "")
	if err != nil || len(first) != 50 || next == "" {
		t.Fatalf("%d layers, marker %q, %v", len(first), next, err)
	}
	last, end, err := b.Layers(b.ctx, q, next)
	if err != nil || len(last) != 4 || end != "" || last[3].Name != "one" || last[3].Version != 53 {
		t.Errorf("then %d, marker %q, %v", len(last), end, err)
	}
	q.Limit = 20
	versions, next, err := b.LayerVersions(b.ctx, q, "one", "")
	if err != nil || len(versions) != 20 || versions[0].Version != 53 {
		t.Fatalf("%d versions from %v, %v", len(versions), versions[0], err)
	}
	versions, next, err = b.LayerVersions(b.ctx, q, "one", next)
	if err != nil || versions[0].Version != 33 {
		t.Errorf("then from %d, %v", versions[0].Version, err)
	}
	if versions, next, err = b.LayerVersions(b.ctx, q, "one", next); err != nil || len(versions) != 13 || next != "" {
		t.Errorf("at last %d, marker %q, %v", len(versions), next, err)
	}
	for _, marker := range []string{"!", "-1", "0", "x"} {
		_, _, err := b.LayerVersions(b.ctx, q, "one", marker)
		wantError(t, err, wick.InvalidParameter, "Invalid Marker: "+marker)
	}
	_, _, err = b.Layers(b.ctx, q, "!")
	wantError(t, err, wick.InvalidParameter, "Invalid Marker: !")
}

func TestLayerNamesAndARNs(t *testing.T) {
	for name, want := range map[string]wick.LayerID{
		"l": layerNamed("l"),
		"arn:aws:lambda:us-east-1:111111111111:layer:l": layerNamed("l"),
		// Whose pattern this isn't, the model's room has refused.
		"arn:aws:lambda:us-east-1:111111111111:layer:l:1": layerNamed("arn:aws:lambda:us-east-1:111111111111:layer:l:1"),
	} {
		if got, err := ParseLayerName(name, testAccount, testRegion); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	id, version, err := ParseLayerVersionARN("arn:aws:lambda:us-east-1:111111111111:layer:l:12", testAccount, testRegion)
	if err != nil || id != layerNamed("l") || version != 12 {
		t.Errorf("%+v, %d, %v", id, version, err)
	}
	for arn, kind := range map[string]wick.Kind{
		"arn:aws:lambda:us-east-1:111111111111:layer:l":      wick.NotFound,
		"arn:aws:lambda:eu-west-1:111111111111:layer:l:1":    wick.NotFound,
		"arn:aws:lambda:us-east-1:222222222222:layer:l:1":    wick.AccessDenied,
		"arn:aws:lambda:::awslayer:Linux":                    wick.NotFound,
		"arn:aws:lambda:us-east-1:111111111111:function:f:1": wick.NotFound,
	} {
		if _, _, err := ParseLayerVersionARN(arn, testAccount, testRegion); wick.KindOf(err) != kind || err == nil {
			t.Errorf("%s: %v", arn, err)
		}
	}
}
