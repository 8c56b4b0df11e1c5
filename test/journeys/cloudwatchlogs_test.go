package journeys

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

func TestBoto3ReadsAFunctionsLogAndWritesItsOwn(t *testing.T) {
	python := tool(t, "python/bin/python")
	s := start(t)
	cmd := exec.Command(python, "clients/logs_journey.py")
	cmd.Env = append(clientEnv(s), "PYTHONDONTWRITEBYTECODE=1")
	report, err := cmd.CombinedOutput()
	t.Logf("%s", report)
	if err != nil {
		t.Fatalf("logs_journey.py: %v", err)
	}
}

func TestTheAWSCommandLineSearchesAFunctionsLog(t *testing.T) {
	program := tool(t, "python/bin/aws")
	s := start(t)
	create(t, s.client(), "searched", `
def handler(event, context):
    print("ERROR" if event["n"] > 1 else "INFO", event["n"])
`)
	for n := range 4 {
		invoke(t, s.client(), "searched", fmt.Sprintf(`{"n":%d}`, n))
	}
	logs := func(v any, args ...string) {
		t.Helper()
		cmd := exec.Command(program, append([]string{"logs"}, args...)...)
		cmd.Env = clientEnv(s)
		stdout, _ := output(t, cmd, 0)
		if err := json.Unmarshal([]byte(stdout), v); err != nil {
			t.Fatalf("aws logs %s: %v\n%s", strings.Join(args, " "), err, stdout)
		}
	}
	var messages []string
	logs(&messages, "filter-log-events", "--log-group-name", "/aws/lambda/searched", "--filter-pattern", "ERROR", "--page-size", "1", "--query", "events[].message")
	if got := fmt.Sprint(messages); got != "[ERROR 2\n ERROR 3\n]" {
		t.Errorf("filter-log-events: %q", got)
	}
	var query struct {
		QueryID string `json:"queryId"`
	}
	now := time.Now().Unix()
	logs(&query, "start-query", "--log-group-name", "/aws/lambda/searched", "--start-time", fmt.Sprint(now-600), "--end-time", fmt.Sprint(now+600),
		"--query-string", `parse @message /(?<level>ERROR|INFO) (?<n>\d+)/ | filter ispresent(n) | stats count(*) as lines, max(n) as most by level | sort level`)
	for {
		var answer struct {
			Status  string
			Results [][]struct{ Field, Value string }
		}
		logs(&answer, "get-query-results", "--query-id", query.QueryID)
		if answer.Status == "Running" || answer.Status == "Scheduled" {
			continue
		}
		if got := fmt.Sprint(answer.Results); got != "[[{level ERROR} {lines 2} {most 3}] [{level INFO} {lines 2} {most 1}]]" {
			t.Errorf("%s: %s", answer.Status, got)
		}
		break
	}
}

func TestEventsThatWereAcceptedSurviveAKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	connect := func(s *server) *cloudwatchlogs.Client {
		return cloudwatchlogs.New(cloudwatchlogs.Options{
			BaseEndpoint: &s.URL, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("journey", "journey", ""),
		})
	}
	s := startIn(t, dir)
	client := connect(s)
	group, stream := aws.String("g"), aws.String("s")
	if _, err := client.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}); err != nil {
		t.Fatal(err)
	}
	const batches = 20
	for n := range batches {
		_, err := client.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: []types.InputLogEvent{
			{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: aws.String(fmt.Sprint("line ", n))},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.kill(t)
	client = connect(startIn(t, dir))
	out, err := client.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, StartFromHead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Events) != batches || *out.Events[batches-1].Message != fmt.Sprint("line ", batches-1) {
		t.Errorf("of %d accepted events %d are there", batches, len(out.Events))
	}
}

func TestWhatAKillLeavesUndeliveredIsDeliveredAfterTheNextStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	connect := func(s *server) *cloudwatchlogs.Client {
		return cloudwatchlogs.New(cloudwatchlogs.Options{
			BaseEndpoint: &s.URL, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("journey", "journey", ""),
		})
	}
	s := startIn(t, dir)
	create(t, s.client(), "slow-subscriber", `
import base64, gzip, json, time

def handler(event, context):
    time.sleep(1)  # the server is killed meanwhile
    for e in json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))["logEvents"]:
        print("got", e["message"])
`)
	client := connect(s)
	group, stream := aws.String("g"), aws.String("s")
	if _, err := client.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutSubscriptionFilter(t.Context(), &cloudwatchlogs.PutSubscriptionFilterInput{
		LogGroupName: group, FilterName: aws.String("f"), FilterPattern: aws.String(""), DestinationArn: aws.String("arn:aws:lambda:us-east-1:000000000000:function:slow-subscriber"),
	}); err != nil {
		t.Fatal(err)
	}
	const lines = 20
	for n := range lines {
		if _, err := client.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: []types.InputLogEvent{
			{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: aws.String(fmt.Sprintf("line %02d", n))},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	s.kill(t)
	client = connect(startIn(t, dir))
	got := map[string]bool{}
	for deadline := time.Now().Add(patience); len(got) < lines && time.Now().Before(deadline); {
		out, err := client.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/slow-subscriber"), FilterPattern: aws.String("got")})
		var missing *types.ResourceNotFoundException
		if err != nil && !errors.As(err, &missing) {
			t.Fatal(err)
		}
		if err == nil {
			for _, e := range out.Events {
				got[strings.TrimSpace(*e.Message)] = true
			}
		}
		time.Sleep(100 * time.Millisecond) // between two questions
	}
	for n := range lines {
		if line := fmt.Sprintf("got line %02d", n); !got[line] {
			t.Errorf("%q never came", line)
		}
	}
}
