package metrics

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/wick-run/wick"
)

// Statistic is a way to make one number of a period's values.
// Source: CloudWatch user guide, statistics definitions.
type Statistic struct {
	kind string // sum, p, TM, …
	// From and to bound the values: as shares of all when percent, else as values. From is
	// not in the range itself, to is.
	from, to float64
	percent  bool
}

// The statistics every metric has.
var simple = map[string]bool{"SampleCount": true, "Average": true, "Sum": true, "Minimum": true, "Maximum": true}

var (
	shortForm = regexp.MustCompile(`^(p|tm|wm|tc|ts)(\d{1,2}(?:\.\d{0,10})?|100)$`)
	longForm  = regexp.MustCompile(`^(TM|WM|TC|TS|PR)\((\d*\.?\d*)(%?):(\d*\.?\d*)(%?)\)$`)
)

// ParseStatistic reads a statistic's name: Average, p99.9, tm95, TM(10%:90%), PR(:300), IQM.
func ParseStatistic(s string) (Statistic, bool) {
	if simple[s] {
		return Statistic{kind: s}, true
	}
	if s == "IQM" {
		return Statistic{kind: "TM", from: 0.25, to: 0.75, percent: true}, true
	}
	if m := shortForm.FindStringSubmatch(s); m != nil {
		to, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return Statistic{}, false
		}
		kind := strings.ToUpper(m[1])
		if kind == "P" {
			kind = "p"
		}
		return Statistic{kind: kind, to: to / 100, percent: true}, true
	}
	m := longForm.FindStringSubmatch(s)
	if m == nil || m[2] == "" && m[4] == "" || m[2] != "" && m[4] != "" && m[3] != m[5] || m[2] == "" && m[3] != "" || m[4] == "" && m[5] != "" {
		return Statistic{}, false
	}
	out := Statistic{kind: m[1], percent: m[3]+m[5] != "", to: math.MaxFloat64}
	if out.percent {
		out.to = 1
	}
	if m[1] == "PR" && out.percent {
		return Statistic{}, false
	}
	for i, to := range map[int]*float64{2: &out.from, 4: &out.to} {
		if m[i] == "" {
			continue
		}
		v, err := strconv.ParseFloat(m[i], 64)
		if err != nil {
			return Statistic{}, false
		}
		if out.percent {
			v /= 100
		}
		*to = v
	}
	return out, out.from < out.to && (!out.percent || out.to <= 1)
}

// Of returns the statistic of a period's values; ok is false when there are none in its
// range, or when they would have to be known one by one and aren't.
func (s Statistic) Of(d *wick.Distribution) (v float64, ok bool) {
	if d.Count <= 0 {
		return 0, false
	}
	switch s.kind {
	case "SampleCount":
		return d.Count, true
	case "Average":
		return d.Mean(), true
	case "Sum":
		return d.Sum, true
	case "Minimum":
		return d.Min, true
	case "Maximum":
		return d.Max, true
	case "p":
		return d.Quantile(s.to)
	}
	part, ok := d.Between(s.from, s.to, s.percent)
	if !ok {
		return 0, false
	}
	switch s.kind {
	case "TC":
		return part.Count, true
	case "TS":
		return part.Sum, true
	case "PR":
		return part.Count / d.Count * 100, true
	case "WM":
		return s.winsorized(d, &part)
	}
	return part.Mean(), part.Count > 0
}

// winsorized is the average with what is out of the range counted at its ends.
func (s Statistic) winsorized(d, part *wick.Distribution) (float64, bool) {
	if part.Count <= 0 {
		return 0, false
	}
	low, high := s.from, s.to
	if s.percent {
		low, high = part.Min, part.Max
	}
	below, ok := d.Between(0, s.from, s.percent)
	if !ok {
		return 0, false
	}
	under := below.Count
	if s.from == 0 {
		under = 0
	}
	over := max(0, d.Count-part.Count-under)
	sum := part.Sum + under*low
	if over > 1e-9 {
		sum += over * high
	}
	return sum / d.Count, true
}
