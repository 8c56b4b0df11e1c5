package wick

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestQuantilesAreWithinOnePercent(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, next := range map[string]func() float64{
		"uniform":     func() float64 { return random.Float64() * 900_000 },
		"exponential": func() float64 { return random.ExpFloat64() * 12 },
		"tiny":        func() float64 { return random.Float64() * 1e-9 },
		"huge":        func() float64 { return math.Exp(random.Float64()*20 + 100) },
	} {
		var whole, one, two Distribution
		values := make([]float64, 20_000)
		for i := range values {
			values[i] = next()
			whole.Add(values[i], 1)
			if i%3 == 0 {
				one.Add(values[i], 1)
			} else {
				two.Add(values[i], 1)
			}
		}
		one.Merge(&two)
		slices.Sort(values)
		for _, q := range []float64{0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1} {
			want := values[min(len(values)-1, int(math.Ceil(q*float64(len(values))))-1)]
			for _, d := range []Distribution{whole, one} {
				if got, ok := d.Quantile(q); !ok || math.Abs(got-want) > want/100 {
					t.Errorf("%s: quantile %v is %v, want %v", name, q, got, want)
				}
			}
		}
		if one.Count != 20_000 || one.Min != values[0] || one.Max != values[len(values)-1] {
			t.Errorf("%s: merged it is %v %v %v", name, one.Count, one.Min, one.Max)
		}
	}
}

func TestSetsHaveQuantilesOnlyWhereTheirValuesAreKnown(t *testing.T) {
	for name, test := range map[string]struct {
		add   func(*Distribution)
		known bool
	}{
		"one value":       {func(d *Distribution) { d.AddSet(1, 7, 7, 7) }, true},
		"all the same":    {func(d *Distribution) { d.AddSet(10, 70, 7, 7) }, true},
		"zero":            {func(d *Distribution) { d.Add(0, 3) }, true},
		"minus zero":      {func(d *Distribution) { d.Add(math.Copysign(0, -1), 3) }, true},
		"several":         {func(d *Distribution) { d.AddSet(2, 7, 3, 4) }, false},
		"negative":        {func(d *Distribution) { d.Add(-1, 1) }, false},
		"several, merged": {func(d *Distribution) { d.Add(1, 1); o := Distribution{}; o.AddSet(2, 7, 3, 4); d.Merge(&o) }, false},
	} {
		var d Distribution
		test.add(&d)
		if v, ok := d.Quantile(0.5); ok != test.known {
			t.Errorf("%s: the median is %v, %v", name, v, ok)
		}
	}
}

func TestBinsSurviveTheirEncoding(t *testing.T) {
	var d Distribution
	for _, v := range []float64{0, 0.001, 1, 1.5, 3e9, math.MaxFloat64} {
		d.Add(v, 3)
	}
	d.Add(42, 0.25)
	back := Distribution{Count: d.Count, Sum: d.Sum, Min: d.Min, Max: d.Max}
	if err := back.SetBins(d.AppendBins(nil)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(back.Bins(), d.Bins()) {
		t.Errorf("got %v, want %v", back.Bins(), d.Bins())
	}
	d.Add(-1, 1)
	if err := back.SetBins(d.AppendBins(nil)); err != nil || back.Spread() {
		t.Errorf("a blurred one came back spread (%v)", err)
	}
}

func TestWhatCameSinceIsTheDifference(t *testing.T) {
	var d Distribution
	d.Add(1000, 5)
	before := d.Clone()
	d.Add(10, 4)
	since := d.Minus(&before)
	if since.Count != 4 || since.Sum != 40 {
		t.Errorf("since then it is %v of %v", since.Count, since.Sum)
	}
	if v, _ := since.Quantile(0.99); math.Abs(v-10) > 0.1 {
		t.Errorf("its p99 is %v", v)
	}
}

func TestAPartIsCutAtTheEnds(t *testing.T) {
	var d Distribution
	for v := range 100 {
		d.Add(float64(v+1), 1)
	}
	part, ok := d.Between(0.1, 0.9, true)
	if !ok || math.Abs(part.Count-80) > 1e-6 || math.Abs(part.Mean()-50.5) > 0.5 {
		t.Errorf("between the tenths there are %v, %v on average", part.Count, part.Mean())
	}
	part, _ = d.Between(10, 20, false)
	if math.Abs(part.Count-10) > 1 {
		t.Errorf("between 10 and 20 there are %v", part.Count)
	}
}

func FuzzBins(f *testing.F) {
	var d Distribution
	d.Add(1, 2)
	d.Add(3, 0.5)
	f.Add(d.AppendBins(nil))
	f.Add([]byte{0})
	f.Add([]byte{1, 200, 200, 3, 1})
	f.Add(append(binary.AppendUvarint([]byte{1}, noBin), 2))                                 // of no finite value
	f.Add([]byte{1, 5, 1, 0x7f, 0xef, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 0xef, 0, 0, 0, 0, 0, 0}) // one bin twice, whose sum is no number
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Distribution
		if d.SetBins(b) != nil {
			return
		}
		var again Distribution
		if err := again.SetBins(d.AppendBins(nil)); err != nil {
			t.Fatalf("what was read can't be read again: %v", err)
		}
		if !slices.Equal(again.Bins(), d.Bins()) || again.Spread() != d.Spread() {
			t.Fatalf("%v became %v", d.Bins(), again.Bins())
		}
	})
}

func BenchmarkDistributionAdd(b *testing.B) {
	var d Distribution
	v := 1.0
	for b.Loop() {
		d.Add(v, 1)
		if v += 0.37; v > 300 {
			v = 1
		}
	}
}
