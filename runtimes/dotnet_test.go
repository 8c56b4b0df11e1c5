package runtimes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wick-run/wick/internal/csharp"
	"github.com/wick-run/wick/internal/testkit/runner"
)

// dotnetPackage compiles testdata/dotnet once and returns a package of it.
var dotnetPackage = sync.OnceValues(func() (map[string]string, error) {
	compiler, err := csharp.Find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "wick-dotnet-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	var libraries []string
	for _, l := range []struct{ name, source string }{
		{"Amazon.Lambda.Core.dll", "core/Core.cs"}, {"missing.dll", "missing/Missing.cs"}, {"host.dll", "host/Host.cs"},
	} {
		path := filepath.Join(dir, l.name)
		if err := compiler.Compile(context.Background(), path, true, libraries, "testdata/dotnet/"+l.source); err != nil {
			return nil, err
		}
		libraries = append(libraries, path)
	}
	sources, err := filepath.Glob("testdata/dotnet/fn/*.cs")
	if err != nil {
		return nil, err
	}
	if err := compiler.Compile(context.Background(), filepath.Join(dir, "fn.dll"), true, libraries, sources...); err != nil {
		return nil, err
	}
	if err := compiler.Compile(context.Background(), filepath.Join(dir, "program.dll"), false, nil, "testdata/dotnet/program/Program.cs"); err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, name := range []string{"program.dll", "fn.dll", "host.dll", "Amazon.Lambda.Core.dll"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		files[name] = string(data)
	}
	files["fn.deps.json"], files["fn.runtimeconfig.json"] = csharp.Settings("fn", "host", "Amazon.Lambda.Core")
	files["program.deps.json"], files["program.runtimeconfig.json"] = csharp.Settings("program")
	return files, nil
})

// cs is a program of testdata/dotnet, fn::Fn.HANDLER; more files are as they are.
func cs(t testing.TB, handler string, more ...string) program {
	t.Helper()
	match(t, "dotnet8")
	files, err := dotnetPackage()
	if errors.Is(err, csharp.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	files = maps.Clone(files)
	// The package is of one of the two.
	maps.DeleteFunc(files, func(name, _ string) bool {
		return strings.HasPrefix(name, "program.") == strings.Contains(handler, ":")
	})
	for i := 0; i < len(more); i += 2 {
		files[more[i]] = more[i+1]
	}
	if !strings.Contains(handler, ":") || strings.HasPrefix(handler, "!") {
		return program{Runtime: "dotnet8", Handler: strings.TrimPrefix(handler, "!"), Files: files}
	}
	return program{Runtime: "dotnet8", Handler: "fn::Fn." + handler, Files: files}
}

func TestDotnetBehaves(t *testing.T) {
	for n, b := range dotnetBehaviours(t) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			// Each way has half of them, and TestEveryDotnetRunsTheBootstrap both.
			stem := n%2 == 0 && strings.Contains(b.program.Handler, ":") && len(b.program.Env) == 0
			b.check(t, runDotnet(t, b.program, stem))
		})
	}
}

// runDotnet is runProgram with a Runtime API that a stem which starts again as its function
// can reach.
func runDotnet(t testing.TB, prog program, stem bool) *process {
	t.Helper()
	m := match(t, prog.Runtime)
	if !stem {
		return startOrdinary(t, m, prog)
	}
	p := newProcess(t, m)
	p.Write(prog)
	p.Listen()
	c := set(t).Stem(m, prog.Function())
	p.Start(c.Path, c.Args, c.Env, c.Dir, p.Connect())
	assign(p, runner.Receive(p, p.Assigns, "the stem's question"), m, prog)
	return p
}

// csObject is an error object; members are what comes after its type and message.
func csObject(errorType, message, members string) string {
	return `\{\n  "errorType": "` + errorType + `",\n  "errorMessage": "` + message + `"` + members + `\n\}\n`
}

// csTrace is the member that a handler's own frames are.
func csTrace(frames ...string) string {
	return ",\n  \"stackTrace\": \\[\n    \"at " + strings.Join(frames, "\",\n    \"at ") + "\"\n  \\]"
}

