package metrics

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/wick-run/wick"
)

// embedded is what one metric directive of a record says.
type embedded struct {
	namespace string
	data      []Datum
}

// The embedded metric format. Source: CloudWatch user guide, specification: embedded
// metric format.
type (
	metadata struct {
		Timestamp         *float64
		CloudWatchMetrics []directive
	}
	directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	definition struct {
		Name, Unit        string
		StorageResolution int
	}
)

// Limits of the format.
const (
	maxDefinitions = 100 // of one directive
	maxEmbedded    = 100 // values of one metric
	MaxDimensions  = 30  // of a metric
	maxNameBytes   = 255
	maxValueBytes  = 1024
)

// Data may be two weeks old and two hours ahead. Source: CloudWatch API, PutMetricData.
const (
	MaxAge   = 14 * day
	MaxAhead = 2 * time.Hour
)

var errEmbedded = errors.New("a record that isn't right by the embedded metric format")

// parseEmbedded returns the metrics in a record. What isn't right is left out, with an
// error; the rest is returned all the same.
func parseEmbedded(text []byte, now time.Time) (list []embedded, err error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return nil, errEmbedded
	}
	var meta metadata
	if json.Unmarshal(members["_aws"], &meta) != nil || len(meta.CloudWatchMetrics) == 0 {
		return nil, errEmbedded
	}
	at := now
	if t := meta.Timestamp; t != nil {
		if math.Abs(*t) > 1e15 {
			return nil, errEmbedded
		}
		at = time.UnixMilli(int64(*t))
	}
	if at.Before(now.Add(-MaxAge)) || at.After(now.Add(MaxAhead)) {
		return nil, errEmbedded
	}
	for i := range meta.CloudWatchMetrics {
		d := &meta.CloudWatchMetrics[i]
		e, err2 := d.read(members, at)
		if err2 != nil {
			err = err2
		}
		if len(e.data) > 0 {
			list = append(list, e)
		}
	}
	return list, err
}

func (d *directive) read(members map[string]json.RawMessage, at time.Time) (e embedded, err error) {
	e.namespace = d.Namespace
	if !validName(d.Namespace) || d.Namespace[0] == ':' || len(d.Metrics) > maxDefinitions {
		return e, errEmbedded
	}
	sets := d.Dimensions
	if len(sets) == 0 {
		sets = [][]string{{}}
	}
	for _, names := range sets {
		dimensions, err2 := dimensionsOf(names, members)
		if err2 != nil {
			err = err2
			continue
		}
		for _, def := range d.Metrics {
			target, there := members[def.Name]
			if !there {
				continue // a metric without a value is none
			}
			values, err2 := numbers(target)
			if err2 != nil || !validName(def.Name) || !ValidUnit(def.Unit) && def.Unit != "" {
				err = errEmbedded
				continue
			}
			e.data = append(e.data, Datum{
				Name: def.Name, Unit: def.Unit, Dimensions: dimensions, At: at, Values: values, HighResolution: def.StorageResolution == 1,
			})
		}
	}
	return e, err
}

func dimensionsOf(names []string, members map[string]json.RawMessage) ([]wick.Dimension, error) {
	if len(names) > MaxDimensions {
		return nil, errEmbedded
	}
	dimensions := make([]wick.Dimension, 0, len(names))
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		var value string
		if !validName(name) || seen[name] || json.Unmarshal(members[name], &value) != nil || value == "" || len(value) > maxValueBytes {
			return nil, errEmbedded
		}
		seen[name] = true
		dimensions = append(dimensions, wick.Dimension{Name: name, Value: value})
	}
	return dimensions, nil
}

// numbers reads a number or a list of some.
func numbers(text json.RawMessage) ([]float64, error) {
	if text = bytes.TrimSpace(text); len(text) == 0 || bytes.Equal(text, []byte("null")) {
		return nil, errEmbedded
	}
	if text[0] != '[' {
		var v float64
		if json.Unmarshal(text, &v) != nil || !ValidValue(v) {
			return nil, errEmbedded
		}
		return []float64{v}, nil
	}
	var values []float64
	if json.Unmarshal(text, &values) != nil || len(values) > maxEmbedded {
		return nil, errEmbedded
	}
	for _, v := range values {
		if !ValidValue(v) {
			return nil, errEmbedded
		}
	}
	return values, nil
}

func validName(s string) bool { return s != "" && len(s) <= maxNameBytes }

// maxValue is 2^360: CloudWatch takes no values beyond it.
// Source: CloudWatch API, MetricDatum, Value.
var maxValue = math.Ldexp(1, 360)

// ValidValue says whether a value can be of a metric.
func ValidValue(v float64) bool { return math.Abs(v) <= maxValue } // NaN isn't

// ValidUnit says whether CloudWatch has a unit. Source: CloudWatch API, MetricDatum, Unit.
func ValidUnit(unit string) bool { return units[unit] }

var units = func() map[string]bool {
	m := map[string]bool{"Seconds": true, "Microseconds": true, "Milliseconds": true, "Percent": true, "Count": true, "Count/Second": true, "None": true}
	for _, of := range []string{"Bytes", "Bits"} {
		for _, prefix := range []string{"", "Kilo", "Mega", "Giga", "Tera"} {
			name := prefix + of
			if prefix != "" {
				name = prefix + map[string]string{"Bytes": "bytes", "Bits": "bits"}[of]
			}
			m[name], m[name+"/Second"] = true, true
		}
	}
	return m
}()
