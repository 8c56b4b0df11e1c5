package journeys

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestBoto3PutsAndReadsMetricsInEachProtocol(t *testing.T) {
	python := tool(t, "python/bin/python")
	s := start(t)
	cmd := exec.Command(python, "clients/metrics_journey.py")
	cmd.Env = append(clientEnv(s), "PYTHONDONTWRITEBYTECODE=1")
	report, err := cmd.CombinedOutput()
	t.Logf("%s", report)
	if err != nil {
		t.Fatalf("metrics_journey.py: %v", err)
	}
}

const busyFunction = `
def handler(event, context):
    if event.get("fail"):
        raise ValueError("as asked")
`

func TestTheAWSCommandLineReadsMetricsThatOutliveTheServer(t *testing.T) {
	program := tool(t, "python/bin/aws")
	dir := t.TempDir()
	s := startIn(t, dir)
	create(t, s.client(), "measured", busyFunction)
	for range 3 {
		invoke(t, s.client(), "measured", `{}`)
	}
	aws := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(program, append([]string{"cloudwatch"}, args...)...)
		cmd.Env = append(clientEnv(s), "AWS_DEFAULT_REGION=us-east-1")
		out, _ := output(t, cmd, 0)
		return out
	}
	aws("put-metric-data", "--namespace", "App", "--metric-name", "Latency", "--value", "42", "--unit", "Milliseconds", "--dimensions", "A=1")
	s.stop(t) // stores what there is
	s = startIn(t, dir)
	if list := aws("list-metrics", "--namespace", "App", "--output", "text"); !regexp.MustCompile(`(?s)METRICS\s+Latency\s+App\s+DIMENSIONS\s+A\s+1`).MatchString(list) {
		t.Errorf("the list is %s", list)
	}
	now := time.Now().UTC()
	got := aws("get-metric-statistics", "--namespace", "AWS/Lambda", "--metric-name", "Invocations", "--dimensions", "Name=FunctionName,Value=measured",
		"--start-time", now.Add(-10*time.Minute).Format(time.RFC3339), "--end-time", now.Add(time.Minute).Format(time.RFC3339), "--period", "3600",
		"--statistics", "Sum", "--query", "sum(Datapoints[].Sum)")
	if strings.TrimSpace(got) != "3.0" {
		t.Errorf("there are %s invocations", got)
	}
}

func TestPrometheusReadsThePage(t *testing.T) {
	s := start(t)
	create(t, s.client(), "scraped", busyFunction)
	invoke(t, s.client(), "scraped", `{}`)
	invoke(t, s.client(), "scraped", `{"fail":true}`)
	wanted := []string{
		`^wick_function_invocations_total\{account="000000000000",region="us-east-1",function="scraped",version="\$LATEST"\} 2$`,
		`^wick_function_errors_total\{.*function="scraped".*\} 1$`, `^wick_function_cold_starts_total\{.*\} 1$`,
		`^wick_function_duration_seconds_bucket\{.*le="\+Inf"\} 2$`, `^wick_instances\{state="(idle|frozen)",runtime="python3\.\d+"\} 1$`,
		`^wick_queue_length 0$`, `^wick_database_commit_seconds_count [1-9]`, `^wick_metrics_dropped_total\{reason="malformed"\} 0$`,
		`^wick_goroutines [1-9]`, `^wick_instance_memory_limit_bytes \d`,
	}
	var page string
	for end := time.Now().Add(patience); ; { // an invocation is over a moment after its answer
		status, body := get(t, s.URL+"/metrics")
		if page = body; status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		missing := slices.IndexFunc(wanted, func(want string) bool { return !regexp.MustCompile("(?m)" + want).MatchString(page) })
		if missing < 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the page hasn't %s:\n%s", wanted[missing], page)
		}
	}
	// Every line is a comment, or a name, labels and a number.
	line := regexp.MustCompile(`^(# (HELP|TYPE) .*|[a-z_]+(\{([a-z]+="(\\.|[^"\\])*",?)*\})? (\+Inf|[-0-9.e+]+))$`)
	for l := range strings.Lines(page) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("it can't be read: %s", l)
		}
	}
}

func TestWickTopShowsWhatFunctionsDo(t *testing.T) {
	s := start(t)
	create(t, s.client(), "shown", busyFunction)
	top := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(binary, append([]string{"top"}, args...)...)
		cmd.Env = clientEnv(s)
		out, _ := output(t, cmd, 0)
		return out
	}
	if out := top("--once", "--interval", "100ms"); !strings.Contains(out, "Nothing yet") {
		t.Errorf("before anything was invoked it is\n%s", out)
	}
	invoke(t, s.client(), "shown", `{}`)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				invoke(t, s.client(), "shown", fmt.Sprintf(`{"fail":%t}`, n%2 == 0))
			}
		}
	}()
	type shown struct {
		Function             string
		InvocationsPerSecond float64
		ErrorRate            float64
		P50Millis, P99Millis *float64
		Instances            int
		MemoryBytes          int64
	}
	var out string
	var f shown
	for interval := 500 * time.Millisecond; ; interval *= 2 { // long enough for one of each kind
		out = top("--once", "--json", "--interval", interval.String())
		var seen struct{ Functions []shown }
		if err := json.Unmarshal([]byte(out), &seen); err != nil || len(seen.Functions) != 1 || strings.Count(out, "\n") != 1 {
			t.Fatalf("as JSON it is %s (%v)", out, err)
		}
		if f = seen.Functions[0]; f.ErrorRate > 0 && f.ErrorRate < 1 || interval > patience {
			break
		}
	}
	table := top("--once", "--interval", "300ms")
	close(stop)
	<-stopped
	if f.Function != "shown" || f.InvocationsPerSecond <= 0 || f.ErrorRate <= 0 || f.ErrorRate >= 1 || f.P50Millis == nil || f.P99Millis == nil ||
		*f.P99Millis < *f.P50Millis || f.Instances != 1 || f.MemoryBytes <= 0 {
		t.Errorf("it is %s", out)
	}
	if !regexp.MustCompile(`(?m)^FUNCTION +INV/S +ERR% .*\nshown +\S+ +\S+ `).MatchString(table) {
		t.Errorf("the table is\n%s", table)
	}
	for line := range strings.Lines(table) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 100 {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
}