// csInvalid is a handler that isn't one.
func csInvalid(t *testing.T, name, handler, message string, more ...string) behaviour {
	const thrown = `Amazon\.Lambda\.RuntimeSupport\.ExceptionHandling\.LambdaValidationException: `
	return behaviour{
		name: name, program: cs(t, handler, more...), init: true, exit: "exit status 1",
		body: csObject("LambdaValidationException", strings.ReplaceAll(message, "\n", `\\n`), ""), header: "LambdaValidationException",
		log: timestamp + `\t\tfail\t` + thrown + message + "\n",
	}
}

func dotnetBehaviours(t *testing.T) []behaviour {
	answers := func(name, handler, payload, body string) behaviour {
		return behaviour{name: name, ok: true, program: cs(t, handler), event: event{Payload: payload}, body: body}
	}
	return []behaviour{
		answers("a stream comes back byte for byte", "Methods::Echo", ` {"a" : [1, "ü"]} `, ` \{"a" : \[1, "ü"\]\} `),
		answers("a static method", "Methods::StaticEcho", `1`, `1`),
		answers("a stream and the context", "Methods::StreamAndContext", `"x"`, `"x"`),
		answers("a stream, and nothing back", "Methods::Swallow", `"x"`, ``),
		answers("a text", "Methods::Upper", `"abc ü"`, `"ABC \\u00DC"`),
		answers("an object of a class", "Methods::Orders", `{"id":"a","count":1,"price":2.5,"tags":["x"],"more":1}`, `\{"Id":"a","Count":2,"Price":2.5,"Tags":\["x","f"\]\}`),
		answers("a struct", "Methods::Points", `{"x":1,"y":2}`, `\{"X":2,"Y":1\}`),
		answers("no event", "Methods::Count", `{}`, `1`),
		answers("the context only", "Methods::OnlyContext", `{}`, `"8476a536-e9f4-11e8-9739-2dfe598c3fcd"`),
		answers("nothing at all", "Methods::Nothing", `{}`, ``),
		answers("an event and nothing back", "Methods::NothingOf", `{}`, ``),
		answers("a task", "Methods::Later", `{}`, ``),
		answers("a task of an event", "Methods::LaterOf", `{}`, ``),
		answers("a task's result", "Methods::OrderLater", `{"id":"a"}`, `\{"Id":"a!","Count":0,"Price":0,"Tags":null\}`),
		answers("a task's stream", "Methods::StreamLater", `[1]`, `\[1\]`),
		answers("a finished task", "Methods::Derived", `[1]`, `7`),
		answers("a stream of a class", "Methods::Memory", `[1]`, `"memory"`),
		answers("what the garbage collector knows of the memory", "Methods::Limits", `{}`, `"128 128"`),
		answers("a dictionary of anything", "Methods::Any", `{"a":[1,{"b":null}],"c":1e400}`, `\{"a":\[1,\{"b":null\}\],"c":1e400\}`),
		answers("a private method", "Methods::Hidden", `"x"`, `"hidden x"`),
		answers("a private static method", "Methods::StaticOnly", `"x"`, `"static x"`),
		answers("an inherited method", "Methods::Inherited", `"x"`, `"inherited x"`),
		answers("an overload by its signature", "Methods::System.String Overloaded(Int32)", `1`, `"int"`),
		answers("a static method of an abstract class", "Abstract::Static", `"x"`, `"static of abstract x"`),
		answers("a struct's method", "Value::Handle", `"x"`, `"value x"`),
		{
			name: "spaces in a handler", ok: true, program: cs(t, "!fn :: Fn.Methods :: Upper"), event: event{Payload: `"x"`}, body: `"X"`,
		},
		{
			name: "a class that is made as PowerShell's packages are", ok: true, program: cs(t, "Bootstrap::ExecuteFunction", "Script.ps1", "Write-Host hi"),
			event: event{Payload: `[1]`}, body: `\{"input":\[1\],"of":"f"\}`,
			log: timestamp + "\t8476a536-e9f4-11e8-9739-2dfe598c3fcd\tinfo\t\\[Information\\] - Write-Host hi\n",
		},
		{
			name: "what the context says", ok: true, program: cs(t, "Contexts::Handle"),
			event: event{
				ClientContext:   `{"client":{"app_title":"T","installation_id":"I"},"custom":{"a":"b","n":1},"env":{"l":"en"}}`,
				CognitoIdentity: `{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}`, TenantID: "tenant", Trace: "Root=1-2-3",
			},
			body: `\{"id":"8476a536-e9f4-11e8-9739-2dfe598c3fcd","name":"f","version":"\$LATEST","arn":"arn:aws:lambda:us-east-1:000000000000:function:f",` +
				`"group":"/aws/lambda/f","stream":"[^"]*","memory":128,"remaining":true,"tenant":"tenant","trace":"Root=1-2-3","variable":"Root=1-2-3",` +
				`"identity":"i/p","serializer":"Serializer","client":"T/I","custom":\{"a":"b","n":"1"\},"env":\{"l":"en"\}\}`,
		},
		{
			name: "a context without a client", ok: true, program: cs(t, "Contexts::Handle"),
			body: `.*"tenant":null,"trace":null,"variable":null,"identity":"/",.*"client":null,"custom":null,"env":null\}`,
		},
		{
			name: "an exception", program: cs(t, "Failures::Throw"), event: event{Payload: `"x"`},
			body:   csObject("ArgumentException", `no \\"x\\"\\nreally`, csTrace(`Fn\.Failures\.Throw\(String text\)`)),
			header: "ArgumentException",
			log:    timestamp + `\t8476a536-e9f4-11e8-9739-2dfe598c3fcd\tfail\tSystem\.ArgumentException: no "x"` + "\nreally\n   at Fn\\.Failures\\.Throw\\(String text\\)\n",
		},
		{
			name: "an exception in a task", program: cs(t, "Failures::ThrowLater"), event: event{Payload: `"x"`},
			body: csObject("InvalidOperationException", "later", csTrace(`Fn\.Failures\.ThrowLater\(String text\)`)), header: "InvalidOperationException",
		},
		{
			name: "an exception's cause", program: cs(t, "Failures::Caused"), event: event{Payload: `"x"`}, header: "Oops",
			body: csObject("Oops", "outer", csTrace(`Fn\.Failures\.Caused\(String text\)`)+
				",\n  \"cause\":   \\{\n    \"errorType\": \"ArgumentException\",\n    \"errorMessage\": \"no \\\\\"x\\\\\"\\\\nreally\",\n"+
				"    \"stackTrace\": \\[\n      \"at Fn\\.Failures\\.Throw\\(String text\\)\",\n      \"at Fn\\.Failures\\.Caused\\(String text\\)\"\n    \\]\n  \\}"),
		},
		{
			name: "several causes", program: cs(t, "Failures::Several"), event: event{Payload: `"x"`}, header: "AggregateException",
			body: csObject("AggregateException", `some \(one\) \(two\)`, csTrace(`Fn\.Failures\.Several\(String text\)`)+
				",\n  \"cause\":   \\{\n    \"errorType\": \"Exception\",\n    \"errorMessage\": \"one\"\n  \\},\n"+
				"  \"causes\": \\[    \\{\n      \"errorType\": \"Exception\",\n      \"errorMessage\": \"one\"\n    \\},\n"+
				"    \\{\n      \"errorType\": \"Oops\",\n      \"errorMessage\": \"two\",\n      \"cause\":       \\{\n        \"errorType\": \"Exception\",\n        \"errorMessage\": \"of two\"\n      \\}\n    \\}\n  \\]"),
		},
		{
			name: "an error object over 256 KB", program: cs(t, "Failures::Long"), event: event{Payload: `"x"`},
			body: `\{"errorMessage": "Exception exceeded maximum payload size of 256KB\."\}`, header: "Exception",
		},
		{
			name: "an event that the serializer refuses", program: cs(t, "Failures::Bad"), event: event{Payload: `"x"`},
			body: `\{\n  "errorType": "JsonException",\n  "errorMessage": "The JSON value could not be converted to System\.Int32\..*`, header: "JsonException",
		},
		{name: "an exit", program: cs(t, "Failures::Exit"), event: event{Payload: `"x"`}, noAnswer: true, exit: "exit status 3"},
		{name: "an exit without an error", program: cs(t, "Failures::ExitCleanly"), event: event{Payload: `"x"`}, noAnswer: true, exit: "exit status 0"},
		{
			name: "an exception on another thread", program: cs(t, "Failures::OnAnotherThread"), event: event{Payload: `"x"`}, noAnswer: true,
			exit: "signal: aborted", log: `Unhandled exception\. System\.Exception: on another thread\n.*`,
		},
		{
			name: "FailFast", program: cs(t, "Failures::FailFast"), event: event{Payload: `"x"`}, noAnswer: true,
			exit: "signal: aborted", log: `Process terminated\. I quit\n.*`,
		},
		{
			name: "a constructor that throws", program: cs(t, "InConstructor::Handle"), init: true, exit: "exit status 1", header: "TargetInvocationException",
			body: `\{\n  "errorType": "TargetInvocationException",\n  "errorMessage": "Exception has been thrown by the target of an invocation\.",.*"cause":   \{\n    "errorType": "InvalidOperationException",\n    "errorMessage": "not made",\n.*Fn\.InConstructor\.\.ctor\(\).*`,
		},
		{
			name: "a static field that throws", program: cs(t, "InStatic::Handle"), init: true, exit: "exit status 1", header: "TypeInitializationException",
			body: `\{\n  "errorType": "TypeInitializationException",\n  "errorMessage": "The type initializer for 'Fn\.InStatic' threw an exception\.",.*"cause":.*FormatException.*`,
		},
		{
			name: "an assembly that the package lacks", program: cs(t, "Unknown::Handle"), init: true, exit: "exit status 1", header: "TargetInvocationException",
			body: `.*Could not load file or assembly 'missing, Version=0\.0\.0\.0.*`,
		},
		csInvalid(t, "no such assembly", "!nosuch::Fn.Methods::Echo",
			`Could not find the specified handler assembly with the file name 'nosuch, Culture=neutral, PublicKeyToken=null'\. The assembly should be located in the root of your uploaded \.zip file\.`),
		csInvalid(t, "an assembly that isn't one", "!fake::Fn.Methods::Echo",
			`Could not find the specified handler assembly with the file name 'fake, Culture=neutral, PublicKeyToken=null'\. The assembly should be located in the root of your uploaded \.zip file\.`,
			"fake.dll", "MZ", "fake.deps.json", csharpDeps("fake"), "fake.runtimeconfig.json", csharpConfig("fake")),
		csInvalid(t, "no such type", "Nosuch::Echo", `Unable to load type 'Fn\.Nosuch' from assembly 'fn'\.`),
		csInvalid(t, "no such method", "Methods::Nosuch", `Unable to find method 'Nosuch' in type 'Fn\.Methods' from assembly 'fn': Found no methods matching method name 'Nosuch'\.`),
		csInvalid(t, "two parts", "!fn::Fn.Methods", `Invalid lambda function handler: 'fn::Fn\.Methods'\. The valid format is 'ASSEMBLY::TYPE::METHOD'\.`),
		csInvalid(t, "no type", "!fn:: ::Echo", `Invalid lambda function handler: 'fn:: ::Echo', the type is missing\. The valid format is 'ASSEMBLY::TYPE::METHOD'\.`),
		csInvalid(t, "overloads", "Methods::Overloaded",
			`The method 'Overloaded' in type 'Fn\.Methods' appears to have a number of overloads\. To call this method please specify a complete method signature\. Possible candidates are:`+
				"\nSystem\\.String Overloaded\\(System\\.String\\)\nSystem\\.String Overloaded\\(Int32\\)\\."),
		csInvalid(t, "an abstract method", "Abstract::Missing",
			`The method 'System\.String Missing\(System\.String\)' cannot be used as a Lambda Handler because it is an abstract method\. Handler methods cannot be abstract\. Please specify a non-abstract handler method\.`),
		csInvalid(t, "a generic method", "Methods::Generic",
			"The method 'T Generic\\[T\\]\\(T\\)' cannot be used as a Lambda Handler because it is a generic method\\. Handler methods cannot be generic\\. Please specify a non-generic handler method\\."),
		csInvalid(t, "async void", "Methods::AsyncVoid",
			`The method 'Void AsyncVoid\(System\.String\)' cannot be used as a Lambda Handler because it is an 'async void' method\. Handler methods cannot be 'async void'\. Please specify a method that is not 'async void'\.`),
		csInvalid(t, "params", "Methods::Params",
			`The method 'System\.String Params\(System\.String\[\]\)' cannot be used as a Lambda Handler because it is a 'params' method\. Please specify a method that does not use 'params'\.`),
		csInvalid(t, "three parameters", "Methods::Three", `Method 'Three' of type 'Fn\.Methods' is not supported: the method has more than 2 parameters\.`),
		csInvalid(t, "a second parameter that isn't the context", "Methods::Two",
			`Method 'Two' of type 'Fn\.Methods' is not supported: the method has 2 parameters, but the second parameter is not of type 'Amazon\.Lambda\.Core\.ILambdaContext'\.`),
		csInvalid(t, "a generic type", "OfType`1::Handle",
			"The type 'Fn\\.OfType`1' cannot be used as a Lambda Handler type because it is generic\\. Handler methods cannot be located in generic types\\. Please specify a handler method in a non-generic type\\."),
		csInvalid(t, "an instance method of an abstract type", "Abstract::Instance",
			`The instance method 'System\.String Instance\(System\.String\)' cannot be used as a Lambda Handler because its type 'Fn\.Abstract' is abstract\. Please either use a static handler or specify a type that is not abstract\.`),
		csInvalid(t, "a serializer with parameters", "Methods::WithUnmakeable", `The indicated serializer 'Fn\.Unmakeable' does not define a public zero-parameter constructor\.`),
		csInvalid(t, "a serializer that is none", "Methods::WithNoSerializer", `The 'Fn\.NoSerializer' class is invalid: it does not implement the 'ILambdaSerializer' interface\.`),
		csInvalid(t, "a serializer attribute without one", "Methods::WithNull", `The 'SerializerType' property on attribute class 'Amazon\.Lambda\.Core\.LambdaSerializerAttribute' is not set\.`),
		{
			name: "no such executable", program: cs(t, "nosuch"), noAnswer: true, init: true, exit: "exit status 104",
			log: "Error: executable assembly .*/nosuch\\.dll or binary .*/nosuch not found\\.\n",
		},
		{
			name: "a package without settings", noAnswer: true, init: true, exit: "exit status 105",
			program: program{Runtime: "dotnet8", Handler: "fn::Fn.Methods::Echo", Files: map[string]string{"fn.dll": ""}},
			log:     "Error: \\.NET binaries for Lambda function are not correctly installed .* The .* directory is missing the required \\.deps\\.json file\\.\n",
		},
		{
			name: "a package for a .NET that isn't here", program: cs(t, "Methods::Echo", "fn.runtimeconfig.json", `{"runtimeOptions":{"framework":{"name":"Microsoft.NETCore.App","version":"77.0.0"}}}`),
			noAnswer: true, init: true, exit: "exit status 150", log: `You must install or update \.NET to run this application\..*`,
		},
		{
			name: "lines of the console", ok: true, program: cs(t, "Logging::Console"), event: event{Payload: `"x"`}, body: ``,
			log: strings.NewReplacer("<t>", timestamp, "<id>", "8476a536-e9f4-11e8-9739-2dfe598c3fcd").Replace("<t>\t<id>\tinfo\ta line\n<t>\t<id>\tfail\tan error\nof two lines\n" +
				"raw \ntext\n<t>\t<id>\tinfo\t1\\.5\n<t>\t<id>\tinfo\t1 and two\n<t>\t<id>\tinfo\t\n<t>\t<id>\tinfo\tasync\n<t>\t<id>\tinfo\tTrue\n<t>\t<id>\tinfo\t1\n"),
		},
		{
			name: "levels", ok: true, program: cs(t, "Logging::Levels"), event: event{Payload: `"x"`}, body: ``,
			log: strings.NewReplacer("<t>", timestamp, "<id>", "8476a536-e9f4-11e8-9739-2dfe598c3fcd").Replace("<t>\t<id>\tinfo\ta line\nraw\n" +
				"<t>\t<id>\tinfo\tat Information\n<t>\t<id>\twarn\tat Warning\n<t>\t<id>\tfail\tat Error\n<t>\t<id>\tcrit\tat Critical\n<t>\t<id>\ttrce\tat other\n" +
				"<t>\t<id>\ttrce\tstatic\n<t>\t<id>\twarn\t1 of 2\n<t>\t<id>\tfail\twith it\nSystem\\.Exception: logged\n"),
		},
		{
			name: "levels from the lowest", ok: true, program: withVariables(cs(t, "Logging::Levels"), "AWS_LAMBDA_HANDLER_LOG_LEVEL", "trace", "AWS_LAMBDA_HANDLER_LOG_FORMAT", "Unformatted"),
			event: event{Payload: `"x"`}, body: ``,
			log: "a line\nraw\nat Trace\nat Debug\nat Information\nat Warning\nat Error\nat Critical\nat other\nstatic\n1 of 2\nwith it\nSystem\\.Exception: logged\n",
		},
		{
			name: "levels in JSON", ok: true, program: withLogging(cs(t, "Logging::Levels"), "WARN"), event: event{Payload: `"x"`, TenantID: "t", Trace: "Root=1"}, body: ``,
			log: "raw\n" + jsonRecords("Warning", `"at Warning"`, "Error", `"at Error"`, "Critical", `"at Critical"`, "Trace", `"at other"`, "Trace", `"static"`,
				"Warning", `"{0} of {1}"|"1 of 2","0":1,"1":2`, "Error", `"with it","what":"it","errorType":"System.Exception","errorMessage":"logged","stackTrace":\["System.Exception: logged"\]`),
		},
		{
			name: "templates", ok: true, program: cs(t, "Logging::Templates"), event: event{Payload: `"x"`}, body: ``,
			log: strings.NewReplacer("<t>", timestamp, "<id>", "8476a536-e9f4-11e8-9739-2dfe598c3fcd").Replace(
				"<t>\t<id>\tinfo\t3 of 4\\.3 Fn\\.Point \\{list\\} 01AB \\{\\{kept\\}\\} \\{missing\\}\n<t>\t<id>\tinfo\t2026-01-02T03:04:05\\.000Z a 2026-01-02T03:04:05\\.000Z\n<t>\t<id>\tinfo\tünï <&> \\{open\n"),
		},
		{
			name: "templates in JSON", ok: true, program: withLogging(cs(t, "Logging::Templates"), ""), event: event{Payload: `"x"`}, body: ``,
			log: `\{"timestamp":"` + timestamp + `","level":"Information","requestId":"8476a536-e9f4-11e8-9739-2dfe598c3fcd","message":"3 of 4.3 Fn.Point \{list\} 01AB \{\{kept\}\} \{missing\}","count":3,"total":"4.3","order":\{"X":1,"Y":2\},"list":\[1,2\],"bytes":"01AB"\}` + "\n" +
				`\{.*"message":"2026-01-02T03:04:05.000Z a 2026-01-02T03:04:05.000Z","1":"2026-01-02T03:04:05.000Z","0":"a","1":"2026-01-02T03:04:05.000Z"\}` + "\n" +
				`\{.*"message":"\\u00FCn\\u00EF \\u003C\\u0026\\u003E \{open"\}` + "\n",
		},
		{
			name: "an answer over the limit", ok: true, program: cs(t, "Methods::Large"), body: `.*`,
			log: timestamp + "\t8476a536-e9f4-11e8-9739-2dfe598c3fcd\tfail\tPayload Too Large\n\nStatus: 413\nResponse: \n.*",
		},
	}
}

