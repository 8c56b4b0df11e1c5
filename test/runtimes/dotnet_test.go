package runtimes

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/wick-run/wick/internal/csharp"
)

// coreSources are a stand-in for Amazon.Lambda.Core and a serializer: NuGet, where the real
// ones are, isn't reached from everywhere.
const coreSources = "../../runtimes/testdata/dotnet"

// dotnetPackages are the files of the packages made so far, by the name of their source.
var dotnetPackages = struct {
	sync.Mutex
	made map[string]map[string]string
}{made: map[string]map[string]string{}}

// dotnetFunction compiles a source of testdata/dotnet, whose handler is that of AWS's
// recordings.
func dotnetFunction(t *testing.T, source string, more map[string]string) function {
	t.Helper()
	dotnetPackages.Lock()
	defer dotnetPackages.Unlock()
	files := dotnetPackages.made[source]
	if files == nil {
		files = compileDotnet(t, source)
		dotnetPackages.made[source] = files
	}
	all := map[string]string{}
	for _, of := range []map[string]string{files, more} {
		for name, text := range of {
			all[name] = text
		}
	}
	return function{runtime: "dotnet8", handler: "dotnet::Dotnet.Function::FunctionHandler", code: zipped(t, all)}
}

func compileDotnet(t *testing.T, source string) map[string]string {
	t.Helper()
	compiler, err := csharp.Find()
	if errors.Is(err, csharp.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	core := filepath.Join(dir, "Amazon.Lambda.Core.dll")
	if err := compiler.Compile(t.Context(), core, true, nil, filepath.Join(coreSources, "core", "Core.cs")); err != nil {
		t.Fatal(err)
	}
	function := filepath.Join(dir, "dotnet.dll")
	if err := compiler.Compile(t.Context(), function, true, []string{core}, filepath.Join("testdata", "dotnet", source+".cs"), filepath.Join(coreSources, "fn", "Serializer.cs")); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, path := range []string{core, function} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = string(data)
	}
	files["dotnet.deps.json"], files["dotnet.runtimeconfig.json"] = csharp.Settings("dotnet", "Amazon.Lambda.Core")
	return files
}

// csObject is an error object: of a handler of ours the frames are below what is said.
func csObject(errorType, message, more string) string {
	return "{\n  \"errorType\": \"" + errorType + "\",\n  \"errorMessage\": \"" + message + "\"" + more + "\n}\n"
}

// csTrace is the member that frames of a trace are, each on a line of its own; the handler's
// own are always its last.
const csTrace = ",\n  \"stackTrace\": [\n<lines>    \"at Dotnet.Function.FunctionHandler(Dictionary`2 input)\"\n  ]"

// anyTrace is a trace of the language's own library.
const anyTrace = ",\n  \"stackTrace\": [\n<lines>  ]"

// csRecord is how an exception is logged.
func csRecord(id, errorType, message string) string {
	return "<time>\t" + id + "\tfail\t" + errorType + ": " + message + "\n<lines>"
}

// csThrows is a handler that throws, an exception of namespace.errorType.
func csThrows(name string, f function, namespace, errorType, message string) failure {
	return fails(name, f, csObject(errorType, message, csTrace), csRecord("<id>", namespace+errorType, message))
}

// csCannotLoad is a function that isn't one.
func csCannotLoad(name string, f function, message string) failure {
	// Of an exception of the function's own the platform says that it is unknown, and this
	// is no more to it.
	return cannotLoad(name, f, "Runtime.Unknown", csObject("LambdaValidationException", message, ""),
		"<time>\t\tfail\tAmazon.Lambda.RuntimeSupport.ExceptionHandling.LambdaValidationException: "+message+"\n")
}

