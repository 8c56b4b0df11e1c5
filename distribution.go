package wick

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
)

// Distribution sums up values: how many, their sum, the least and the greatest, and,
// where it can, how they are spread. Distributions can be merged without loss, so those
// of seconds make those of days. The zero value is empty.
//
// The spread is kept in bins that part each power of two into 128: a value that is read
// back from its bin is too low by less than 1/128 of itself, and whole numbers up to 255
// are exact. Negative values have no bins, as
// CloudWatch has no percentiles for them.
type Distribution struct {
	Count, Sum, Min, Max float64
	// bins are by the upper bits of a value, which are in the order of values; nil for
	// none.
	bins map[uint32]float64
	// blurred says that there are values that are in no bin.
	blurred bool
}

const (
	// binShift leaves the exponent and seven bits of the mantissa.
	binShift = 52 - 7
	// noBin is the first index that no finite value has.
	noBin = 0x7ff << (52 - binShift)
	// maxBins bounds the bins of one distribution: 32 powers of two, all in use. What is
	// spread wider has no percentiles.
	maxBins = 4096
)

// Add adds a value that occurred a number of times.
func (d *Distribution) Add(v, times float64) {
	d.AddSet(times, v*times, v, v)
}

// AddSet adds values of which only this is known. If they can't but be all the same,
// they are as good as added one by one.
func (d *Distribution) AddSet(count, sum, least, greatest float64) {
	if count <= 0 {
		return
	}
	if d.Count == 0 {
		d.Min, d.Max = least, greatest
	} else {
		d.Min, d.Max = min(d.Min, least), max(d.Max, greatest)
	}
	d.Count += count
	d.Sum += sum
	if count == 1 { // sums are exact, bounds may have been rounded
		least, greatest = sum, sum
	}
	switch {
	case d.blurred:
	case least == greatest && least >= 0 && !math.IsInf(least, 1):
		d.bin(uint32(math.Float64bits(least+0)>>binShift), count) // 18 bits; adding 0 makes -0 one
	default:
		d.blur()
	}
}

func (d *Distribution) bin(index uint32, count float64) {
	if d.bins == nil {
		d.bins = make(map[uint32]float64, 8)
	}
	d.bins[index] += count
	if len(d.bins) > maxBins {
		d.blur()
	}
}

func (d *Distribution) blur() { d.blurred, d.bins = true, nil }

// Merge adds all values of another distribution.
func (d *Distribution) Merge(o *Distribution) {
	if o.Count <= 0 {
		return
	}
	if d.Count == 0 {
		d.Min, d.Max = o.Min, o.Max
	} else {
		d.Min, d.Max = min(d.Min, o.Min), max(d.Max, o.Max)
	}
	d.Count += o.Count
	d.Sum += o.Sum
	if d.blurred || o.blurred {
		d.blur()
		return
	}
	if d.bins == nil {
		d.bins = maps.Clone(o.bins)
		return
	}
	for i, n := range o.bins {
		d.bins[i] += n
	}
	if len(d.bins) > maxBins {
		d.blur()
	}
}

// Minus returns what came since an earlier state of the same distribution. Min and Max
// are those of the bins that differ.
func (d *Distribution) Minus(earlier *Distribution) Distribution {
	out := Distribution{Count: d.Count - earlier.Count, Sum: d.Sum - earlier.Sum, Min: d.Min, Max: d.Max, blurred: d.blurred || earlier.blurred}
	if out.blurred || out.Count <= 0 {
		return out
	}
	out.bins = make(map[uint32]float64, len(d.bins))
	for i, n := range d.bins {
		if n -= earlier.bins[i]; n > 0 {
			out.bins[i] = n
		}
	}
	if bins := out.Bins(); len(bins) > 0 {
		out.Min, out.Max = max(d.Min, bins[0].From), min(d.Max, bins[len(bins)-1].To)
	}
	return out
}

// Clone returns a copy.
func (d *Distribution) Clone() Distribution {
	c := *d
	c.bins = maps.Clone(d.bins)
	return c
}

// Mean returns the average, 0 of nothing.
func (d *Distribution) Mean() float64 {
	if d.Count == 0 {
		return 0
	}
	return d.Sum / d.Count
}

