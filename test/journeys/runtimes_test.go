package journeys

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/wick-run/wick/internal/client"
)

func TestAFunctionWhoseRuntimeIsMissingSaysWhatToDo(t *testing.T) {
	s := start(t)
	missing := ""
	for _, r := range runtimesOf(t, s) {
		if r.Status == client.RuntimeMissing && !r.Deprecated {
			missing = r.Runtime
		}
	}
	if missing == "" {
		t.Skip("every runtime has something here that runs it")
	}
	in := &lambda.CreateFunctionInput{
		FunctionName: aws.String("orphan"), Runtime: types.Runtime(missing), Handler: aws.String("A::B::C"),
		Role: aws.String("arn:aws:iam::000000000000:role/r"), Code: &types.FunctionCode{ZipFile: zipped(t, map[string]string{"x": "x"})},
	}
	if _, err := s.client().CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	active(t, s.client(), "orphan")
	_, err := s.client().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: in.FunctionName})
	wantAdvice(t, "invoked", err, "InvalidRuntimeException", missing)

	strict := start(t, "--strict-runtimes")
	_, err = strict.client().CreateFunction(t.Context(), in)
	wantAdvice(t, "created, strictly", err, "InvalidParameterValueException", missing)
}

func wantAdvice(t *testing.T, when string, err error, code, runtime string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), "`wick runtimes install "+runtime+"`") {
		t.Errorf("%s, it is %v", when, err)
	}
}

// runtimesOf returns what a server says of each runtime.
func runtimesOf(t *testing.T, s *server) []client.Runtime {
	t.Helper()
	c, err := client.New(s.URL, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Runtimes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAnAddedInterpreterRunsFunctionsOfARunningServer(t *testing.T) {
	s := start(t)
	var newest, other client.Runtime
	for _, r := range runtimesOf(t, s) {
		if r.Language == "python" && r.Exact && !r.Deprecated {
			if newest.Bin == "" {
				newest = r
			}
			other = r
		}
	}
	if newest.Bin == other.Bin {
		t.Skip("there aren't two versions of Python on this machine")
	}
	_, err := s.client().CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("version"), Runtime: types.Runtime(newest.Runtime), Handler: aws.String("app.handler"),
		Role: aws.String("arn:aws:iam::000000000000:role/r"), Code: &types.FunctionCode{ZipFile: zipped(t, map[string]string{
			"app.py": "import sys\ndef handler(event, context):\n    return '%d.%d.%d' % sys.version_info[:3]\n",
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	active(t, s.client(), "version")
	wick := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), binary, append([]string{"runtimes"}, args...)...)
		cmd.Env = append(os.Environ(), "WICK_ENDPOINT="+s.URL)
		out, _ := output(t, cmd, 0)
		return out
	}
	wantAnswer(t, invoke(t, s.client(), "version", "{}"), `"`+newest.Version+`"`)
	if out := wick("add", newest.Runtime, other.Bin); !strings.Contains(out, other.Version) {
		t.Errorf("added with %q", out)
	}
	wantAnswer(t, invoke(t, s.client(), "version", "{}"), `"`+other.Version+`"`)
	if out := wick("remove", newest.Runtime); !strings.Contains(out, "is run by what is found again") {
		t.Errorf("removed with %q", out)
	}
	wantAnswer(t, invoke(t, s.client(), "version", "{}"), `"`+newest.Version+`"`)
}
