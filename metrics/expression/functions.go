package expression

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// function is a function of the language.
type function struct {
	least, most int // arguments
	run         func(in *input, args []Value) (Value, error)
}

func (f function) takes() string {
	if f.least == f.most {
		return fmt.Sprint(f.least)
	}
	return fmt.Sprintf("%d to %d", f.least, f.most)
}

// functions are all that there are. It is filled in by init, since METRICS leads back to
// what evaluates it.
var functions map[string]function

func init() {
	functions = map[string]function{
		"ABS": pointwise(math.Abs), "CEIL": pointwise(math.Ceil), "FLOOR": pointwise(math.Floor),
		"LOG": pointwise(math.Log), "LOG10": pointwise(math.Log10),
		"SUM": aggregate(total), "AVG": aggregate(average), "MIN": aggregate(least), "MAX": aggregate(greatest), "STDDEV": aggregate(deviation),
		"FIRST": pick(func(vs []float64) float64 { return vs[0] }), "LAST": pick(func(vs []float64) float64 { return vs[len(vs)-1] }),
		"METRICS":         {0, 1, allMetrics},
		"METRIC_COUNT":    {0, 1, metricCount},
		"PERIOD":          {1, 1, period},
		"DATAPOINT_COUNT": {1, 1, datapointCount},
		"FILL":            {2, 2, fill},
		"IF":              {2, 3, choose},
		"TIME_SERIES":     {1, 1, timeSeries},
		"RATE":            steps(func(a, b Point) float64 { return (b.Value - a.Value) / b.At.Sub(a.At).Seconds() }),
		"DIFF":            steps(func(a, b Point) float64 { return b.Value - a.Value }),
		"DIFF_TIME":       steps(func(a, b Point) float64 { return b.At.Sub(a.At).Seconds() }),
		"RUNNING_SUM":     {1, 1, runningSum},
		"REMOVE_EMPTY":    {1, 1, removeEmpty},
	}
}

var errSeries = errors.New("it takes time series")

func pointwise(f func(float64) float64) function {
	return function{1, 1, func(_ *input, args []Value) (Value, error) { return args[0].each(f) }}
}

// aggregate makes a number of one series, and one series of several.
func aggregate(f func([]float64) float64) function {
	return function{1, 1, func(_ *input, args []Value) (Value, error) {
		switch v := &args[0]; v.kind {
		case kindScalar:
			return scalar(f([]float64{v.Scalar})), nil
		case kindSeries:
			return scalar(f(v.Series[0].values())), nil
		case kindArray:
			return SeriesValue(across(v.Series, f)), nil
		}
		return args[0], errSeries
	}}
}

// pick makes a number of one series that has values, and an array's first or last series.
func pick(f func([]float64) float64) function {
	return function{1, 1, func(_ *input, args []Value) (Value, error) {
		v := &args[0]
		switch {
		case v.kind == kindSeries && len(v.Series[0].Points) > 0:
			return scalar(f(v.Series[0].values())), nil
		case v.kind == kindSeries:
			return scalar(math.NaN()), nil
		case v.kind == kindArray && len(v.Series) > 0:
			indexes := make([]float64, len(v.Series))
			for i := range indexes {
				indexes[i] = float64(i)
			}
			return SeriesValue(v.Series[int(f(indexes))]), nil
		}
		return *v, errSeries
	}}
}

// each applies a function to each series of a value.
func (v Value) eachSeries(f func(Series) Series) (Value, error) {
	if !v.IsSeries() {
		return v, errSeries
	}
	out := Value{kind: v.kind}
	for _, s := range v.Series {
		out.Series = append(out.Series, f(s))
	}
	return out, nil
}

// steps makes a value of each point and the one before.
func steps(f func(before, p Point) float64) function {
	return function{1, 1, func(_ *input, args []Value) (Value, error) {
		return args[0].eachSeries(func(s Series) Series {
			points := make([]Point, 0, len(s.Points))
			for i := 1; i < len(s.Points); i++ {
				points = appendFinite(points, s.Points[i].At, f(s.Points[i-1], s.Points[i]))
			}
			s.Points = points
			return s
		})
	}}
}

func allMetrics(in *input, args []Value) (Value, error) {
	series, err := in.metrics()
	if err != nil {
		return Value{}, err
	}
	if len(args) == 1 {
		if args[0].kind != kindText {
			return args[0], errors.New("it takes a text that ids or labels hold")
		}
		series = named(series, args[0].text)
	}
	return Value{kind: kindArray, Series: series}, nil
}

