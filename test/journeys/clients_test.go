package journeys

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// clientEnv is the environment of a client that can find nothing but s: none of the
// settings and profiles of whoever runs the test.
func clientEnv(s *server) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "WICK_")
	})
	return append(env,
		"AWS_ENDPOINT_URL="+s.URL, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=journey", "AWS_SECRET_ACCESS_KEY=journey",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	)
}

func TestBoto3SeesEveryOperationAndAWSsWordsForWrongInput(t *testing.T) {
	python := tool(t, "python/bin/python")
	s := start(t)
	cmd := exec.Command(python, "clients/boto3_journey.py")
	cmd.Env = append(clientEnv(s), "PYTHONDONTWRITEBYTECODE=1")
	report, err := cmd.CombinedOutput()
	t.Logf("%s", report)
	if err != nil {
		t.Fatalf("boto3_journey.py: %v", err)
	}
}

func TestTheJavaScriptSDKSeesEveryOperation(t *testing.T) {
	modules := tool(t, "node/node_modules")
	need(t, "node")
	s := start(t)
	cmd := exec.Command("node", "clients/js_journey.mjs", s.URL, filepath.Dir(modules))
	cmd.Env = clientEnv(s)
	report, err := cmd.CombinedOutput()
	t.Logf("%s", report)
	if err != nil {
		t.Fatalf("js_journey.mjs: %v", err)
	}
}

func TestTheAWSCommandLineSeesEveryOperation(t *testing.T) {
	program := tool(t, "python/bin/aws")
	s := start(t)
	dir := t.TempDir()
	writeZip(t, filepath.Join(dir, "one.zip"), map[string]string{"app.py": pythonSource("1")})
	writeZip(t, filepath.Join(dir, "two.zip"), map[string]string{"app.py": pythonSource("2")})

	aws := func(status int, args ...string) (stdout, stderr string) {
		t.Helper()
		cmd := exec.Command(program, append([]string{"lambda"}, args...)...)
		cmd.Env, cmd.Dir = clientEnv(s), dir
		return output(t, cmd, status)
	}
	answer := func(args ...string) map[string]any {
		t.Helper()
		stdout, _ := aws(0, args...)
		var v map[string]any
		if err := json.Unmarshal([]byte(stdout), &v); err != nil {
			t.Fatalf("aws lambda %s: %v\n%s", strings.Join(args, " "), err, stdout)
		}
		return v
	}
	want := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	invoke := func(args ...string) (map[string]any, string) {
		t.Helper()
		file := filepath.Join(dir, "answer.json")
		v := answer(append(append([]string{"invoke", "--function-name", "cli-journey"}, args...), file)...)
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return v, string(body)
	}

	limits, ok := answer("get-account-settings")["AccountLimit"].(map[string]any)
	if !ok {
		t.Fatal("get-account-settings has no AccountLimit")
	}
	want("ConcurrentExecutions", limits["ConcurrentExecutions"], 1000.0)

	created := answer("create-function", "--function-name", "cli-journey", "--runtime", "python3.12", "--handler", "app.handler",
		"--role", "arn:aws:iam::000000000000:role/journey", "--zip-file", "fileb://one.zip", "--timeout", "60")
	want("State", created["State"], "Pending")
	aws(0, "wait", "function-exists", "--function-name", "cli-journey")
	aws(0, "wait", "function-active-v2", "--function-name", "cli-journey")

	got, body := invoke("--payload", `{"n":1}`, "--log-type", "Tail")
	want("StatusCode", got["StatusCode"], 200.0)
	want("answer", body, `{"edition": 1, "event": {"n": 1}}`)
	if got["LogResult"] == nil {
		t.Error("--log-type Tail has no LogResult")
	}
	got, _ = invoke("--invocation-type", "DryRun")
	want("StatusCode of a DryRun", got["StatusCode"], 204.0)

	aws(0, "update-function-configuration", "--function-name", "cli-journey", "--memory-size", "256")
	aws(0, "wait", "function-updated-v2", "--function-name", "cli-journey")
	want("MemorySize", answer("get-function-configuration", "--function-name", "cli-journey")["MemorySize"], 256.0)
	aws(0, "update-function-code", "--function-name", "cli-journey", "--zip-file", "fileb://two.zip")
	aws(0, "wait", "function-updated-v2", "--function-name", "cli-journey")
	_, body = invoke("--payload", `{}`)
	want("answer", body, `{"edition": 2, "event": {}}`)

	code, ok := answer("get-function", "--function-name", "cli-journey")["Code"].(map[string]any)
	if !ok {
		t.Fatal("get-function has no Code")
	}
	location, ok := code["Location"].(string)
	if !ok {
		t.Fatal("get-function has no Code.Location")
	}
	packaged, err := os.ReadFile(filepath.Join(dir, "two.zip"))
	if err != nil {
		t.Fatal(err)
	}
	if status, downloaded := get(t, location); status != 200 || downloaded != string(packaged) {
		t.Errorf("%s: status %d and %d bytes, want the package's %d", location, status, len(downloaded), len(packaged))
	}

	stdout, _ := aws(0, "list-functions", "--page-size", "1", "--query", "Functions[].FunctionName", "--output", "text")
	want("list-functions", strings.TrimSpace(stdout), "cli-journey")

	_, stderr := aws(255, "get-function", "--function-name", "no-such")
	if !strings.Contains(stderr, "(ResourceNotFoundException) when calling the GetFunction operation: Function not found: arn:aws:lambda:us-east-1:000000000000:function:no-such") {
		t.Errorf("get-function of none says %s", stderr)
	}
	aws(0, "delete-function", "--function-name", "cli-journey")
	_, stderr = aws(255, "get-function", "--function-name", "cli-journey")
	if !strings.Contains(stderr, "ResourceNotFoundException") {
		t.Errorf("get-function after delete-function says %s", stderr)
	}
}
