package journeys

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func TestTheXRaySDKsOfPythonAndNodeTraceAndBoto3ReadsItBack(t *testing.T) {
	python := tool(t, "python/bin/python")
	modules := tool(t, "node/node_modules")
	need(t, "node")
	s := start(t)
	cmd := exec.Command(python, "clients/traces_journey.py", modules)
	cmd.Env = append(clientEnv(s), "PYTHONDONTWRITEBYTECODE=1")
	report, err := cmd.CombinedOutput()
	t.Logf("%s", report)
	if err != nil {
		t.Fatalf("traces_journey.py: %v", err)
	}
}

func TestWickTracesListsAndDraws(t *testing.T) {
	s := start(t)
	create(t, s.client(), "traced", `
def handler(event, context):
    if event.get("fail"):
        raise ValueError("as asked")
`)
	wick := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(binary, args...)
		cmd.Env = clientEnv(s)
		stdout, _ := output(t, cmd, 0)
		for line := range strings.Lines(stdout) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("wick %s: a line has %d columns: %s", strings.Join(args, " "), n, line)
			}
		}
		return stdout
	}
	if out := wick("traces"); !strings.HasPrefix(out, "No traces") {
		t.Errorf("without any, the list is %s", out)
	}
	if _, err := s.client().UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("traced"), TracingConfig: &types.TracingConfig{Mode: types.TracingModeActive},
	}); err != nil {
		t.Fatal(err)
	}
	active(t, s.client(), "traced")
	out := invoke(t, s.client(), "traced", `{"fail":true}`)
	if out.FunctionError == nil {
		t.Fatal("it didn't fail")
	}
	list := wick("traces", "--function", "traced", "--since", "5m")
	m := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d  (1-[0-9a-f]{8}-[0-9a-f]{24})  .*fault +traced$`).FindStringSubmatch(list)
	if m == nil {
		t.Fatalf("the list is %s", list)
	}
	drawn := wick("traces", m[1])
	for _, want := range []string{
		`(?m)^` + m[1] + `  20`, `(?m)^traced Lambda fault +\S+ m?s █`, `(?m)^  traced Lambda::Function fault `,
		`(?m)^    Initialization +\S+ m?s .*█`, `(?m)^    Invocation fault +`, `(?m)^    Overhead +`,
		`(?m)^ValueError: as asked\n    /var/task/app.py:4 handler$`,
	} {
		if !regexp.MustCompile(want).MatchString(drawn) {
			t.Errorf("it is drawn without %s:\n%s", want, drawn)
		}
	}
	if again := wick("traces", "Root="+m[1]+";Sampled=1"); again != drawn {
		t.Errorf("a header draws\n%s", again)
	}
}
