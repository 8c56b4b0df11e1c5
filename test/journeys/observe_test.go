package journeys

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick/internal/testkit/wickserver"
)

// floodSource prints lines of 100 bytes as fast as it can: as a function, and as a program.
const floodSource = `
import sys
import time

def handler(event, context):
    text = "x" * 86
    began = time.perf_counter()
    for n in range(event["lines"]):
        print("flood %7d %s" % (n, text[:85]))
    return time.perf_counter() - began

if __name__ == "__main__":
    took = handler({"lines": int(sys.argv[1])}, None)
    sys.stdout.flush()
    print(took, file=sys.stderr)
`

// floodLines is how many lines a function prints: few, unless WICK_FLOOD_LINES says more.
func floodLines(t *testing.T) int {
	t.Helper()
	text := os.Getenv("WICK_FLOOD_LINES")
	if text == "" {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("WICK_FLOOD_LINES=%s is no number of lines", text)
	}
	return n
}

// scan calls each with the messages of a group that have a word, as the API gives them.
func (s *server) scan(t *testing.T, group, word string, each func(message string)) {
	t.Helper()
	c := cloudwatchlogs.New(cloudwatchlogs.Options{
		BaseEndpoint: &s.URL, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("journey", "journey", ""),
	})
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(c, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, FilterPattern: &word})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Events {
			each(*page.Events[i].Message)
		}
	}
}

// With WICK_FLOOD_LINES=1000000 this is 100 MB, and the times are of interest.
func TestOfAFloodOfLinesEachIsKeptOrReportedDropped(t *testing.T) {
	need(t, "python3")
	lines := floodLines(t)
	s := start(t)
	c := s.client()
	_, err := c.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("flood"), Runtime: types.RuntimePython312, Handler: aws.String("app.handler"), Role: aws.String("arn:aws:iam::000000000000:role/journey"),
		Code: &types.FunctionCode{ZipFile: zipped(t, map[string]string{"app.py": floodSource})}, MemorySize: aws.Int32(3008), Timeout: aws.Int32(600),
	})
	if err != nil {
		t.Fatal(err)
	}
	active(t, c, "flood")
	program := filepath.Join(t.TempDir(), "app.py")
	if err := os.WriteFile(program, []byte(floodSource), 0o600); err != nil {
		t.Fatal(err)
	}
	const rounds = 3
	var inWick, inPipe []float64
	for range rounds {
		inWick = append(inWick, floodFunction(t, s, lines))
		inPipe = append(inPipe, floodPipe(t, program, lines))
	}
	kept, dropped := 0, 0
	report := regexp.MustCompile(`^LOGS_DROPPED\tRecords: (\d+)\tBytes: \d+\tReason: `)
	for deadline := time.Now().Add(patience); ; { // the last lines may be there a moment after the answer
		kept, dropped = 0, 0
		seen := make(map[string]int, lines)
		s.scan(t, "/aws/lambda/flood", "flood", func(m string) {
			if strings.HasPrefix(m, "flood ") {
				kept++
				seen[m[:13]]++
			}
		})
		for line, n := range seen {
			if n > rounds {
				t.Fatalf("%q is there %d times of %d", line, n, rounds)
			}
		}
		s.scan(t, "/aws/lambda/flood", "LOGS_DROPPED", func(m string) {
			n, err := strconv.Atoi(report.FindStringSubmatch(m)[1])
			if err != nil {
				t.Error(err)
			}
			dropped += n
		})
		if kept+dropped >= rounds*lines || time.Now().After(deadline) {
			break
		}
	}
	t.Logf("%d lines, the best of %d rounds: in Wick %.2f s, python3 app.py | cat %.2f s, ratio %.2f; kept %d, dropped %d",
		lines, rounds, slices.Min(inWick), slices.Min(inPipe), slices.Min(inWick)/slices.Min(inPipe), kept, dropped)
	if kept+dropped != rounds*lines {
		t.Errorf("of %d lines %d are kept and %d reported as dropped", rounds*lines, kept, dropped)
	}
	if kept < rounds*lines*99/100 && !wickserver.Race { // with the race detector a slow machine can't keep up
		t.Errorf("of %d lines only %d are kept", rounds*lines, kept)
	}
}

