package endurance

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick/internal/csharp"
	"github.com/wick-run/wick/internal/testkit/wickserver"
)

// mingled are functions that do what their event says and answer with its ID.
var mingled = []struct {
	name, handler string
	runtime       types.Runtime
	program       string // without which there is none on this machine
	build         func(dir string) error
}{
	{"node", "index.handler", types.RuntimeNodejs20x, "node", nil},
	{"python", "app.handler", types.RuntimePython312, "python3", nil},
	{"ruby", "app.handler", types.RuntimeRuby33, "ruby", nil},
	{"java", "mingled.Handler::handle", types.RuntimeJava17, "javac", func(dir string) error {
		return run("testdata/mingled/java", nil, "javac", "--release", "17", "-d", dir, "mingled/Handler.java")
	}},
	{"dotnet", "Mingled::Mingled.Handler::Handle", types.RuntimeDotnet8, "mcs", buildDotnet},
	{"go", "none", types.RuntimeProvidedal2023, "go", func(dir string) error {
		return run("testdata/mingled/go", []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-tags", "lambda.norpc", "-o", filepath.Join(dir, "bootstrap"), ".")
	}},
	{"rust", "none", types.RuntimeProvidedal2023, "cargo", func(dir string) error {
		// The dependencies are those of test/differential, and compiled once.
		target, err := filepath.Abs("../../.cache/differential/rust/target")
		if err != nil {
			return err
		}
		if err := run("testdata/mingled/rust", []string{"CARGO_TARGET_DIR=" + target}, "cargo", "build", "--quiet", "--locked"); err != nil {
			return err
		}
		return os.Symlink(filepath.Join(target, "debug", "mingled"), filepath.Join(dir, "bootstrap"))
	}},
}

// buildDotnet is ErrMissing where there is no .NET to compile against.
func buildDotnet(dir string) error {
	compiler, err := csharp.Find()
	if err != nil {
		return err
	}
	if err := compiler.Compile(context.Background(), filepath.Join(dir, "Mingled.dll"), true, nil, "testdata/mingled/dotnet/Handler.cs"); err != nil {
		return err
	}
	deps, config := csharp.Settings("Mingled")
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "Mingled.deps.json"), []byte(deps), 0o600),
		os.WriteFile(filepath.Join(dir, "Mingled.runtimeconfig.json"), []byte(config), 0o600))
}

func run(dir string, env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}

// whats are what a thread's event asks for, by its number: most are answered, some fail, some
// end the process, a few are timed out.
func what(n int) string {
	switch {
	case n%50 == 7:
		return "sleep"
	case n%10 == 1:
		return "exit"
	case n%5 == 2:
		return "fail"
	}
	return "answer"
}

// mingledSeconds is the functions' time-out. What sleeps waits for it; and on a machine that is
// busy with other things, more may meet it than should.
const mingledSeconds = 8

// TestEachAnswerBelongsToItsRequest sends events to a function of each language from 200
// threads at once. Each wants the answer with its own ID, the error with it, or the fault and
// the log with its own request's.
func TestEachAnswerBelongsToItsRequest(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("control groups, mounts and network slots need root")
	}
	const threads = 200
	calls := 1
	if os.Getenv("WICK_ENDURANCE_INSTANCES") != "" {
		calls = 10
	}
	if root := csharp.Root(); root != "" && os.Getenv("DOTNET_ROOT") == "" {
		t.Setenv("DOTNET_ROOT", root)
	}
	running, err := wickserver.Start(binary, filepath.Join(t.TempDir(), "data"), "--queue-wait", "10m", "--memory", "4GiB")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{running, running.Client()}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the operator's log:\n%s", s.OperatorLog())
		}
	})
	for _, l := range mingled {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(l.program); err != nil {
				t.Skip(err)
			}
			dir := filepath.Join("testdata/mingled", l.name)
			if l.build != nil {
				dir = t.TempDir()
				if err := l.build(dir); errors.Is(err, csharp.ErrMissing) {
					t.Skip(err)
				} else if err != nil {
					t.Fatal(err)
				}
			}
			s.createFolder(t, l.name, l.runtime, l.handler, dir)
			var group sync.WaitGroup
			var mu sync.Mutex // guards came
			came := map[string]int{}
			for thread := range threads {
				group.Go(func() {
					for call := range calls {
						came1, err := s.callMingled(t, l.name, fmt.Sprintf("%s-%d-%d", l.name, thread, call), what(thread+call))
						if err != nil {
							t.Error(err)
						}
						mu.Lock()
						came[came1]++
						mu.Unlock()
					}
				})
			}
			group.Wait()
			t.Logf("%d threads, %d calls each: %v", threads, calls, came)
			for _, kind := range []string{"answer", "fail", "exit", "sleep"} {
				if came[kind] == 0 {
					t.Errorf("nothing came of events that ask for %s", kind)
				}
			}
		})
	}
}

// createFolder makes a function of a folder's files and waits until it is active.
func (s *server) createFolder(t *testing.T, name string, runtime types.Runtime, handler, dir string) {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path) //nolint:gosec // our own
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: inside, Method: zip.Deflate}
		h.SetMode(0o755)
		entry, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		_, err = entry.Write(content)
		return err
	})
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	in := &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: runtime, Handler: &handler, Timeout: aws.Int32(mingledSeconds), MemorySize: aws.Int32(256),
		Role: aws.String("arn:aws:iam::000000000000:role/endurance"), Code: &types.FunctionCode{ZipFile: buf.Bytes()},
	}
	s.createInput(t, in)
}

// callMingled sends one event and says what came of it: what was asked for, or a time-out
// ("sleep"). The error is what is wrong with that.
func (s *server) callMingled(t *testing.T, function, id, what string) (came string, err error) {
	payload, err := json.Marshal(map[string]string{"id": id, "what": what})
	if err != nil {
		return "", err
	}
	out, err := s.lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Payload: payload, LogType: types.LogTypeTail})
	if err != nil {
		return "", fmt.Errorf("Invoke %s: %w", id, err)
	}
	request, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	var answer struct {
		ID           string `json:"id"`
		ErrorMessage string `json:"errorMessage"`
		ErrorType    string `json:"errorType"`
	}
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		return "", fmt.Errorf("%s of %s: %w in %q", what, id, err, out.Payload)
	}
	right := map[string]bool{
		"answer": out.FunctionError == nil && answer.ID == id,
		"fail":   out.FunctionError != nil && answer.ErrorMessage == id,
		"exit":   answer.ErrorType == "Runtime.ExitError" && strings.HasPrefix(answer.ErrorMessage, "RequestId: "+request+" "),
		"sleep":  answer.ErrorType == "Sandbox.Timedout" && strings.HasPrefix(answer.ErrorMessage, "RequestId: "+request+" "),
	}
	tail, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil {
		return "", err
	}
	log := string(tail)
	if came = what; right["sleep"] {
		came = "sleep"
	}
	printed := strings.Count(log, "doing ")
	switch {
	case !right[came]:
		return "", fmt.Errorf("%s of %s, request %s, was answered %s\n%s", what, id, request, out.Payload, log)
	case strings.Count(log, "START RequestId: ") != 1 || !strings.Contains(log, "START RequestId: "+request+" "):
		return "", fmt.Errorf("the tail of %s isn't of request %s:\n%s", id, request, log)
	case printed > 1 || printed == 1 && !strings.Contains(log, "doing "+id+"\n"):
		return "", fmt.Errorf("the tail of %s has what another event printed:\n%s", id, log)
	}
	return came, nil
}
