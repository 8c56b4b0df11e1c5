// Command demo is make demo: it starts the built wick on a free port with a data
// directory of its own, deploys example functions in every language the machine has,
// invokes them cold and warm through AWS's own API, shows an error and a time-out, prints
// a table, and leaves nothing behind.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/client"
	"github.com/wick-run/wick/internal/csharp"
)

// binary is what make build makes.
const binary = "bin/wick"

// example is a function to show.
type example struct {
	language string // as people say it
	needs    string // the program that runs or builds it; "" for .NET, which can come from .cache
	dir      string
	flags    []string // of wick deploy
	event    string
	fails    bool
}

var examples = []example{
	{"Node.js", "node", "node-hello", []string{"--tracing", "Active"}, `{"name":"Ada"}`, false},
	{"Node.js", "node", "node-webhook", []string{"--env", "WEBHOOK_SECRET=swordfish"},
		`{"headers":{"x-hub-signature-256":"sha256=8cc68c11d0804eacce32d9f667211131981151a54d0e28ac27ee6c3522f598b0"},"body":"{\"action\":\"opened\"}"}`, false},
	{"Python", "python3", "python-hello", nil, `{"name":"Ada"}`, false},
	{"Python", "python3", "python-csv-to-json", nil, `{"csv":"city,people\nBern,134000\nGeneva,203000\n"}`, false},
	{"Python", "python3", "python-greetings", []string{"--layer", "examples/layers/greetings"}, `{"name":"Ada","language":"eo"}`, false},
	{"Ruby", "ruby", "ruby-hello", nil, `{"name":"Ada"}`, false},
	{"Java", "javac", "java-hello", []string{"--memory", "512"}, `{"name":"Ada"}`, false},
	{"C#", "", "dotnet-hello", []string{"--memory", "512"}, `{"name":"Ada"}`, false},
	{"Go", "go", "go-hello", nil, `{"name":"Ada"}`, false},
	{"Go", "go", "go-thumbnail", nil,
		`{"width":4,"image":"iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAbElEQVR42hXNQRUAUQhCUaMYhShGeVGIQhSizB+XXA7ODDtouIHBQ4YOM8suWm5h8ZKl+0CskDiBsIioHhx76LiDw0eO3oN/4FVf+J8h0PduzBqZ8x/bxNQPwgaFy192SGgelC0q13/CJaXlA8Z7WAFXOTbyAAAAAElFTkSuQmCC"}`, false},
	{"Rust", "cargo", "rust-hello", nil, `{"name":"Ada"}`, false},
	{"Rust", "cargo", "rust-access-log", nil,
		`{"log":"10.0.0.1 - - [24/Nov/2026:20:15:00 +0000] \"GET / HTTP/1.1\" 200 512\n10.0.0.2 - - [24/Nov/2026:20:15:01 +0000] \"GET /x HTTP/1.1\" 404 19"}`, false},
	{"Bash", "bash", "bash-hello", nil, `{"name":"Ada"}`, false},
	{"C++", "c++", "cpp-hello", nil, `{"name":"Ada"}`, false},
	{"Python", "python3", "python-inventory", []string{"--timeout", "20", "--memory", "512"}, `{}`, false},
	{"Node.js", "node", "node-inventory", []string{"--timeout", "20", "--memory", "512"}, `{}`, false},
	{"Node.js", "node", "failing-error", nil, `{"item":"candles"}`, true},
	{"Python", "python3", "failing-timeout", []string{"--timeout", "1"}, `{}`, true},
}

// warmRuns is how many warm invocations the table's median is of.
const warmRuns = 15

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	if root := csharp.Root(); root != "" && os.Getenv("DOTNET_ROOT") == "" {
		if err := os.Setenv("DOTNET_ROOT", root); err != nil {
			return err
		}
	}
	s, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	// The client of AWS's SDK that wick's commands use, too.
	c, err := client.New(s.url, func(string) string { return "" })
	if err != nil {
		return err
	}
	d := demo{server: c, client: c.Lambda, url: s.url, scratch: s.dir}
	for _, e := range examples {
		if err := d.show(ctx, e); err != nil {
			return fmt.Errorf("%s: %w", e.dir, err)
		}
	}
	if err := d.showAWSCommand(ctx); err != nil {
		return err
	}
	title("Summary")
	return d.printTable()
}

// demo collects what the table shows.
type demo struct {
	server *client.Client
	client *lambda.Client
	url    string
	// scratch is a folder that is removed in the end.
	scratch string
	rows    [][]string
}

// show deploys and invokes one example.
func (d *demo) show(ctx context.Context, e example) error {
	title(e.language + ": " + e.dir)
	folder, missing, err := d.prepare(ctx, e)
	if err != nil {
		return err
	}
	if missing != "" {
		fmt.Printf("left out: %s is not on this machine\n", missing)
		d.rows = append(d.rows, []string{e.dir, e.language, "-", "-", "(no " + missing + " here)"})
		return nil
	}
	if err := d.command(ctx, binary, append([]string{"deploy", folder}, e.flags...)...); err != nil {
		return err
	}
	config, err := d.client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &e.dir})
	if err != nil {
		return err
	}

	if err := d.awaitAhead(ctx, string(config.Runtime)); err != nil {
		return err
	}
	cold, out, err := d.invoke(ctx, e)
	if err != nil {
		return err
	}
	fmt.Printf("\nInvoke %s\n", shortened(e.event))
	if err := printInvocation("cold", cold, out); err != nil {
		return err
	}
	if err := d.showTrace(ctx, out); err != nil {
		return err
	}
	if failed := out.FunctionError != nil; failed != e.fails {
		return fmt.Errorf("function error %q, which is not what this example is for", aws.ToString(out.FunctionError))
	}
	row := []string{e.dir, string(config.Runtime), milliseconds(cold), "-", shortened(string(out.Payload))}
	if !e.fails {
		warm, out, err := d.warm(ctx, e)
		if err != nil {
			return err
		}
		if err := printInvocation("warm", warm, out); err != nil {
			return err
		}
		row[3] = milliseconds(warm)
	}
	d.rows = append(d.rows, row)
	return nil
}