// floodFunction returns how long the function took to print, in seconds.
func floodFunction(t *testing.T, s *server, lines int) float64 {
	t.Helper()
	out, err := s.client().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("flood"), Payload: []byte(fmt.Sprintf(`{"lines":%d}`, lines))})
	if err != nil || out.FunctionError != nil {
		t.Fatalf("%v %s", err, out.Payload)
	}
	var took float64
	if err := json.Unmarshal(out.Payload, &took); err != nil {
		t.Fatal(err)
	}
	return took
}

// floodPipe does the same without Wick.
func floodPipe(t *testing.T, program string, lines int) float64 {
	t.Helper()
	cmd := exec.Command("sh", "-c", `python3 "$0" "$1" | cat >/dev/null`, program, strconv.Itoa(lines))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	took, err := strconv.ParseFloat(strings.TrimSpace(stderr.String()), 64)
	if err != nil {
		t.Fatal(err)
	}
	return took
}

// late is how much later than promised things are on a machine that is slow and busy, and
// has the race detector to carry.
var late = map[bool]time.Duration{true: 2 * time.Second}[wickserver.Race]

func TestLinesOfInvocationsAnsweredASecondBeforeSurviveAKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := startIn(t, dir)
	create(t, s.client(), "killed", `
def handler(event, context):
    for n in range(10):
        print("killed", event["n"], n)
`)
	// Several clients invoke until the server is gone, and note when each was answered.
	type answered struct {
		n  int
		at time.Time
	}
	var mu sync.Mutex
	var all []answered
	begun := make(chan struct{}) // closed with the first answer
	var begin sync.Once
	var callers sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := s.client()
	for caller := range 4 {
		callers.Add(1)
		go func() {
			defer callers.Done()
			for i := 0; ctx.Err() == nil; i++ {
				n := caller*1_000_000 + i
				out, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("killed"), Payload: []byte(fmt.Sprintf(`{"n":%d}`, n))})
				if err != nil || out.FunctionError != nil {
					return // the server is being killed
				}
				mu.Lock()
				all = append(all, answered{n, time.Now()})
				mu.Unlock()
				begin.Do(func() { close(begun) })
			}
		}()
	}
	select {
	case <-begun:
	case <-s.Exited():
		t.Fatalf("the server ended by itself\n%s", s.OperatorLog())
	}
	second := time.Second + late                  // what is stored by then
	load := time.NewTimer(2*time.Second + second) // long enough for many to be older than that
	<-load.C
	killed := time.Now()
	s.kill(t)
	cancel()
	callers.Wait()

	s = startIn(t, dir)
	lines := map[int]int{}
	s.scan(t, "/aws/lambda/killed", "killed", func(m string) {
		var n, i int
		if _, err := fmt.Sscanf(m, "killed %d %d", &n, &i); err != nil {
			t.Errorf("%q: %v", m, err)
		}
		lines[n]++
	})
	old, lost := 0, 0
	for _, a := range all {
		if killed.Sub(a.at) > second {
			if old++; lines[a.n] != 10 {
				lost++
			}
		}
	}
	t.Logf("%d invocations were answered, %d of them more than a second before the kill", len(all), old)
	if old == 0 {
		t.Fatal("no invocation was answered more than a second before the kill")
	}
	if lost > 0 {
		t.Errorf("of %d invocations answered more than a second before the kill %d have lost lines", old, lost)
	}
}