func csharpDeps(name string) string   { deps, _ := csharp.Settings(name); return deps }
func csharpConfig(name string) string { _, config := csharp.Settings(name); return config }

func withVariables(p program, env ...string) program {
	p.Env = map[string]string{}
	for i := 0; i < len(env); i += 2 {
		p.Env[env[i]] = env[i+1]
	}
	return p
}

func withLogging(p program, level string) program {
	p.Logging = jsonLogging
	p.Logging.ApplicationLevel = level
	return p
}

// jsonRecords are records of levels with what follows "message".
func jsonRecords(of ...string) string {
	all := ""
	for i := 0; i < len(of); i += 2 {
		message := of[i+1]
		if _, with, several := strings.Cut(message, "|"); several {
			message = with
		}
		all += `\{"timestamp":"` + timestamp + `","level":"` + of[i] + `","requestId":"8476a536-e9f4-11e8-9739-2dfe598c3fcd","tenantId":"t","traceId":"Root=1","message":` + message + `\}` + "\n"
	}
	return all
}

// TestAnExecutableRunsByItself also says that a record of several lines stays one.
func TestAnExecutableRunsByItself(t *testing.T) {
	for _, handler := range []string{"program", "program.dll"} {
		t.Run(handler, func(t *testing.T) {
			t.Parallel()
			p := runProgram(t, cs(t, handler), false)
			for range 2 {
				if o := p.Invoke(event{Payload: `{"a":1}`}); !o.OK || o.Body() != `[{"a":1},0,0]` {
					t.Fatalf("answered %+v %s", o, o.Body())
				}
			}
			want := runner.Record{Framed: true, Text: "two\nlines"}
			if got := p.Finish(); len(got) < 2 || got[0] != want || got[1] != want { // more is of its end
				t.Errorf("logged %+v", got)
			}
		})
	}
}

