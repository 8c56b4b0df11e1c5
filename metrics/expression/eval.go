package expression

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Series is values over time, in order, with the period between them.
type Series struct {
	ID     string // of what it comes from
	Label  string
	Period time.Duration
	Points []Point
}

// Point is a value at a time.
type Point struct {
	At    time.Time
	Value float64
}

// Value is what an expression makes: a number, or one series or several.
type Value struct {
	Series []Series
	Scalar float64
	kind   kind
	text   string
}

type kind int

const (
	kindScalar kind = iota
	kindSeries      // one
	kindArray       // a list of some
	kindText
)

func (k kind) String() string {
	return [...]string{"a number", "a time series", "an array of time series", "a text"}[k]
}

// IsSeries says whether a value is time series: only those can be returned.
func (v *Value) IsSeries() bool { return v.kind == kindSeries || v.kind == kindArray }

// SeriesValue is one series.
func SeriesValue(s Series) Value { return Value{kind: kindSeries, Series: []Series{s}} }

func scalar(v float64) Value { return Value{kind: kindScalar, Scalar: v} }

// input is what an evaluation has at hand.
type input struct {
	// of returns what an id stands for.
	of func(id string) (Value, error)
	// metrics returns all metrics, for METRICS().
	metrics func() ([]Series, error)
	filled  int // points that FILL has made
}

// Eval evaluates an expression. of returns what an id stands for, metrics all metrics
// that were asked for. Errors of those come back as they are.
func (e *Expression) Eval(of func(id string) (Value, error), metrics func() ([]Series, error)) (Value, error) {
	return e.root.eval(&input{of: of, metrics: metrics})
}

func (n number) eval(*input) (Value, error) { return scalar(float64(n)), nil }

func (n text) eval(*input) (Value, error) { return Value{kind: kindText, text: string(n)}, nil }

func (n ref) eval(in *input) (Value, error) { return in.of(string(n)) }

func (n list) eval(in *input) (Value, error) {
	out := Value{kind: kindArray}
	for _, item := range n {
		v, err := item.eval(in)
		if err != nil {
			return v, err
		}
		if !v.IsSeries() {
			return v, fmt.Errorf("an array has time series, not %s", v.kind)
		}
		out.Series = append(out.Series, v.Series...)
	}
	return out, nil
}

func (n *unary) eval(in *input) (Value, error) {
	v, err := n.of.eval(in)
	if err != nil {
		return v, err
	}
	return v.each(func(x float64) float64 {
		if n.op == "!" {
			return truth(x == 0)
		}
		return -x
	})
}

func (n *binary) eval(in *input) (Value, error) {
	left, err := n.left.eval(in)
	if err != nil {
		return left, err
	}
	right, err := n.right.eval(in)
	if err != nil {
		return right, err
	}
	return combine(left, right, operations[n.op])
}

func (n *call) eval(in *input) (Value, error) {
	args := make([]Value, len(n.args))
	for i, a := range n.args {
		v, err := a.eval(in)
		if err != nil {
			return v, err
		}
		args[i] = v
	}
	v, err := n.f.run(in, args)
	if err != nil {
		return v, fmt.Errorf("%s: %w", n.name, err)
	}
	return v, nil
}

var operations = map[string]func(a, b float64) float64{
	"+": func(a, b float64) float64 { return a + b }, "-": func(a, b float64) float64 { return a - b },
	"*": func(a, b float64) float64 { return a * b }, "/": func(a, b float64) float64 { return a / b },
	"^":  math.Pow,
	"==": func(a, b float64) float64 { return truth(a == b) }, "!=": func(a, b float64) float64 { return truth(a != b) },
	"<": func(a, b float64) float64 { return truth(a < b) }, ">": func(a, b float64) float64 { return truth(a > b) },
	"<=": func(a, b float64) float64 { return truth(a <= b) }, ">=": func(a, b float64) float64 { return truth(a >= b) },
	"&&": func(a, b float64) float64 { return truth(a != 0 && b != 0) }, "||": func(a, b float64) float64 { return truth(a != 0 || b != 0) },
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// each applies f to every value; what isn't a number then, such as 1/0, is left out.
func (v Value) each(f func(float64) float64) (Value, error) {
	switch v.kind {
	case kindText:
		return v, fmt.Errorf("%q is no number", v.text)
	case kindScalar:
		return scalar(f(v.Scalar)), nil
	}
	out := Value{kind: v.kind, Series: make([]Series, len(v.Series))}
	for i, s := range v.Series {
		out.Series[i] = s.each(f)
	}
	return out, nil
}

func (s Series) each(f func(float64) float64) Series {
	points := make([]Point, 0, len(s.Points))
	for _, p := range s.Points {
		points = appendFinite(points, p.At, f(p.Value))
	}
	s.Points = points
	return s
}

func appendFinite(points []Point, at time.Time, v float64) []Point {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return points
	}
	return append(points, Point{at, v})
}

