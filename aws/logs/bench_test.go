//go:build unix

package logs

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick"
)

// BenchmarkALargeGroup measures a day's log of 20 instances, of WICK_BENCH_LINES lines
// (300,000 without it): its last lines, an hour of it searched, all of it
// counted, and all of it looked at.
func BenchmarkALargeGroup(b *testing.B) {
	lines := 300_000
	if n, err := strconv.Atoi(os.Getenv("WICK_BENCH_LINES")); err == nil {
		lines = n
	}
	h := newHarness(b)
	id := wick.LogGroupID{Account: testAccount, Region: testRegion, Name: "g"}
	sources := make([]*wick.Source, 20)
	for i := range sources {
		sources[i] = &wick.Source{
			Function: &wick.Function{FunctionID: wick.FunctionID{Account: testAccount, Region: testRegion, Name: "f"}},
			LogGroup: "g", LogStream: fmt.Sprintf("2026/11/24/[$LATEST]%032x", i),
		}
	}
	const day = 24 * time.Hour
	start := time.Now().Add(-day)
	for i := range lines {
		at, level := start.Add(time.Duration(i)*(day/time.Duration(lines))), "INFO"
		if i%1000 == 0 {
			level = "ERROR"
		}
		h.logs.Record(at, sources[i%len(sources)], wick.LogLine{
			RequestID: fmt.Sprintf("6f747a5d-1c2b-4d3e-8f90-%012x", i/10),
			Text:      fmt.Sprintf("%s\t%s\tprocessed order %d in %d ms", at.Format(time.RFC3339Nano), level, i*7919%1000003, i%97),
		})
		if i%100_000 == 0 { // or some would be dropped
			if err := h.logs.Flush(h.ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := h.logs.Flush(h.ctx); err != nil {
		b.Fatal(err)
	}
	g, err := h.store.LogGroup(h.ctx, id)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("last-100", func(b *testing.B) {
		defer reportCPU(b)()
		for b.Loop() {
			out := must[*cloudwatchlogs.FilterLogEventsOutput](h)(h.client.FilterLogEvents(h.ctx, &cloudwatchlogs.FilterLogEventsInput{
				LogGroupName: &id.Name, StartFromHead: aws.Bool(false), Limit: aws.Int32(100),
			}))
			if len(out.Events) != 100 {
				b.Fatal(len(out.Events))
			}
		}
		b.ReportMetric(float64(g.StoredBytes)/float64(lines), "stored-B/line")
	})
	b.Run("an-hour-searched", func(b *testing.B) {
		defer reportCPU(b)()
		from := start.Add(day / 2).UnixMilli()
		for b.Loop() {
			got := h.search(cloudwatchlogs.FilterLogEventsInput{FilterPattern: aws.String("ERROR"), StartTime: &from, EndTime: aws.Int64(from + time.Hour.Milliseconds())})
			if len(got) == 0 {
				b.Fatal("nothing is found")
			}
		}
	})
	query := func(b *testing.B, text, want string) {
		defer reportCPU(b)()
		for b.Loop() {
			q := must[*cloudwatchlogs.StartQueryOutput](h)(h.client.StartQuery(h.ctx, &cloudwatchlogs.StartQueryInput{
				LogGroupName: &id.Name, StartTime: aws.Int64(0), EndTime: aws.Int64(time.Now().Unix()), QueryString: &text,
			}))
			for {
				r := must[*cloudwatchlogs.GetQueryResultsOutput](h)(h.client.GetQueryResults(h.ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: q.QueryId}))
				if r.Status == types.QueryStatusComplete {
					if got := *r.Results[0][0].Value; got != want {
						b.Fatal(got)
					}
					break
				}
				time.Sleep(5 * time.Millisecond) // as a client does between two questions, though a longer one
			}
		}
		b.ReportMetric(float64(b.N*lines)/b.Elapsed().Seconds(), "lines/s")
	}
	b.Run("all-counted", func(b *testing.B) { query(b, "stats count(*)", strconv.Itoa(lines)) })
	b.Run("all-looked-at", func(b *testing.B) {
		query(b, "filter @message like /ERROR/ | stats count(*)", strconv.Itoa((lines+999)/1000))
	})
}

// reportCPU reports what the process used of CPU: on a busy machine that is a measure where
// time isn't.
func reportCPU(b *testing.B) func() {
	used := func() time.Duration {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64((used()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op") }
}