// TestAWrapperStartsDotnet, with the command line that it has on AWS.
func TestAWrapperStartsDotnet(t *testing.T) {
	const wrapper = "#!/bin/sh\necho \"$#: $2 $3 $5 $9\"\nexport WRAPPED=yes\nexec \"$@\"\n"
	dir := t.TempDir()
	path := filepath.Join(dir, "wrapper")
	if err := os.WriteFile(path, []byte(wrapper), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	p := runProgram(t, withVariables(cs(t, "Methods::Environ"), "AWS_LAMBDA_EXEC_WRAPPER", path), false)
	if o := p.Invoke(event{}); !o.OK || !strings.Contains(o.Body(), `"WRAPPED":"yes"`) || strings.Contains(o.Body(), "TieredPGO") {
		t.Errorf("answered %+v %s", o, o.Body())
	}
	if got := runner.Texts(p.Finish()); got != "9: exec --depsfile --runtimeconfig DOTNET_TieredPGO\n" {
		t.Errorf("logged %q", got)
	}
	for name, c := range map[string]struct{ path, log, exit string }{
		"missing":        {dir + "/nosuch", dir + "/nosuch: does not exist\n", "exit status 127"},
		"not executable": {"/dev/null", "/dev/null: does not exist\n", "exit status 127"},
	} {
		p := runProgram(t, withVariables(cs(t, "Methods::Echo"), "AWS_LAMBDA_EXEC_WRAPPER", c.path), false)
		if exit, log := p.Exit(), runner.Texts(p.Records()); exit != c.exit || log != c.log {
			t.Errorf("%s: %s, %q", name, exit, log)
		}
	}
}

// TestEveryDotnetRunsTheBootstrap runs a function, a failing one and one that doesn't load
// on each version this machine has, and one of an older .NET on the nearest newer.
func TestEveryDotnetRunsTheBootstrap(t *testing.T) {
	cs(t, "Methods::Echo") // or skip
	settings := func(framework string) string {
		return `{"runtimeOptions":{"framework":{"name":"Microsoft.NETCore.App","version":"` + framework + `"}}}`
	}
	type on struct{ runtime, framework, version string }
	all := []on{{"dotnet6", "6.0.0", ""}}
	for _, in := range set(t).List() {
		if v, _ := parseVersion(in.Version); in.Language == Dotnet && v[0] >= 5 {
			all = append(all, on{fmt.Sprintf("dotnet%d", v[0]), in.Version, in.Version})
		} else if in.Language == Dotnet {
			all = append(all, on{fmt.Sprintf("dotnetcore%d.%d", v[0], v[1]), in.Version, in.Version})
		}
	}
	for _, o := range all {
		for _, stem := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%s/stem=%t", o.runtime, o.framework, stem), func(t *testing.T) {
				t.Parallel()
				start := func(handler string) *process {
					p := cs(t, handler, "fn.runtimeconfig.json", settings(o.framework))
					p.Runtime = o.runtime
					return runDotnet(t, p, stem)
				}
				p := start("Methods::Version")
				for range 3 {
					if got := p.Invoke(event{}); !got.OK || o.version != "" && got.Body() != `"`+o.version+`"` {
						t.Fatalf("answered %+v %s", got, got.Body())
					}
				}
				p.Finish()
				if got := start("Failures::Throw").Invoke(event{Payload: `"x"`}); got.OK || got.Failure.Type != "ArgumentException" {
					t.Errorf("failed with %+v %s", got, got.Body())
				}
				p = start("Nosuch::Method")
				if got := p.Outcome(); !got.Init || got.Failure.Type != "LambdaValidationException" {
					t.Errorf("not loaded with %+v %s", got, got.Body())
				}
				p.Exit()
			})
		}
	}
}