// combine applies f to pairs of values. Series meet where both have a value; an array
// and anything else meet one by one.
func combine(a, b Value, f func(a, b float64) float64) (Value, error) {
	switch {
	case a.kind == kindText || b.kind == kindText:
		return a, fmt.Errorf("a text is no number")
	case a.kind == kindScalar && b.kind == kindScalar:
		return scalar(f(a.Scalar, b.Scalar)), nil
	case b.kind == kindScalar:
		return a.each(func(x float64) float64 { return f(x, b.Scalar) })
	case a.kind == kindScalar:
		return b.each(func(x float64) float64 { return f(a.Scalar, x) })
	case a.kind == kindArray && b.kind == kindArray && len(a.Series) != len(b.Series):
		return a, fmt.Errorf("arrays of %d and of %d time series have no pairs", len(a.Series), len(b.Series))
	}
	out := Value{kind: max(a.kind, b.kind)}
	for i := range max(len(a.Series), len(b.Series)) {
		left, right := a.at(i), b.at(i)
		out.Series = append(out.Series, meet(left, right, f))
	}
	return out, nil
}

// at returns the i-th series of an array, or the one there is.
func (v *Value) at(i int) Series {
	if v.kind == kindSeries {
		return v.Series[0]
	}
	return v.Series[i]
}

func meet(a, b Series, f func(a, b float64) float64) Series {
	out := Series{ID: a.ID, Label: a.Label, Period: max(a.Period, b.Period)}
	for i, j := 0, 0; i < len(a.Points) && j < len(b.Points); {
		switch c := a.Points[i].At.Compare(b.Points[j].At); {
		case c < 0:
			i++
		case c > 0:
			j++
		default:
			out.Points = appendFinite(out.Points, a.Points[i].At, f(a.Points[i].Value, b.Points[j].Value))
			i++
			j++
		}
	}
	return out
}

// across makes one series of several: at each time that any has a value, f of all that
// have one.
func across(series []Series, f func([]float64) float64) Series {
	out := Series{}
	values := map[time.Time][]float64{}
	for _, s := range series {
		out.Period = max(out.Period, s.Period)
		for _, p := range s.Points {
			values[p.At] = append(values[p.At], p.Value)
		}
	}
	for at, vs := range values {
		out.Points = appendFinite(out.Points, at, f(vs))
	}
	slices.SortFunc(out.Points, func(a, b Point) int { return a.At.Compare(b.At) })
	return out
}

// named keeps the series whose id or label holds a text.
func named(series []Series, filter string) []Series {
	return slices.DeleteFunc(slices.Clone(series), func(s Series) bool {
		return !strings.Contains(s.ID, filter) && !strings.Contains(s.Label, filter)
	})
}

// values returns a series' values.
func (s *Series) values() []float64 {
	vs := make([]float64, len(s.Points))
	for i, p := range s.Points {
		vs[i] = p.Value
	}
	return vs
}

// Aggregates of values. Of none they are no number.

func total(vs []float64) float64 {
	sum := 0.0
	for _, v := range vs {
		sum += v
	}
	return sum
}

func average(vs []float64) float64 { return total(vs) / float64(len(vs)) }

func deviation(vs []float64) float64 {
	mean, sum := average(vs), 0.0
	for _, v := range vs {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum / float64(len(vs)))
}

func least(vs []float64) float64 { return extreme(vs, -1) }

func greatest(vs []float64) float64 { return extreme(vs, 1) }

func extreme(vs []float64, sign int) float64 {
	if len(vs) == 0 {
		return math.NaN()
	}
	best := vs[0]
	for _, v := range vs {
		if cmp.Compare(v, best) == sign {
			best = v
		}
	}
	return best
}