func metricCount(in *input, args []Value) (Value, error) {
	if len(args) == 0 {
		series, err := in.metrics()
		return scalar(float64(len(series))), err
	}
	if !args[0].IsSeries() {
		return args[0], errSeries
	}
	return scalar(float64(len(args[0].Series))), nil
}

func period(_ *input, args []Value) (Value, error) {
	if args[0].kind != kindSeries {
		return args[0], errors.New("it takes one time series")
	}
	return scalar(args[0].Series[0].Period.Seconds()), nil
}

func datapointCount(_ *input, args []Value) (Value, error) {
	if args[0].kind != kindSeries {
		return args[0], errors.New("it takes one time series")
	}
	return scalar(float64(len(args[0].Series[0].Points))), nil
}

func timeSeries(in *input, args []Value) (Value, error) {
	if args[0].kind != kindScalar {
		return args[0], errors.New("it takes a number")
	}
	// As long as the metrics that were asked for.
	series, err := in.metrics()
	if err != nil {
		return Value{}, err
	}
	return SeriesValue(across(series, func([]float64) float64 { return args[0].Scalar })), nil
}

func runningSum(_ *input, args []Value) (Value, error) {
	return args[0].eachSeries(func(s Series) Series {
		sum := 0.0
		return s.each(func(v float64) float64 {
			sum += v
			return sum
		})
	})
}

func removeEmpty(_ *input, args []Value) (Value, error) {
	if !args[0].IsSeries() {
		return args[0], errSeries
	}
	out := Value{kind: kindArray}
	for _, s := range args[0].Series {
		if len(s.Points) > 0 {
			out.Series = append(out.Series, s)
		}
	}
	return out, nil
}

// maxFilled bounds what FILL makes in one expression: some periods of a second are in a
// year.
const maxFilled = 1_000_000

// fill puts values between the points of a series where its period has none.
func fill(in *input, args []Value) (Value, error) {
	with := args[1]
	if with.kind == kindText && with.text != "REPEAT" && with.text != "LINEAR" || with.IsSeries() {
		return with, errors.New("it fills with a number, REPEAT or LINEAR")
	}
	return args[0].eachSeries(func(s Series) Series {
		if s.Period <= 0 || len(s.Points) == 0 {
			return s
		}
		points := s.Points[:1:1]
		for _, p := range s.Points[1:] {
			last := points[len(points)-1]
			for at := last.At.Add(s.Period); at.Before(p.At) && in.filled < maxFilled; at = at.Add(s.Period) {
				in.filled++
				points = append(points, Point{at, between(last, p, at, with)})
			}
			points = append(points, p)
		}
		s.Points = points
		return s
	})
}

func between(a, b Point, at time.Time, with Value) float64 {
	switch with.text {
	case "REPEAT":
		return a.Value
	case "LINEAR":
		return a.Value + (b.Value-a.Value)*float64(at.Sub(a.At))/float64(b.At.Sub(a.At))
	}
	return with.Scalar
}

// choose is IF: at each time the second or the third argument, by the first. Without a
// third there is nothing where the first doesn't hold.
func choose(_ *input, args []Value) (Value, error) {
	otherwise := scalar(math.NaN())
	if len(args) == 3 {
		otherwise = args[2]
	}
	condition, then := args[0], args[1]
	for _, v := range []Value{condition, then, otherwise} {
		if v.kind != kindScalar && v.kind != kindSeries {
			return v, fmt.Errorf("it takes numbers and single time series, not %s", v.kind)
		}
	}
	if condition.kind == kindScalar {
		if condition.Scalar != 0 {
			return then, nil
		}
		return otherwise, nil
	}
	out := condition.Series[0]
	points := make([]Point, 0, len(out.Points))
	left, right := lookup(then), lookup(otherwise)
	for _, p := range out.Points {
		of := right
		if p.Value != 0 {
			of = left
		}
		points = appendFinite(points, p.At, of(p.At))
	}
	out.Points = points
	return SeriesValue(out), nil
}

// lookup returns what a value is at a time: no number where a series has none.
func lookup(v Value) func(time.Time) float64 {
	if v.kind == kindScalar {
		return func(time.Time) float64 { return v.Scalar }
	}
	at := make(map[time.Time]float64, len(v.Series[0].Points))
	for _, p := range v.Series[0].Points {
		at[p.At] = p.Value
	}
	return func(t time.Time) float64 {
		if x, ok := at[t]; ok {
			return x
		}
		return math.NaN()
	}
}