// TestAStemIsWhatAnOrdinaryStartIs compares what a function sees of itself, and has packages
// that a stem can't serve start again.
func TestAStemIsWhatAnOrdinaryStartIs(t *testing.T) {
	framework := `"framework":{"name":"Microsoft.NETCore.App","version":"8.0.0"}`
	for name, c := range map[string]struct {
		prog  program
		again bool // starts again
	}{
		"plain":                 {cs(t, "Surroundings::Handle"), false},
		"a switch":              {cs(t, "Surroundings::Handle", "fn.runtimeconfig.json", `{"runtimeOptions":{`+framework+`,"configProperties":{"Fn.Switch":true,"Fn.Text":"x"}}}`), false},
		"variables":             {withVariables(cs(t, "Surroundings::Handle"), "A", "ü", "B", "b=c"), false},
		"an empty variable":     {withVariables(cs(t, "Surroundings::Handle"), "A", ""), true},
		"a collector's setting": {cs(t, "Surroundings::Handle", "fn.runtimeconfig.json", `{"runtimeOptions":{`+framework+`,"configProperties":{"System.GC.Concurrent":false}}}`), true},
		"an assembly of .NET's": {cs(t, "Surroundings::Handle", "System.Text.Json.dll", "x"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen [2]string
			for n, stem := range []bool{false, true} {
				p := runDotnet(t, c.prog, stem)
				o := p.Invoke(event{Trace: "Root=1"})
				if !o.OK {
					t.Fatalf("stem=%t: %s; log: %q", stem, o.Body(), runner.Texts(p.Records()))
				}
				seen[n] = strings.ReplaceAll(o.Body(), p.Dir, "DIR")
				p.Stop()
			}
			own := regexp.MustCompile(`"(process|\$AWS_LAMBDA_RUNTIME_API)":"[^"]*",?`)
			if a, b := own.ReplaceAllString(seen[0], ""), own.ReplaceAllString(seen[1], ""); a != b {
				t.Errorf("an ordinary start sees\n%s\na stem\n%s", a, b)
			}
			if again := !strings.Contains(seen[1], `"process":"stem"`); again != c.again {
				t.Errorf("started again: %t, want %t: %s", again, c.again, seen[1])
			}
		})
	}
}