// BenchmarkWhatRecordingCosts compares a server that records everything with one that
// records nothing, in turns: a warm invocation's median latency, and the throughput of
// as many clients as there are cores.
//
//	go test -run '^$' -bench WhatRecordingCosts -benchtime 1x ./test/journeys
//
// On a machine that does other things, too, the server's own processor time tells more
// than either. WICK_BENCH_RECORD=logs looks at a part.
func BenchmarkWhatRecordingCosts(b *testing.B) {
	const (
		rounds  = 10
		each    = 300
		clients = 8
	)
	on, off := os.Getenv("WICK_BENCH_RECORD"), "none"
	if on == "" {
		on = "logs,traces,metrics"
	}
	servers := map[string]*benchServer{on: newBenchServer(b, "--record", on), off: newBenchServer(b, "--record", off)}
	for b.Loop() {
		latency, rate, cpu := map[string][]float64{}, map[string][]float64{}, map[string]float64{}
		for round := range rounds {
			order := []string{on, off}
			if round%2 == 1 {
				slices.Reverse(order)
			}
			for _, what := range order {
				before := servers[what].cpu(b)
				p50, perSecond := servers[what].measure(b, each, clients)
				cpu[what] += servers[what].cpu(b) - before
				latency[what], rate[what] = append(latency[what], p50), append(rate[what], perSecond)
			}
		}
		const invocations = rounds * each * (clients + 1)
		b.ReportMetric(cpu[on]*1e6/invocations, "cpu-on-µs")
		b.ReportMetric(cpu[off]*1e6/invocations, "cpu-off-µs")
		b.ReportMetric(median(latency[on])*1e6, "p50-on-µs")
		b.ReportMetric(median(latency[off])*1e6, "p50-off-µs")
		b.ReportMetric(median(latency[on])/median(latency[off]), "p50-ratio")
		b.ReportMetric(median(rate[on]), "on-invocations/s")
		b.ReportMetric(median(rate[off]), "off-invocations/s")
		b.ReportMetric(median(rate[on])/median(rate[off]), "throughput-ratio")
	}
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// benchServer is a server with a warm function.
type benchServer struct {
	url  string
	pid  int
	http *http.Client
}

// cpu returns how much processor time the server itself has used, in seconds.
func (s *benchServer) cpu(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	ticks := 0.0
	for _, field := range fields[11:13] { // utime and stime, of 1/100 s. Source: proc_pid_stat(5)
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return ticks / 100
}

func newBenchServer(b *testing.B, args ...string) *benchServer {
	b.Helper()
	s := start(b, args...)
	c := s.client()
	_, err := c.CreateFunction(b.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("warm"), Runtime: types.RuntimeNodejs22x, Handler: aws.String("index.handler"), Role: aws.String("arn:aws:iam::000000000000:role/journey"),
		Code: &types.FunctionCode{ZipFile: zipped(b, map[string]string{"index.mjs": "export const handler = async (event) => { console.log('hello', event.n); return event; };\n"})}, MemorySize: aws.Int32(1769),
	})
	if err != nil {
		b.Fatal(err)
	}
	active(b, c, "warm")
	resp, err := http.Get(s.URL + "/_wick/health")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var health struct{ PID int }
	if err := json.NewDecoder(resp.Body).Decode(&health); err != nil {
		b.Fatal(err)
	}
	bs := &benchServer{url: s.URL + "/2015-03-31/functions/warm/invocations", pid: health.PID, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	b.Cleanup(bs.http.CloseIdleConnections)
	bs.measure(b, 50, 8) // so that the instances are there
	return bs
}

func (s *benchServer) invoke() (time.Duration, error) {
	began := time.Now()
	resp, err := s.http.Post(s.url, "application/json", strings.NewReader(`{"n":1}`))
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New(resp.Status))
	}
	return time.Since(began), errors.Join(err, resp.Body.Close())
}

// measure returns the median latency of invocations one after the other, and how many a
// second several clients get, in seconds and 1/s.
func (s *benchServer) measure(b *testing.B, each, clients int) (p50, perSecond float64) {
	b.Helper()
	times := make([]float64, 0, each)
	for range each {
		took, err := s.invoke()
		if err != nil {
			b.Fatal(err)
		}
		times = append(times, took.Seconds())
	}
	began := time.Now()
	var all sync.WaitGroup
	errs := make(chan error, clients)
	for range clients {
		all.Add(1)
		go func() {
			defer all.Done()
			for range each {
				if _, err := s.invoke(); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	all.Wait()
	select {
	case err := <-errs:
		b.Fatal(err)
	default:
	}
	return median(times), float64(clients*each) / time.Since(began).Seconds()
}