// aheadTime is how long Wick has to boot a runtime ahead before the demo goes on: whoever
// deploys by hand takes longer to invoke.
const aheadTime = 2 * time.Second

// awaitAhead waits until an instance of a runtime has been booted ahead, or nearly so long
// as nobody would notice.
func (d *demo) awaitAhead(ctx context.Context, runtime string) error {
	for deadline := time.Now().Add(aheadTime); time.Now().Before(deadline); {
		is, err := d.server.Instances(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(is.Ahead, func(i wick.InstanceStatus) bool {
			return i.Runtime == runtime && i.State == wick.InstanceBooted
		}) {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// prepare returns the folder to deploy, or what an example needs and this machine lacks.
func (d *demo) prepare(ctx context.Context, e example) (folder, missing string, err error) {
	folder = "examples/" + e.dir
	if e.needs != "" {
		if !found(e.needs) {
			return folder, e.needs, nil
		}
		if language, ok := sdkExamples[e.dir]; ok {
			missing, err = d.installSDK(ctx, language)
		}
		return folder, missing, err
	}
	if os.Getenv("DOTNET_ROOT") == "" && !found("dotnet") {
		return "", ".NET", nil
	}
	return compileDotnet(ctx, folder, d.scratch)
}

// traced is REPORT's second line, of an invocation that is traced.
var traced = regexp.MustCompile(`XRAY TraceId: (\S+)`)

// showTrace draws the trace of an invocation, if it has one.
func (d *demo) showTrace(ctx context.Context, out *lambda.InvokeOutput) error {
	tail, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil {
		return err
	}
	if id := traced.FindSubmatch(tail); id != nil {
		return d.command(ctx, binary, "traces", string(id[1]))
	}
	return nil
}

// found tells whether a program is on PATH.
func found(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// warm invokes an example again and again and returns the median time and last answer.
func (d *demo) warm(ctx context.Context, e example) (time.Duration, *lambda.InvokeOutput, error) {
	var took []time.Duration
	var last *lambda.InvokeOutput
	for range warmRuns {
		t, out, err := d.invoke(ctx, e)
		if err != nil {
			return 0, nil, err
		}
		took, last = append(took, t), out
	}
	slices.Sort(took)
	return took[len(took)/2], last, nil
}

// invoke invokes an example once and returns how long the client waited.
func (d *demo) invoke(ctx context.Context, e example) (time.Duration, *lambda.InvokeOutput, error) {
	start := time.Now()
	out, err := d.client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &e.dir, Payload: []byte(e.event), LogType: types.LogTypeTail})
	return time.Since(start), out, err
}

// showAWSCommand lists the functions with the AWS CLI, if there is one.
func (d *demo) showAWSCommand(ctx context.Context) error {
	for _, program := range []string{"aws", ".cache/python/bin/aws"} {
		if path, err := exec.LookPath(program); err == nil {
			title("The AWS CLI sees the same")
			return d.command(ctx, path, "lambda", "list-functions", "--endpoint-url", d.url,
				"--query", "Functions[].[FunctionName,Runtime,MemorySize,CodeSize]", "--output", "text")
		}
	}
	return nil
}

// command runs a client, showing its command line first.
func (d *demo) command(ctx context.Context, name string, args ...string) error {
	fmt.Printf("$ %s %s\n", name[strings.LastIndex(name, "/")+1:], strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, name, args...)
	// None of the settings and profiles of whoever runs the demo.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "WICK_")
	})
	cmd.Env = append(cmd.Env, "WICK_ENDPOINT="+d.url,
		"AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=demo", "AWS_SECRET_ACCESS_KEY=demo", "AWS_CONFIG_FILE=/dev/null")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

func (d *demo) printTable() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{{"function", "runtime", "cold ms", "warm ms", "answer"}}, d.rows...) {
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("\nMilliseconds are what the client waited, HTTP and all; warm is the median of %d.\n", warmRuns)
	return nil
}

func printInvocation(how string, took time.Duration, out *lambda.InvokeOutput) error {
	log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil {
		return err
	}
	fmt.Printf("%s, %s ms → %d %s\n", how, milliseconds(took), out.StatusCode, shortened(string(out.Payload)))
	if out.FunctionError != nil {
		fmt.Printf("  X-Amz-Function-Error: %s\n  %s\n", *out.FunctionError, out.Payload)
	}
	for line := range strings.Lines(string(log)) {
		fmt.Printf("  | %s\n", strings.TrimRight(line, "\n"))
	}
	return nil
}

// shortened returns as much JSON as fits on a line.
func shortened(json string) string {
	const most = 72
	text := []rune(json)
	if len(text) > most {
		return string(text[:most-1]) + "…"
	}
	return json
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000)
}

func title(text string) {
	fmt.Printf("\n── %s %s\n", text, strings.Repeat("─", max(0, 76-len([]rune(text)))))
}
