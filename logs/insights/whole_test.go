package insights

import (
	"fmt"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

func TestRunsOfRecordsAreCountedWhole(t *testing.T) {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for text, whole := range map[string]bool{
		"stats count(*)": true, "stats count()": true, "stats count(*), count(@message) as n by bin(5m)": true, "fields @message | stats count(*) by @logStream, @log": true,
		"stats count(*) as n by bin(1h) as hour | sort n desc | limit 2": true,
		"filter @message like /7/ | stats count(*)":                      false, "stats count(x)": false, "stats count(*) by x": false, "stats max(@timestamp)": false,
		"fields 1 as @message | stats count(@message)": false, "stats count(*) by bin(1s)": false, "fields @message": false, "dedup @message | stats count(*)": false,
	} {
		q, err := Compile(text, 0)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		one, many := q.Start(), q.Start()
		for i := range 20 { // runs of ten minutes, of two streams
			stream := fmt.Sprint("s", i%2)
			at := func(j int) time.Time { return start.Add(time.Duration(i*300+j*10) * time.Second) }
			taken := many.AddWhole("g", stream, at(0), at(9), 10, 60)
			if taken != whole {
				t.Errorf("%s: a run is taken: %v", text, taken)
				break
			}
			for j := range 10 {
				e := wick.LogEvent{Timestamp: at(j), Stream: stream, Seq: int64(i*10 + j), Message: fmt.Sprintf("line%2d", i*10+j)}
				one.Add(&e, "g")
				if !taken {
					many.Add(&e, "g")
				}
			}
		}
		if got, want := fmt.Sprint(many.End()), fmt.Sprint(one.End()); got != want {
			t.Errorf("%s gives\n%s, want\n%s", text, got, want)
		}
		if many.Matched() != one.Matched() {
			t.Errorf("%s: %d matched, want %d", text, many.Matched(), one.Matched())
		}
	}
}

func TestTheOrderOfRecordsChangesNothingWhereItIsSaidTo(t *testing.T) {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for text, unordered := range map[string]bool{
		"fields @message": true, "fields @message | limit 7": true, "filter n > 30 | sort n desc": true, "parse @message '* *' as a, b | sort b | limit 5": true,
		"stats count(*), max(n), latest(n) by bin(10s)": true, "stats avg(n) by m": true, "dedup m": true, "fields n | sort m, n desc | limit 20": true,
		"dedup m | stats count(*)": false, "limit 5 | sort n": false,
	} {
		q, err := Compile(text, 0)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if q.Unordered() != unordered {
			t.Errorf("%s: unordered %v", text, q.Unordered())
			continue
		}
		if !unordered {
			continue
		}
		var want string
		for _, step := range []int{1, 7, 199} { // with each all are visited
			run := q.Start()
			for i := range 200 {
				k := i * step % 200
				e := wick.LogEvent{
					Timestamp: start.Add(time.Duration(k/2) * time.Second), Stream: fmt.Sprint("s", k%3), Seq: int64(k),
					Message: fmt.Sprintf(`{"n": %d, "m": %d}`, k, k%5),
				}
				run.Add(&e, "g")
			}
			got := fmt.Sprint(run.End())
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s gives\n%s, want\n%s", text, got, want)
			}
		}
	}
}
