package expression

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// series makes one of values by the minute; "" is a gap.
func series(id, values string) Series {
	s := Series{ID: id, Label: "label of " + id, Period: time.Minute}
	for i, v := range strings.Split(values, " ") {
		if v == "" || v == "_" {
			continue
		}
		var x float64
		if _, err := fmt.Sscan(v, &x); err != nil {
			panic(err)
		}
		s.Points = append(s.Points, Point{noon.Add(time.Duration(i) * time.Minute), x})
	}
	return s
}

// render is the other way round, of whatever an expression makes.
func render(v Value) string {
	if !v.IsSeries() {
		return fmt.Sprint("scalar ", v.Scalar)
	}
	var all []string
	for _, s := range v.Series {
		text := ""
		for _, p := range s.Points {
			text += fmt.Sprintf("%d:%v ", int(p.At.Sub(noon).Minutes()), p.Value)
		}
		all = append(all, strings.TrimSpace(text))
	}
	return strings.Join(all, " | ")
}

var data = map[string]Series{
	"errors": series("errors", "1 0 2 _ 4"), "invocations": series("invocations", "10 0 4 5 8"), "m1": series("m1", "1 2 3"), "empty": series("empty", ""),
}

func eval(text string) (string, error) {
	e, err := Parse(text)
	if err != nil {
		return "", err
	}
	v, err := e.Eval(func(id string) (Value, error) {
		s, ok := data[id]
		if !ok {
			return Value{}, errors.New("no id " + id)
		}
		return SeriesValue(s), nil
	}, func() ([]Series, error) { return []Series{data["errors"], data["invocations"], data["m1"]}, nil })
	if err != nil {
		return "", err
	}
	return render(v), nil
}

func TestExpressions(t *testing.T) {
	for text, want := range map[string]string{
		"1 + 2 * 3 ^ 2":                       "scalar 19",
		"-(2 - 5) / 2":                        "scalar 1.5",
		"2 ^ 3 ^ 2":                           "scalar 512",
		"10 - 2 - 3":                          "scalar 5",
		"1 < 2 && 2 >= 3 || 1 == 1":           "scalar 1",
		"100 * errors / invocations":          "0:10 2:50 4:50",
		"errors + invocations":                "0:11 1:0 2:6 4:12",
		"m1 * 2":                              "0:2 1:4 2:6",
		"10 - m1":                             "0:9 1:8 2:7",
		"-m1":                                 "0:-1 1:-2 2:-3",
		"m1 > 1":                              "0:0 1:1 2:1",
		"SUM(m1)":                             "scalar 6",
		"SUM([errors, invocations])":          "0:11 1:0 2:6 3:5 4:12",
		"AVG([errors,m1])":                    "0:1 1:1 2:2.5 4:4",
		"MAX(METRICS())":                      "0:10 1:2 2:4 3:5 4:8",
		`MIN(METRICS("label of i"))`:          "0:10 1:0 2:4 3:5 4:8",
		"METRICS('err')":                      "0:1 1:0 2:2 4:4",
		"METRIC_COUNT(METRICS())":             "scalar 3",
		"STDDEV(m1)":                          "scalar 0.816496580927726",
		"FILL(errors, 0)":                     "0:1 1:0 2:2 3:0 4:4",
		"FILL(errors, REPEAT)":                "0:1 1:0 2:2 3:2 4:4",
		"FILL(errors, LINEAR)":                "0:1 1:0 2:2 3:3 4:4",
		"RATE(m1)":                            "1:0.016666666666666666 2:0.016666666666666666",
		"DIFF(invocations)":                   "1:-10 2:4 3:1 4:3",
		"DIFF_TIME(errors)":                   "1:60 2:60 4:120",
		"RUNNING_SUM(m1)":                     "0:1 1:3 2:6",
		"m1 / PERIOD(m1)":                     "0:0.016666666666666666 1:0.03333333333333333 2:0.05",
		"IF(m1 > 1, m1)":                      "1:2 2:3",
		"IF(m1 > 1, 7, errors)":               "0:1 1:7 2:7",
		"IF(1, m1, 5)":                        "0:1 1:2 2:3",
		"ABS(CEIL(m1 / -2))":                  "0:0 1:1 2:1",
		"FIRST(m1) + LAST(m1)":                "scalar 4",
		"[m1, errors] * 2":                    "0:2 1:4 2:6 | 0:2 1:0 2:4 4:8",
		"[m1, errors] - [m1, errors]":         "0:0 1:0 2:0 | 0:0 1:0 2:0 4:0",
		"TIME_SERIES(5)":                      "0:5 1:5 2:5 3:5 4:5",
		"DATAPOINT_COUNT(errors)":             "scalar 4",
		"REMOVE_EMPTY([empty, m1])":           "0:1 1:2 2:3",
		"SUM([empty])":                        "",
		"(errors AND invocations) OR m1 == 2": "0:1 1:1 2:1",
		"1e3+.5":                              "scalar 1000.5",
		"LOG10(1000)":                         "scalar 3",
	} {
		got, err := eval(text)
		if err != nil || got != want {
			t.Errorf("%s is %s (%v), want %s", text, got, err, want)
		}
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "the expression ends early at character 1",
		"m1 +":                     "the expression ends early at character 5",
		"(m1":                      "a ')' is missing at character 4",
		"m1 m1":                    `unexpected "m1" at character 4`,
		"SEARCH('x', 'y', 1)":      "Wick hasn't the function SEARCH at character 7",
		"SELECT AVG(Duration)":     "Wick hasn't Metrics Insights queries (SELECT) at character 8",
		"SUM()":                    "SUM takes 1, there are 0 arguments at character 6",
		"IF(1)":                    "IF takes 2 to 3, there are 1 arguments at character 6",
		"m9 + 1":                   "no id m9",
		"RATE(5)":                  "RATE: it takes time series",
		"FILL(m1, 'x')":            "FILL: it fills with a number, REPEAT or LINEAR",
		"'x' + 1":                  "a text is no number",
		"[1]":                      "an array has time series, not a number",
		"[m1,m1] + [m1,m1,m1]":     "arrays of 2 and of 3 time series have no pairs",
		"'open":                    "a quotation mark is missing at character 1",
		"1..2":                     `"1..2" is no number at character 5`,
		"#":                        `unexpected '#' at character 1`,
		strings.Repeat("(", 200):   "nested too deeply at character 101",
		strings.Repeat("-", 200):   "nested too deeply at character 101",
		"IF([m1], 1)":              "IF: it takes numbers and single time series, not an array of time series",
		strings.Repeat("m1 + ", 3): "the expression ends early at character 16",
	} {
		if got, err := eval(text); err == nil || err.Error() != want {
			t.Errorf("%s says %v (%s), want %s", text, err, got, want)
		}
	}
}

func TestAnExpressionSaysWhatItUses(t *testing.T) {
	e, err := Parse("m1 + IF(m2 > m1, REPEAT, METRICS())")
	if err != nil {
		t.Fatal(err)
	}
	if ids, all := e.References(); fmt.Sprint(ids) != "[m1 m2]" || !all {
		t.Errorf("it uses %v, all: %v", ids, all)
	}
}

func FuzzExpression(f *testing.F) {
	for _, text := range []string{"100 * errors / invocations", "SUM(METRICS('x'))", "IF(m1 > 1, FILL(m1, REPEAT), [m1])", "-1e5^.2 OR m1"} {
		f.Add(text)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		if len(text) <= 2048 {
			_, _ = eval(text) // it must come to an end, whatever comes of it
		}
	})
}