func TestDotnetIsFoundWhereItIsInstalled(t *testing.T) {
	m := newMachine(t)
	m.env["DOTNET_ROOT"] = filepath.Join(m.root, "elsewhere")
	for dir, versions := range map[string][]string{
		"elsewhere": {"8.0.4", "10.0.1", "11.0.0-preview.1", "junk"}, "home/.dotnet": {"6.0.36"},
		"system/usr/lib/dotnet": {"3.1.32"}, "home/.asdf/installs/dotnet-core/9.0.100": {"9.0.0"}, "system/usr/share/dotnet": {"2.1.30"},
	} {
		m.program(dir + "/dotnet")
		for _, v := range versions {
			m.write(dir+"/shared/Microsoft.NETCore.App/"+v+"/.version", nil, 0o600)
		}
	}
	m.program("home/.asdf/installs/dotnet/8.0.1/dotnet") // without a runtime
	var got []string
	for _, in := range m.discover() {
		got = append(got, in.Version+" "+in.Source)
		if in.Root != filepath.Dir(in.Bin) {
			t.Errorf("%+v: the folder isn't the program's", in)
		}
	}
	want := []string{"10.0.1 DOTNET_ROOT", "9.0.0 asdf", "8.0.4 DOTNET_ROOT", "6.0.36 ~/.dotnet", "3.1.32 /usr/lib/dotnet"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// TestTheAssembliesAreOfTheirSources builds those that are embedded again.
func TestTheAssembliesAreOfTheirSources(t *testing.T) {
	if _, err := csharp.FindExact(t.Context()); errors.Is(err, csharp.ErrMissing) {
		t.Skip(err)
	}
	out := t.TempDir()
	cmd := exec.Command("go", "run", "generate.go", "-o", out)
	cmd.Dir = "dotnet"
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, name := range []string{"wick-runtime.dll", "wick-rehearsal.dll"} {
		again, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		committed, err := os.ReadFile(filepath.Join("dotnet", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, committed) {
			t.Errorf("dotnet/%s isn't what its sources give: run go generate ./runtimes", name)
		}
	}
}

// BenchmarkDotnetStart is from start to the first poll; MB is the memory resident then.
func BenchmarkDotnetStart(b *testing.B) {
	for _, handler := range []string{"Methods::Echo", "Methods::Upper", "Contexts::Handle"} {
		b.Run(handler, func(b *testing.B) {
			prog := cs(b, handler)
			for range b.N {
				p := runProgram(b, prog, false)
				runner.Receive(p, p.Polls, "a poll")
				b.StopTimer()
				b.ReportMetric(residentMB(), "MB")
				p.Stop()
				b.StartTimer()
			}
		})
	}
}