// Bin is how many values are in [From, To).
type Bin struct{ From, To, Count float64 }

// Spread says whether Bins holds all values.
func (d *Distribution) Spread() bool { return !d.blurred }

// Bins returns the values' bins in order; nil when they aren't known.
func (d *Distribution) Bins() []Bin {
	bins := make([]Bin, 0, len(d.bins))
	for _, i := range slices.Sorted(maps.Keys(d.bins)) {
		bins = append(bins, Bin{lowest(i), lowest(i + 1), d.bins[i]})
	}
	return bins
}

// lowest returns the least value of a bin.
func lowest(index uint32) float64 { return math.Float64frombits(uint64(index) << binShift) }

// Quantile returns the value below which a share q of the values is, as near as bins
// allow; ok is false when they aren't known.
func (d *Distribution) Quantile(q float64) (v float64, ok bool) {
	if d.blurred || d.Count <= 0 {
		return 0, false
	}
	if q <= 0 {
		return d.Min, true
	}
	wanted := q * d.Count
	for _, b := range d.Bins() {
		if wanted -= b.Count; wanted <= 1e-9*d.Count {
			return d.inside(b), true
		}
	}
	return d.Max, true
}

// inside returns the value that stands for a bin's.
func (d *Distribution) inside(b Bin) float64 {
	return min(max(b.From, d.Min), d.Max)
}

// Between returns the values between two of their quantiles, or between two bounds; the
// bins at the ends are taken in part. ok is false when they aren't known.
func (d *Distribution) Between(from, to float64, quantiles bool) (part Distribution, ok bool) {
	if d.blurred {
		return Distribution{}, false
	}
	seen := 0.0
	for _, b := range d.Bins() {
		v, n := d.inside(b), b.Count
		if quantiles {
			low, high := max(from*d.Count, seen), min(to*d.Count, seen+b.Count)
			seen += b.Count
			n = high - low
		} else if b.From <= from && from > 0 || b.From > to { // from isn't in the range, to is
			continue
		}
		if n > 1e-9 {
			part.Add(v, n)
		}
	}
	return part, true
}

var errDistribution = errors.New("not a distribution's bins")

// AppendBins appends the bins in a form that SetBins reads: pairs of the distance to
// the bin before and of the count.
func (d *Distribution) AppendBins(b []byte) []byte {
	if d.blurred {
		return append(b, 0)
	}
	b = append(b, 1)
	last := uint32(0)
	for _, i := range slices.Sorted(maps.Keys(d.bins)) {
		b = binary.AppendUvarint(b, uint64(i-last))
		last = i
		if n := d.bins[i]; n == math.Trunc(n) && n < 1<<52 {
			b = binary.AppendUvarint(b, uint64(n)<<1)
		} else {
			b = binary.BigEndian.AppendUint64(append(b, 1), math.Float64bits(n))
		}
	}
	return b
}

// SetBins reads what AppendBins wrote.
func (d *Distribution) SetBins(b []byte) error {
	d.bins, d.blurred = nil, false
	if len(b) == 0 {
		return errDistribution
	}
	if d.blurred = b[0] == 0; d.blurred {
		return nil
	}
	at := uint64(0)
	for b = b[1:]; len(b) > 0; {
		step, n := binary.Uvarint(b)
		if n <= 0 || step == 0 && len(d.bins) > 0 { // each bin is there once
			return errDistribution
		}
		if at += step; step >= noBin || at >= noBin || len(d.bins) == maxBins {
			return errDistribution
		}
		b = b[n:]
		times, n := binary.Uvarint(b)
		if n <= 0 {
			return errDistribution
		}
		b = b[n:]
		count := float64(times >> 1)
		if times&1 == 1 {
			if len(b) < 8 {
				return errDistribution
			}
			count = math.Float64frombits(binary.BigEndian.Uint64(b))
			b = b[8:]
		}
		if !(count > 0) || math.IsInf(count, 1) {
			return errDistribution
		}
		if d.bins == nil {
			d.bins = make(map[uint32]float64, 8)
		}
		d.bins[uint32(at)] = count
	}
	return nil
}
