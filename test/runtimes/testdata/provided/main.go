// The bootstrap of the tests' provided functions. It does what the event's Do says, and
// before that, what the handler's name says: so one package serves a whole table.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

func main() {
	switch handler := os.Getenv("_HANDLER"); handler {
	case "init.exit0":
		fmt.Println("leaving early")
		os.Exit(0)
	case "init.exit3":
		os.Exit(3)
	case "init.panic":
		panic("at the start")
	case "init.error":
		initError()
	case "init.hang":
		time.Sleep(time.Hour)
	case "raw":
		raw()
	case "echo":
		lambda.Start(func(_ context.Context, event json.RawMessage) (json.RawMessage, error) { return event, nil })
	case "function.handler": // as recorded
		lambda.Start(introspect)
	}
	lambda.Start(handle)
}

type event struct {
	Do   string
	Size int
}

// failure is an error of a type with a name of its own.
type failure struct{ what string }

func (f *failure) Error() string { return f.what }

func handle(_ context.Context, e event) (any, error) {
	switch e.Do {
	case "error":
		return nil, errors.New("as asked")
	case "wrapped":
		return nil, fmt.Errorf("outer: %w", &failure{"inner"})
	case "typed":
		return nil, &failure{"own type"}
	case "object":
		return nil, messages.InvokeResponse_Error{
			Type: "Own.Type", Message: "own message",
			StackTrace: []*messages.InvokeResponse_Error_StackFrame{{Path: "p.go", Line: 3, Label: "f"}},
		}
	case "panic":
		panic("as asked")
	case "panic error":
		panic(&failure{"as asked"})
	case "nil":
		var p *event
		p.Do = ""
	case "goroutine":
		go panic("beside")
		select {}
	case "unserialisable":
		return make(chan int), nil
	case "exit0":
		fmt.Println("leaving")
		os.Exit(0)
	case "exit7":
		os.Exit(7)
	case "kill":
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return nil, err
		}
		select {}
	case "sleep":
		fmt.Println("sleeping")
		time.Sleep(time.Hour)
	case "deaf": // not even SIGTERM ends it
		signal.Ignore(syscall.SIGTERM)
		time.Sleep(time.Hour)
	case "memory":
		use(e.Size)
	case "child memory":
		return exec.Command("/proc/self/exe", "use", strconv.Itoa(e.Size)).Run().Error(), nil
	case "answer":
		return strings.Repeat("x", e.Size-2), nil // and two quotes
	case "files":
		return openFiles()
	case "processes":
		return startProcesses()
	case "tmp":
		return fillTmp()
	}
	return "fine", nil
}

func init() {
	if len(os.Args) == 3 && os.Args[1] == "use" {
		size, err := strconv.Atoi(os.Args[2])
		if err != nil {
			panic(err)
		}
		use(size)
		os.Exit(0)
	}
}

// use takes so many bytes of memory, really.
func use(size int) {
	b := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		b[i] = 1
	}
	debug.FreeOSMemory()
}

func openFiles() (any, error) {
	var open []*os.File
	defer func() {
		for _, f := range open {
			_ = f.Close() // /dev/null loses nothing
		}
	}()
	for {
		f, err := os.Open("/dev/null")
		if err != nil {
			return nil, err
		}
		open = append(open, f)
	}
}

func startProcesses() (any, error) {
	var started []int
	defer func() {
		for _, pid := range started {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
			_, _ = syscall.Wait4(pid, nil, 0, nil)
		}
	}()
	for {
		// os/exec keeps a file open for each: those would run out first.
		pid, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "1000"}, nil)
		if err != nil {
			return nil, os.NewSyscallError("fork", err)
		}
		started = append(started, pid)
	}
}

func fillTmp() (any, error) {
	f, err := os.Create("/tmp/full")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	piece := make([]byte, 8<<20)
	for {
		if _, err := f.Write(piece); err != nil {
			return nil, err
		}
	}
}

// introspect answers what the recorded function of that name answers.
func introspect(ctx context.Context) (any, error) {
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	environment := map[string]string{}
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		environment[name] = value
	}
	return map[string]any{
		"environment": environment, "packages": []string{},
		"ctx": map[string]any{
			"aws_request_id": lc.AwsRequestID, "deadline": strconv.FormatInt(deadline.UnixMilli(), 10),
			"function_name": lambdacontext.FunctionName, "function_version": lambdacontext.FunctionVersion,
			"invoked_function_arn": lc.InvokedFunctionArn, "memory_limit_in_mb": lambdacontext.MemoryLimitInMB,
			"log_group_name": lambdacontext.LogGroupName, "log_stream_name": lambdacontext.LogStreamName,
		},
	}, nil
}

func api(path string) string {
	return "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/" + path
}

// post calls the Runtime API and returns how that went.
func post(path, errorType, body string) string {
	q, err := http.NewRequest(http.MethodPost, api(path), strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	if errorType != "" {
		q.Header.Set("Lambda-Runtime-Function-Error-Type", errorType)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	return resp.Status + " " + string(bytes.TrimSpace(answer))
}

func initError() {
	post("init/error", "Own.InitError", `{"errorMessage":"not today","errorType":"Own.InitError","stackTrace":["a","b"]}`)
	os.Exit(1)
}

// raw is a runtime of our own that answers as the event says, which no client would.
func raw() {
	for {
		resp, err := http.Get(api("invocation/next"))
		if err != nil {
			panic(err)
		}
		var e event
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
			panic(err)
		}
		resp.Body.Close()
		here := "invocation/" + resp.Header.Get("Lambda-Runtime-Aws-Request-Id")
		switch e.Do {
		case "twice":
			fmt.Println(post(here+"/response", "", `"first"`))
			fmt.Println(post(here+"/response", "", `"second"`))
		case "wrong id":
			fmt.Println(post("invocation/00000000-0000-0000-0000-000000000000/response", "", `"lost"`))
			post(here+"/response", "", `"found"`)
		case "not json":
			post(here+"/response", "", `{not json`)
		case "error without a body":
			post(here+"/error", "Own.Empty", "")
		case "error that is not json":
			post(here+"/error", "Own.Text", "plain words")
		case "init error too late":
			fmt.Println(post("init/error", "Own.Late", `{}`))
			post(here+"/response", "", `"late"`)
		case "no answer":
		case "answer then exit":
			post(here+"/response", "", `"answered"`)
			os.Exit(4)
		default:
			post(here+"/response", "", `"fine"`)
		}
	}
}
