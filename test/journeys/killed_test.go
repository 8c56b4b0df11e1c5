package journeys

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// TestWhatAKilledFunctionHadPrintedIsKeptOrReportedDropped has a function print until its
// time is over and it is killed in the midst of it. It keeps count itself, in a file that
// its next invocation reads.
func TestWhatAKilledFunctionHadPrintedIsKeptOrReportedDropped(t *testing.T) {
	s := start(t)
	c := s.client()
	const source = `
import os

def handler(event, context):
    if event.get("read"):
        return int(open("/tmp/n").read())
    fd, n = os.open("/tmp/n", os.O_CREAT | os.O_RDWR), 0
    while True:
        os.write(1, b"line %09d xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n" % n)
        n += 1
        os.pwrite(fd, b"%09d" % n, 0)
`
	_, err := c.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("killed"), Runtime: types.RuntimePython312, Handler: aws.String("app.handler"), Role: aws.String("arn:aws:iam::000000000000:role/journey"),
		Code: &types.FunctionCode{ZipFile: zipped(t, map[string]string{"app.py": source})}, Timeout: aws.Int32(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	active(t, c, "killed")
	if out := invoke(t, c, "killed", "{}"); aws.ToString(out.FunctionError) != "Unhandled" || !strings.Contains(string(out.Payload), "timed out") {
		t.Fatalf("it was not killed: %s", out.Payload)
	}
	answer := invoke(t, c, "killed", `{"read":true}`)
	for range 20 { // a second is little on a busy machine
		if answer.FunctionError == nil {
			break
		}
		answer = invoke(t, c, "killed", `{"read":true}`)
	}
	printed, err := strconv.Atoi(string(answer.Payload))
	if err != nil {
		t.Fatal(err)
	}
	report := regexp.MustCompile(`^LOGS_DROPPED\tRecords: (\d+)\tBytes: \d+\tReason: `)
	kept, dropped := 0, 0
	for deadline := time.Now().Add(patience); kept+dropped < printed && time.Now().Before(deadline); {
		kept, dropped = 0, 0
		s.scan(t, "/aws/lambda/killed", `"line "`, func(m string) {
			if dropped == 0 && !strings.HasPrefix(m, fmt.Sprintf("line %09d ", kept)) {
				t.Fatalf("%.40q is line %d", m, kept)
			}
			kept++
		})
		s.scan(t, "/aws/lambda/killed", "LOGS_DROPPED", func(m string) {
			n, err := strconv.Atoi(report.FindStringSubmatch(m)[1])
			if err != nil {
				t.Error(err)
			}
			dropped += n
		})
	}
	t.Logf("%d lines were printed, %d are kept, %d dropped", printed, kept, dropped)
	// It may have been killed between a line and the count of it.
	if kept+dropped != printed && kept+dropped != printed+1 {
		t.Errorf("of %d lines %d are kept and %d reported as dropped", printed, kept, dropped)
	}
}
