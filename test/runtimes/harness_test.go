package runtimes

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick/internal/client"
	"github.com/wick-run/wick/internal/csharp"
	"github.com/wick-run/wick/internal/testkit/wickserver"
)

const testRole = "arn:aws:iam::000000000000:role/role"

// servers are those the tests share; each starts with the first test that needs it.
var servers struct {
	sync.Mutex
	dir     string // for binaries and data directories
	binary  string
	running map[string]*wickserver.Server // by their flags
}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) (code int) {
	// Functions that time out or wait leave the processor to others.
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(max(4, 2*runtime.NumCPU()))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if root := csharp.Root(); root != "" && os.Getenv("DOTNET_ROOT") == "" {
		if err := os.Setenv("DOTNET_ROOT", root); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "wick-runtimes-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	servers.dir, servers.running = dir, map[string]*wickserver.Server{}
	defer func() {
		for _, s := range servers.running {
			err = errors.Join(err, s.Stop())
		}
		if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	if servers.binary, err = wickserver.Build(dir); err != nil {
		return 1
	}
	return m.Run()
}

// server returns the server with these flags and AWS's exact environment otherwise.
func server(t *testing.T, flags ...string) *wickserver.Server {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("no sandboxes with walls on " + runtime.GOOS + ": what functions see isn't as on AWS")
	}
	servers.Lock()
	defer servers.Unlock()
	key := fmt.Sprint(flags)
	if s := servers.running[key]; s != nil {
		return s
	}
	data := filepath.Join(servers.dir, fmt.Sprintf("data%d", len(servers.running)))
	s, err := wickserver.Start(servers.binary, data, append([]string{"--allow-deprecated-runtimes"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	servers.running[key] = s
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the operator's log:\n%s", s.OperatorLog())
		}
	})
	return s
}

// exact is the flag with which functions get AWS's environment and nothing else.
const exact = "--inject-endpoints=false"

// function is what a test creates.
type function struct {
	runtime string
	handler string
	code    []byte // the package
	env     map[string]string
	layers  []string // ARNs of versions
	memory  int32    // MB; 0: 128
	timeout int32    // seconds; 0: 3
}

// create creates a function and waits until it is active.
func create(t *testing.T, c *lambda.Client, name string, f function, options ...func(*lambda.Options)) {
	t.Helper()
	in := &lambda.CreateFunctionInput{
		FunctionName: &name, Role: aws.String(testRole), Runtime: types.Runtime(f.runtime), Handler: &f.handler,
		Code: &types.FunctionCode{ZipFile: f.code}, Layers: f.layers,
	}
	if f.env != nil {
		in.Environment = &types.Environment{Variables: f.env}
	}
	if f.memory > 0 {
		in.MemorySize = &f.memory
	}
	if f.timeout > 0 {
		in.Timeout = &f.timeout
	}
	if _, err := c.CreateFunction(t.Context(), in, options...); err != nil {
		t.Fatal(err)
	}
	err := lambda.NewFunctionActiveV2Waiter(c).Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: &name}, wickserver.Patience,
		func(o *lambda.FunctionActiveV2WaiterOptions) {
			o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
		})
	if err != nil {
		t.Fatal(err)
	}
}

// invocation is what came of an event.
type invocation struct {
	*lambda.InvokeOutput
	id string // the request's
}

func invoke(t *testing.T, c *lambda.Client, name string, payload []byte, change ...func(*lambda.InvokeInput)) invocation {
	t.Helper()
	in := &lambda.InvokeInput{FunctionName: &name, Payload: payload}
	for _, f := range change {
		f(in)
	}
	out, err := c.Invoke(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	id, ok := middleware.GetRequestIDMetadata(out.ResultMetadata)
	if !ok {
		t.Fatal("the answer has no request ID")
	}
	return invocation{out, id}
}

// logOf returns all that a function has logged.
func logOf(t *testing.T, s *wickserver.Server, name string) string {
	t.Helper()
	c, err := client.New(s.URL, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := c.Logs(t.Context(), client.LogQuery{Function: name}, func(r client.LogRecord) error {
		text.WriteString(r.Message)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// zipped makes a package of files, all executable.
func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		addFile(t, w, name, 0o755, []byte(files[name]))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func addFile(t *testing.T, w *zip.Writer, name string, mode os.FileMode, content []byte) {
	t.Helper()
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	h.SetMode(mode)
	entry, err := w.CreateHeader(h)
	if err == nil {
		_, err = entry.Write(content)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// bootstrap builds testdata/provided once, with aws-lambda-go, and returns the program.
var bootstrap = sync.OnceValues(func() ([]byte, error) {
	out := filepath.Join(servers.dir, "bootstrap")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", out, "-ldflags", "-s -w", "-trimpath", ".")
	cmd.Dir = "testdata/provided"
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building testdata/provided: %w\n%s", err, text)
	}
	return os.ReadFile(out)
})

// bootstrapPackage is the package with it.
func bootstrapPackage(t *testing.T) []byte {
	t.Helper()
	program, err := bootstrap()
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Store} // deflating it takes longer than it saves
	h.SetMode(0o755)
	entry, err := w.CreateHeader(h)
	if err == nil {
		_, err = io.Copy(entry, bytes.NewReader(program))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
