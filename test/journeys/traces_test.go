package journeys

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
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

// bareBootstrap is a runtime in plain bash that sends a subsegment for each event.
const bareBootstrap = `#!/bin/bash
exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}"
ask() { # METHOD PATH BODY; leaves headers in $id and $trace
  printf '%s /2018-06-01/runtime/invocation/%s HTTP/1.1\r\nHost: runtime\r\nContent-Length: %d\r\n\r\n%s' "$1" "$2" "${#3}" "$3" >&3
  local line length=0
  while IFS= read -r line <&3 && line=${line%$'\r'} && [ -n "$line" ]; do
    case ${line,,} in
      content-length:*) length=${line##* } ;;
      lambda-runtime-aws-request-id:*) id=${line##* } ;;
      lambda-runtime-trace-id:*) trace=${line##* } ;;
    esac
  done
  [ "$length" = 0 ] || IFS= read -r -N "$length" answer <&3
}
while ask GET next ''; do
  root=${trace#*Root=} parent=${trace#*Parent=} now=$(date +%s)
  document='{"id":"00000000000000aa","type":"subsegment","trace_id":"'${root%%;*}'","parent_id":"'${parent%%;*}'",
    "name":"bare","start_time":'$now',"end_time":'$now'}'
  cat <<<'{"format":"json","version":1}'$'\n'"$document" >"/dev/udp/${AWS_XRAY_DAEMON_ADDRESS/://}" # printf sends each line alone
  ask POST "$id/response" "\"$AWS_XRAY_DAEMON_ADDRESS\""
done
`

func TestCustomRuntimesReachTheDaemonWhereAWSHasIt(t *testing.T) {
	need(t, "bash")
	s := start(t)
	for runtime, address := range map[types.Runtime]string{
		types.RuntimeProvidedal2: "169.254.79.129:2000", types.RuntimeProvidedal2023: "169.254.100.1:2000",
	} {
		name := strings.ReplaceAll(string(runtime), ".", "-")
		_, err := s.client().CreateFunction(t.Context(), &lambda.CreateFunctionInput{
			FunctionName: &name, Runtime: runtime, Handler: aws.String("none"), Role: aws.String("arn:aws:iam::000000000000:role/journey"),
			Code:          &types.FunctionCode{ZipFile: zipped(t, map[string]string{"bootstrap": bareBootstrap})},
			TracingConfig: &types.TracingConfig{Mode: types.TracingModeActive},
		})
		if err != nil {
			t.Fatal(err)
		}
		active(t, s.client(), name)
		wantAnswer(t, invoke(t, s.client(), name, `{}`), strconv.Quote(address))
		// The datagram was sent before the answer, but it is another way.
		for deadline := time.Now().Add(patience); ; {
			list := exec.Command(binary, "traces", "--function", name, "--filter", `name = "bare"`, "--json")
			list.Env = clientEnv(s)
			stdout, _ := output(t, list, 0)
			if strings.Contains(stdout, `"entry": "`+name+`"`) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: no trace has its subsegment: %s", runtime, stdout)
			}
		}
	}
}