func TestDotnetFails(t *testing.T) {
	function := func(handler string) function {
		f := dotnetFunction(t, "Failing", nil)
		if handler != "" {
			f.handler = handler
		}
		return f
	}
	f := function("")
	f.memory = 256
	event := func(do string) string { return `{"do":"` + do + `"}` }
	incomplete := zipped(t, map[string]string{"dotnet.dll": ""})
	tooLargeToSay := fails("an error that is too large", large(f), `{"errorMessage": "Exception exceeded maximum payload size of 256KB."}`,
		"<time>\t<id>\tfail\tSystem.Exception: <lines>").with(event("large error"))
	runFailures(t, []failure{
		// Load.
		csCannotLoad("an assembly that is missing", function("nosuch::Dotnet.Function::FunctionHandler"),
			"Could not find the specified handler assembly with the file name 'nosuch, Culture=neutral, PublicKeyToken=null'. The assembly should be located in the root of your uploaded .zip file."),
		csCannotLoad("a type that is missing", function("dotnet::Dotnet.Nosuch::FunctionHandler"), "Unable to load type 'Dotnet.Nosuch' from assembly 'dotnet'."),
		csCannotLoad("a method that is missing", function("dotnet::Dotnet.Function::Nosuch"),
			"Unable to find method 'Nosuch' in type 'Dotnet.Function' from assembly 'dotnet': Found no methods matching method name 'Nosuch'."),
		csCannotLoad("a malformed handler name", function("dotnet::Dotnet.Function"),
			"Invalid lambda function handler: 'dotnet::Dotnet.Function'. The valid format is 'ASSEMBLY::TYPE::METHOD'."),
		cannotStart("an executable that is missing", function("nosuch"), exitError, withCode+"104",
			"Error: executable assembly /var/task/nosuch.dll or binary /var/task/nosuch not found.\n"),
		cannotStart("a package without settings", functionOf(f, incomplete), exitError, withCode+"105",
			"Error: .NET binaries for Lambda function are not correctly installed in the /var/task directory of the image when the image was built. The /var/task directory is missing the required .deps.json file.\n"),
		cannotLoad("an exception while loading", function("dotnet::Dotnet.Early::FunctionHandler"), "Runtime.Unknown",
			csObject("TypeInitializationException", "The type initializer for 'Dotnet.Early' threw an exception.", anyTrace+",\n  \"cause\":   {\n<lines>  }"),
			"<time>\t\tfail\tSystem.TypeInitializationException: The type initializer for 'Dotnet.Early' threw an exception.\n<lines>"),
		cannotStart("an exit while loading", function("dotnet::Dotnet.Leaving::FunctionHandler"), exitError, withCode+"3", "<time>\t\tinfo\tloading\n"),
		byLimit(cannotStart("out of memory while loading", function("dotnet::Dotnet.Hungry::FunctionHandler"), outOfMemory, bySignal+"killed", "")),

		// Run.
		csThrows("an exception", f, "System.", "ArgumentException", "bad value").with(event("throw")),
		csThrows("an exception class of its own", f, "Dotnet.", "Own", "own words").with(event("own")),
		csThrows("a write to the code", f, "System.IO.", "IOException", "Read-only file system<...>").with(event("write")),
		fails("a circular result", f, csObject("JsonException", "A possible object cycle was detected.<...>", anyTrace),
			"<time>\t<id>\tfail\tSystem.Text.Json.JsonException: A possible object cycle<...>\n<lines>").with(event("circular")),
		fails("an event it can't read", f, csObject("JsonException", "The JSON value could not be converted to <...>", anyTrace),
			"<time>\t<id>\tfail\tSystem.Text.Json.JsonException: The JSON value could not be converted to <...>\n<lines>").with(`[1]`),
		survives("an exception in a task that nobody waits for", f, `"survived"`, "").with(event("lost")),
		exits("recursion without end", f, exitError, bySignal+"aborted", "Stack overflow.\n<lines>").with(event("recursion")),
		exits("an exception in a thread", f, exitError, bySignal+"aborted", "Unhandled exception. System.Exception: beside\n<lines>").with(event("beside")),
		csThrows("a read at null", f, "System.", "AccessViolationException", "Attempted to read or write protected memory. This is often an indication that other memory is corrupt.").with(event("null")),

		// Exit.
		exits("an exit", f, exitError, withCode+"7", "<time>\t<id>\tinfo\tleaving\n").with(event("exit")),
		exits("an exit without an error", f, exitError, noReason, "").with(event("exit 0")),
		exits("FailFast", f, exitError, bySignal+"aborted", "Process terminated. I quit\n<lines>").with(event("fail fast")),
		exits("a signal to itself", f, exitError, bySignal+"killed", "").with(event("kill")),

		// Time-out.
		timesOut("a time-out", f, "<time>\t<id>\tinfo\tsleeping\n").with(event("sleep")),
		timesOut("a time-out in a loop", f, "").with(event("loop")),

		// Memory.
		csThrows("out of memory", f, "System.", "OutOfMemoryException", "Exception of type 'System.OutOfMemoryException' was thrown.").with(event("heap")),
		byLimit(exits("out of memory that isn't the heap's", f, outOfMemory, bySignal+"killed", "").with(event("memory"))),

		// Size, and other limits.
		fails("an answer that is too large", large(f), tooLarge, "<time>\t<id>\tfail\tPayload Too Large\n\nStatus: 413\nResponse: \n"+
			`{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}`+"\n<lines>").with(event("too large")),
		survives("the largest answer", large(f), `"<...>"`, "").with(event("largest")),
		tooLargeToSay,
		csThrows("a full /tmp", large(f), "System.IO.", "IOException", "No space left on device<...>").with(event("full")),
		csThrows("too many files", f, "System.IO.", "IOException", "Too many open files<...>").with(event("files")),
	})
}

func functionOf(f function, code []byte) function {
	f.code = code
	return f
}
