package journeys

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Functions that list the account's functions with the SDK that AWS's runtimes carry, at
// the endpoint that Wick gives them, and say where it is from.
var sdkFunctions = map[string]struct{ language, from, source string }{
	"app.py": {"python", "/var/runtime/boto3/__init__.py", `
import boto3
def handler(event, context):
    functions = boto3.client("lambda").list_functions()["Functions"]
    return {"functions": [f["FunctionName"] for f in functions], "from": boto3.__file__}
`},
	"app.js": {"node", "/var/runtime/node_modules/@aws-sdk/client-lambda/", `
const { LambdaClient, ListFunctionsCommand } = require("@aws-sdk/client-lambda");
exports.handler = async () => {
  const { Functions } = await new LambdaClient().send(new ListFunctionsCommand());
  return { functions: Functions.map((f) => f.FunctionName), from: require.resolve("@aws-sdk/client-lambda") };
};
`},
	"app.mjs": {"node", "/var/runtime/node_modules/@aws-sdk/client-lambda/", `
import { createRequire } from "node:module";
import { LambdaClient, ListFunctionsCommand } from "@aws-sdk/client-lambda";
const required = createRequire("/var/runtime/index.mjs")("@aws-sdk/client-lambda").LambdaClient;
export const handler = async () => {
  const { Functions } = await new LambdaClient().send(new ListFunctionsCommand());
  const from = createRequire("/var/runtime/index.mjs").resolve("@aws-sdk/client-lambda");
  return { functions: Functions.map((f) => f.FunctionName), from: required === LambdaClient ? from : "elsewhere" };
};
`},
}

func TestFunctionsUseTheSDKThatWasInstalled(t *testing.T) {
	s := start(t)
	exact := exactRuntimes(t, s)
	names := map[string]string{} // the file of each function
	for file, f := range sdkFunctions {
		runtime, ok := exact[f.language]
		if !ok {
			t.Logf("%s is left out: there is no interpreter", file)
			continue
		}
		name := strings.ReplaceAll(file, ".", "-")
		names[name] = file
		_, err := s.client().CreateFunction(t.Context(), &lambda.CreateFunctionInput{
			FunctionName: &name, Runtime: types.Runtime(runtime), Handler: aws.String("app.handler"),
			Role: aws.String("arn:aws:iam::000000000000:role/r"), Timeout: aws.Int32(60), MemorySize: aws.Int32(1024),
			Code: &types.FunctionCode{ZipFile: zipped(t, map[string]string{file: f.source})},
		})
		if err != nil {
			t.Fatal(err)
		}
		active(t, s.client(), name)
		// Without it the error is AWS's own, and the log says what to do.
		out, log := invokeWithLog(t, s, name)
		if aws.ToString(out.FunctionError) == "" || !strings.Contains(log, "`wick runtimes install sdk` gets it") {
			t.Errorf("%s without the SDK: %s\n%s", file, out.Payload, log)
		}
	}
	if len(names) == 0 {
		t.Skip("neither Python nor Node.js is on this machine")
	}
	args := []string{"runtimes", "install", "--sdk-clients", "lambda"}
	for language, probe := range map[string][]string{
		"python": {"python3", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", t.TempDir(), "jmespath"},
		"node":   {"npm", "view", "@aws-sdk/client-lambda", "version"},
	} {
		if out, err := exec.CommandContext(t.Context(), probe[0], probe[1:]...).CombinedOutput(); err != nil {
			t.Skipf("the registry that %s asks can't be reached: %v\n%s", probe[0], err, out)
		}
		if exact[language] != "" {
			args = append(args, exact[language])
		}
	}
	env := append(os.Environ(), "WICK_ENDPOINT="+s.URL)
	for attempt := 1; ; attempt++ { // registries aren't ours: what they fail at once, they can at another time
		install := exec.CommandContext(t.Context(), binary, args...)
		install.Env = env
		out, err := install.CombinedOutput()
		t.Logf("%s", out)
		if err == nil {
			break
		}
		if attempt == 3 {
			t.Fatal(err)
		}
	}

	// The running server has it, for functions that there are already.
	for name, file := range names {
		out, log := invokeWithLog(t, s, name)
		var answer struct {
			Functions []string
			From      string
		}
		if err := json.Unmarshal(out.Payload, &answer); err != nil || out.FunctionError != nil {
			t.Errorf("%s: %s, %v\n%s", file, out.Payload, err, log)
			continue
		}
		if len(answer.Functions) != len(names) || !slices.Contains(answer.Functions, name) || !strings.HasPrefix(answer.From, sdkFunctions[file].from) {
			t.Errorf("%s answers %+v", file, answer)
		}
	}
	// Another time there is nothing to do.
	again := exec.CommandContext(t.Context(), binary, args...)
	again.Env = env
	began := time.Now()
	stdout, _ := output(t, again, 0)
	if strings.Contains(stdout, "getting") {
		t.Errorf("got again in %s:\n%s", time.Since(began), stdout)
	}
	if installed, _ := filepath.Glob(filepath.Join(s.DataDir, "runtimes/installed/sdk-*")); len(installed) != len(args)-4 {
		t.Errorf("installed are %q", installed)
	}
}

// exactRuntimes returns a runtime of each language that the server has the very version of.
func exactRuntimes(t *testing.T, s *server) map[string]string {
	t.Helper()
	exact := map[string]string{}
	for _, r := range runtimesOf(t, s) { // the newest of a language comes first
		if r.Exact && !r.Deprecated && exact[r.Language] == "" {
			exact[r.Language] = r.Runtime
		}
	}
	return exact
}

func invokeWithLog(t *testing.T, s *server, name string) (*lambda.InvokeOutput, string) {
	t.Helper()
	out, err := s.client().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, LogType: types.LogTypeTail})
	if err != nil {
		t.Fatal(err)
	}
	log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil {
		t.Fatal(err)
	}
	return out, string(log)
}
