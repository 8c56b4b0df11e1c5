package runtimes

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/runner"
)

// javaLibraries is where scripts/install-tools java puts what Java functions are written
// with; AWS's interfaces are in aws-lambda-java-core.
const javaLibraries = "../.cache/java"

// javaPackage compiles testdata/java once and returns a package of it: its classes in a
// jar, and the libraries.
var javaPackage = sync.OnceValues(func() (map[string]string, error) {
	libraries, err := filepath.Glob(filepath.Join(javaLibraries, "*.jar"))
	if err != nil || len(libraries) < 3 {
		return nil, errors.Join(fs.ErrNotExist, err)
	}
	files := map[string]string{}
	for _, library := range libraries {
		data, err := os.ReadFile(library)
		if err != nil {
			return nil, err
		}
		files["lib/"+filepath.Base(library)] = string(data)
	}
	dir, err := os.MkdirTemp("", "wick-java-classes-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	sources, err := filepath.Glob("testdata/java/fn/*.java")
	if err != nil {
		return nil, err
	}
	args := []string{"-nowarn", "--release", "17", "-cp", strings.Join(libraries, ":"), "-d", dir}
	if out, err := exec.Command("javac", append(args, sources...)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("javac: %w\n%s", err, out)
	}
	jar, err := zippedFolder(dir)
	files["lib/functions.jar"] = jar
	return files, err
})

func zippedFolder(dir string) (string, error) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		return "", err
	}
	err := w.Close()
	return buf.String(), err
}

// jv is a program of testdata/java; more files are as they are.
func jv(t testing.TB, runtime, handler string, more ...string) program {
	t.Helper()
	match(t, runtime)
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("no javac on PATH to compile functions with")
	}
	files, err := javaPackage()
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no libraries of Java functions in %s: run scripts/install-tools java", javaLibraries)
	}
	if err != nil {
		t.Fatal(err)
	}
	files = maps.Clone(files)
	for i := 0; i < len(more); i += 2 {
		files[more[i]] = more[i+1]
	}
	return program{Runtime: runtime, Handler: handler, Files: files}
}

func with(p program, change func(*program)) program {
	change(&p)
	return p
}

// TestJavaBehaves runs the table as stems, and some of it in the ordinary way: a virtual
// machine takes long to start, and has the same bootstrap in both.
func TestJavaBehaves(t *testing.T) {
	for n, b := range javaBehaviours(t) {
		for _, stem := range []bool{true, false} {
			if !stem && n%4 != 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s/%t", b.name, stem), func(t *testing.T) {
				t.Parallel()
				b.check(t, runProgram(t, b.program, stem))
			})
		}
	}
}

func javaBehaviours(t *testing.T) []behaviour {
	const trace = `"stackTrace":\["fn\.[^"]*"(?:,"[^"]*")*\]`
	return []behaviour{
		{
			name: "any JSON comes and goes", ok: true, program: jv(t, "java17", "fn.Objects$Echo"),
			event: event{Payload: ` {"a":[1,2.5,null,true,"ü\u00e9",{}],"big":123456789012345678901234567890,"long":1234567890123,"e":1e3,"none":null,"o":{} , "l":[ ] } `},
			body:  `\{"a":\[1,2.5,null,true,"üé",\{\}\],"big":123456789012345678901234567890,"long":1234567890123,"e":1000.0,"o":\{\},"l":\[\]\}`,
		},
		{
			name: "values have the types that AWS's mapper gives them", ok: true, program: jv(t, "java17", "fn.Objects::types"),
			event: event{Payload: `{"i":1,"l":3000000000,"b":123456789012345678901234567890,"d":1.0,"s":"x","t":true,"n":null,"a":[],"o":{}}`},
			body:  `"Integer Long BigInteger Double String Boolean null ArrayList LinkedHashMap "`,
		},
		{
			name: "an object of a class", ok: true, program: jv(t, "java17", "fn.Objects$Orders"),
			event: event{Payload: `{"id":"x","count":"7","big":9007199254740993,"price":3,"paid":true,"gift":false,"color":"GREEN","items":[{"name":"a","n":1.9}],"byShop":{"s":{"n":2}},"tags":[1,2,2],"numbers":[1,2],"data":"aGk=","exact":1.10,"at":1500,"instant":"2026-01-02T03:04:05Z","day":"2026-01-02","note":"n","uuid":"8476a536-e9f4-11e8-9739-2dfe598c3fcd","open":"o","URL":{"port":1},"secret":"no","unknown":[1]}`},
			body:  `\{"id":"x","count":7,"big":9007199254740993,"price":3.0,"paid":true,"gift":false,"color":"GREEN","items":\[\{"name":"a","n":1\}\],"byShop":\{"s":\[\{"n":2\}\]\},"tags":\[1,2\],"numbers":\[1,2\],"data":"aGk=","exact":1.10,"at":1500,"instant":1767323045.000000000,"day":\[2026,1,2\],"note":"n","uuid":"8476a536-e9f4-11e8-9739-2dfe598c3fcd","open":"o","URL":\{"port":1\}\}`,
		},
		{
			name: "what is missing, null or of an unknown name", ok: true, program: jv(t, "java17", "fn.Objects$Orders"),
			event: event{Payload: `{"count":null,"color":"BLUE","tags":3,"id":5,"at":"2026-01-02T03:04:05.250+0100"}`},
			body:  `\{"id":"5","count":0,"price":0.0,"paid":false,"tags":\[3\],"at":1767319445250\}`,
		},
		{
			name: "null for an object", ok: true, program: jv(t, "java17", "fn.Objects$Orders"), event: event{Payload: `null`}, body: `null`,
		},
		{
			name: "empty text for an object", ok: true, program: jv(t, "java17", "fn.Objects$Orders"), event: event{Payload: `{"URL":"","items":[{"name":"x"}]}`},
			body: `\{"count":0,"price":0.0,"paid":false,"items":\[\{"name":"x","n":0\}\]\}`,
		},
		{
			name: "a record", ok: true, program: jv(t, "java21", "fn.Objects$Points"), event: event{Payload: `{"more":[{"x":2}],"y":3}`},
			body: `\{"x":0,"y":3,"more":\[\{"x":2\}\]\}`,
		},
		{
			name: "type parameters of an ancestor", ok: true, program: jv(t, "java17", "fn.Objects$Generic"), event: event{Payload: `[{"name":"a","n":1},{"name":"b"}]`},
			body: `\{"a":\{"name":"a","n":1\},"b":\{"name":"b","n":0\}\}`,
		},
		{
			name:    "a handler without type parameters",
			program: jv(t, "java17", "fn.Objects$Raw"),
			body:    `\{"errorMessage":"Class fn.Objects\$Raw does not implement RequestHandler with concrete type parameters"\}`, header: "Runtime.BadFunctionCode",
		},
		{
			name: "variables, folder, clock and memory are the function's", ok: true,
			program: with(jv(t, "java17", "fn.Surroundings::of", "note.txt", "noted"), func(p *program) { p.Env = map[string]string{"MINE": "x=y", "TZ": "Asia/Tokyo"} }),
			body:    `\["x=y","Asia/Tokyo","noted","noted",true,true,true,0\]`,
		},
		{
			name: "a child process has the variables and the folder, and not the connection", ok: true,
			program: with(jv(t, "java17", "fn.Surroundings::ofChild", "note.txt", "noted"), func(p *program) { p.Env = map[string]string{"MINE": "x=y"} }),
			body:    `\["x=y","noted","0"\]`,
		},
		{
			name: "Void answers null", ok: true, program: jv(t, "java17", "fn.Objects$Nothing"), body: `null`,
		},
		{
			name: "values of every kind are written", ok: true, program: jv(t, "java17", "fn.Objects::values"),
			body: `\{"big":123456789012345678901234567890,"nan":"NaN","float":1.5,"char":"c","chars":"ab","list":\[1,null,"x"\],"empty":\{\},"date":1500,"instant":1.000000005,"day":\[2026,1,2\],"time":\[2026,1,2,3,4\],"text":"\\"\\\\\\n\\u0001ü\\uD83D\\uDE00","locale":"de_DE"\}`,
		},
		{
			name: "an object that is its own member", program: jv(t, "java17", "fn.Objects::self"),
			body: `\{"errorMessage":"An error occurred during JSON serialization of response","errorType":"java.lang.RuntimeException","stackTrace":\[\]\}`, header: "Runtime.UserException",
			log: "An error occurred during JSON serialization of response: java.lang.RuntimeException\njava.lang.RuntimeException: An error occurred.*Caused by: .*self-reference.*",
		},
		{
			name: "an object that holds itself, deeper", program: jv(t, "java17", "fn.Objects::circle"),
			body: `\{"errorMessage":"An error occurred during JSON serialization of response",.*`,
		},
		{
			name: "numbers and text stand for each other", ok: true, program: jv(t, "java17", "fn.Objects::number"), event: event{Payload: `"41"`}, body: `42`,
		},
		{
			name: "text of a number", ok: true, program: jv(t, "java17", "fn.Objects::text"), event: event{Payload: `1.50`}, body: `"1.50!"`,
		},
		{
			name: "an event of another shape", program: jv(t, "java17", "fn.Objects::text"), event: event{Payload: `{"a":1}`},
			body: `\{"errorMessage":"An error occurred during JSON parsing","errorType":"java.lang.RuntimeException","stackTrace":\[\]\}`, header: "Runtime.UserException",
			log: "An error occurred during JSON parsing: java.lang.RuntimeException\n.*Caused by: .*`java.lang.String` from Object value.*",
		},
		{
			name: "a number that doesn't fit", program: jv(t, "java17", "fn.Objects::number"), event: event{Payload: `3000000000`},
			body: `\{"errorMessage":"An error occurred during JSON parsing",.*`, log: ".*out of range of int.*",
		},
		{
			name: "streams", ok: true, program: jv(t, "java17", "fn.Methods$Upper"), event: event{Payload: `{"a":"ü"}`}, body: `\{"A":"Ü"\}`,
		},
		{
			name: "a method of streams", ok: true, program: jv(t, "java17", "fn.Methods::streams"), event: event{Payload: `1`}, body: `1!`,
		},
		{
			name: "a method of streams and a context", ok: true, program: jv(t, "java17", "fn.Methods::streams3"), body: `f`,
		},
		{
			name: "a static method without parameters", ok: true, program: jv(t, "java17", "fn.Methods::fixed"), body: `"static"`,
		},
		{
			name: "a method of a context alone", ok: true, program: jv(t, "java17", "fn.Methods::onlyContext"), body: `"` + runner.RequestID + `"`,
		},
		{
			name: "of overloads the one with a context", ok: true, program: jv(t, "java17", "fn.Methods::over"), event: event{Payload: `"x"`}, body: `"with context"`,
		},
		{
			name: "a method that returns nothing", ok: true, program: jv(t, "java17", "fn.Methods::silent"), event: event{Payload: `"x"`}, body: `null`,
		},
		{
			name: "the context has every member", ok: true, program: jv(t, "java17", "fn.Methods$Ctx"),
			event: event{ClientContext: `{"client":{"app_title":"t"},"custom":{"k":"v"},"env":{"locale":"de"}}`, CognitoIdentity: `{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}`, Trace: "Root=1-5-9"},
			body:  `\{"id":"` + runner.RequestID + `","name":"f","version":"\$LATEST","arn":"arn:aws:lambda:us-east-1:000000000000:function:f","group":"/aws/lambda/f","stream":"2026/01/01/\[\$LATEST\][0-9a-f]+","memory":128,"left":true,"identity":"ip","custom":\{"k":"v"\},"env":\{"locale":"de"\},"app":"t","trace":"Root=1-5-9","same":true\}`,
		},
		{
			name: "the context without what wasn't sent", ok: true, program: jv(t, "java17", "fn.Methods$Ctx"),
			body: `\{.*"left":true,"same":true\}`,
		},
		{
			name: "an exception is an error object with its trace, and a log record", program: jv(t, "java17", "fn.Methods$Fails"), event: event{Payload: `"x"`},
			body:   `\{"errorMessage":"Error: x","errorType":"java.lang.RuntimeException","stackTrace":\["fn.Methods\$Fails.handleRequest\(Methods.java:\d+\)","fn.Methods\$Fails.handleRequest\(Methods.java:\d+\)"\]\}`,
			header: "Runtime.UserException",
			log:    "Error: x: java.lang.RuntimeException\njava.lang.RuntimeException: Error: x\n\tat fn.Methods\\$Fails.handleRequest\\(Methods.java:\\d+\\)\n\tat fn[^\n]*\n\n",
		},
		{
			name: "a cause is in the log only", program: jv(t, "java21", "fn.Methods$Fails"), event: event{Payload: `"cause"`},
			body: `\{"errorMessage":"outer","errorType":"java.lang.IllegalStateException",` + trace + `\}`, log: ".*Caused by: java.io.IOException: inner\n.*",
		},
		{
			name: "an exception without a message", program: jv(t, "java17", "fn.Methods$Fails"), event: event{Payload: `"nomessage"`},
			body: `\{"errorMessage":"java.lang.IllegalArgumentException","errorType":"java.lang.IllegalArgumentException",` + trace + `\}`,
		},
		{
			name: "an exception of the function's own", program: jv(t, "java17", "fn.Methods$Fails"), event: event{Payload: `"own"`},
			body: `\{"errorMessage":"mine","errorType":"fn.Methods\$OwnError",` + trace + `\}`,
		},
		{
			name: "a checked exception of a method", program: jv(t, "java17", "fn.Methods::throwing"), event: event{Payload: `"x"`},
			body: `\{"errorMessage":"checked","errorType":"java.lang.Exception","stackTrace":\["fn.Methods.throwing\(Methods.java:\d+\)",.*\]\}`,
		},
		{
			name: "deep recursion ends the process after its answer", exit: "exit status 0", program: jv(t, "java17", "fn.Methods$Fails"), event: event{Payload: `"deep"`},
			body: `\{"errorMessage":"java.lang.StackOverflowError","errorType":"java.lang.StackOverflowError",.*`,
		},
		{
			name: "too little memory ends the process after its answer", exit: "exit status 0", program: jv(t, "java17", "fn.Methods$Fails"), event: event{Payload: `"memory"`},
			body: `\{"errorMessage":"Java heap space","errorType":"java.lang.OutOfMemoryError",.*`,
		},
		{
			name: "System.exit in the handler", noAnswer: true, exit: "exit status 3", program: jv(t, "java17", "fn.Methods$Fails"), event: event{Payload: `"exit"`},
		},
		{
			name: "halt in the handler", noAnswer: true, exit: "exit status 4", program: jv(t, "java17", "fn.Methods$Fails"), event: event{Payload: `"halt"`},
		},
		{
			name: "an error whose message can't be asked for", noAnswer: true, exit: "exit status 1",
			program: jv(t, "java17", "fn.Methods$Unspeakable"), event: event{Payload: `"x"`},
		},
		{
			name: "System.exit in a static initializer", init: true, noAnswer: true, exit: "exit status 7", program: jv(t, "java17", "fn.Methods$StaticExit::handle"),
		},
		{
			name: "an error in a static initializer", init: true, exit: "exit status 1", program: jv(t, "java17", "fn.Methods$BadStatic::handle"),
			body: `\{"errorMessage":"Error loading class fn.Methods\$BadStatic(?:: null)?","errorType":"java.lang.ExceptionInInitializerError"\}`, header: "Runtime.BadFunctionCode",
			log: "Error loading class fn.Methods\\$BadStatic: java.lang.ExceptionInInitializerError\n.*Caused by: java.lang.IllegalStateException: static\n.*",
		},
		{
			name: "an error in a constructor", init: true, exit: "exit status 1", program: jv(t, "java17", "fn.Methods$BadConstructor"),
			body: `\{"errorMessage":"constructed","errorType":"java.lang.IllegalStateException"\}`, header: "Runtime.BadFunctionCode",
		},
		{
			name: "no constructor", program: jv(t, "java17", "fn.Methods$NoConstructor"),
			body: `\{"errorMessage":"Class fn.Methods\$NoConstructor has no public zero-argument constructor","errorType":"java.lang.Exception"\}`,
		},
		{
			name: "a class that is missing", program: jv(t, "java17", "no.Such::handle"),
			body:   `\{"errorMessage":"Class not found: no.Such","errorType":"java.lang.ClassNotFoundException"\}`,
			header: "Runtime.BadFunctionCode", log: "Class not found: no.Such: java.lang.ClassNotFoundException\n.*",
		},
		{
			name: "a method that is missing", program: jv(t, "java17", "fn.Methods::nosuch"),
			body: `\{"errorMessage":"No public method named nosuch with appropriate method signature found on class fn.Methods"\}`,
		},
		{
			name: "a class that is no handler", program: jv(t, "java17", "fn.Methods$NoHandler"),
			body: `\{"errorMessage":"Class does not implement an appropriate handler interface: fn.Methods\$NoHandler"\}`,
		},
		{
			name: "a handler name without a class", program: jv(t, "java17", "::x"), body: "\\{\"errorMessage\":\"Invalid handler: `::x'\"\\}",
		},
		{
			name: "a logger's records stay whole, in order with what is printed", ok: true, program: jv(t, "java17", "fn.Methods::logs"), body: `"ok"`,
			log: "two\nlines\nprinted\nbytes\n\\[WARN\\] warned\n\\[TRACE\\] traced\nto stderr\nnext\nglobal\nnull\n",
		},
		{
			name: "logs in JSON, by level", ok: true, program: with(jv(t, "java21", "fn.Methods::logs"), func(p *program) { p.Logging = jsonLogging }), body: `"ok"`,
			log: `\{"timestamp":"` + timestamp + `","message":"two\\nlines\\n","level":"UNDEFINED","AWSRequestId":"` + runner.RequestID + `"\}` + "\nprinted\nbytes\n" +
				`\{[^\n]*"message":"warned","level":"WARN",[^\n]*\}` + "\nto stderr\nnext\n" + `\{[^\n]*"message":"global"[^\n]*` + "\n" + `\{"timestamp":"[^"]*","level":"UNDEFINED",[^\n]*` + "\n",
		},
		{
			name: "the environment", ok: true,
			program: with(jv(t, "java17", "fn.Methods::environment"), func(p *program) { p.Env = map[string]string{"MINE": "1", "TZ": "Asia/Tokyo"} }),
			event:   event{Trace: "Root=1"},
			body:    `\["1","AWS_Lambda_java17",false,false,false,"Asia/Tokyo",true,"1\\n0\\n"\]`,
		},
		{
			name: "an older runtime's environment has the trace, too", ok: true, program: with(jv(t, "java11", "fn.Methods::environment"), func(p *program) { p.Env = map[string]string{"AWS_ACCESS_KEY_ID": "a", "MINE": "1"} }),
			event: event{Trace: "Root=1"}, body: `\["1","AWS_Lambda_java11",true,true,false,.*,"1\\n0\\n"\]`,
		},
		{
			name: "JAVA_TOOL_OPTIONS", ok: true,
			program: with(jv(t, "java17", "fn.Methods::memory"), func(p *program) { p.Env = map[string]string{"JAVA_TOOL_OPTIONS": "-Dx=y"} }),
			body:    `10[4-8]`, log: "Picked up JAVA_TOOL_OPTIONS: -Dx=y\n",
		},
		{
			name: "the heap grows with the memory", ok: true, program: with(jv(t, "java21", "fn.Methods::memory"), func(p *program) { p.MemoryMB = 1024 }), body: `8[4-7]\d`,
		},
		{
			name: "resources of the package", ok: true, program: jv(t, "java17", "fn.Methods::resource", "data/file.txt", "here"), body: `"here"`,
		},
		{
			name: "a large event and a large answer", ok: true, program: jv(t, "java17", "fn.Methods::large"),
			event: event{Payload: `"` + strings.Repeat("ü", 1<<20) + `"`}, body: `"1048576ü+"`,
		},
		{
			name: "a serializer of the function's own", ok: true,
			program: jv(t, "java17", "fn.Objects::text", "META-INF/services/com.amazonaws.services.lambda.runtime.CustomPojoSerializer", "fn.Own\n"),
			event:   event{Payload: `1`}, body: `<1>! java.lang.String`,
		},
		{
			name:    "a serializer of the function's own that fails",
			program: jv(t, "java17", "fn.Objects::text", "META-INF/services/com.amazonaws.services.lambda.runtime.CustomPojoSerializer", "fn.Own\n"),
			event:   event{Payload: `0`}, body: `\{"errorMessage":"An error occurred during JSON parsing",.*`, log: ".*Caused by: java.lang.IllegalArgumentException: no\n.*",
		},
		{
			name:    "a serializer that is missing",
			program: jv(t, "java17", "fn.Objects::text", "META-INF/services/com.amazonaws.services.lambda.runtime.CustomPojoSerializer", "fn.NoSuch\n"),
			body:    `\{"errorMessage":"com.amazonaws.services.lambda.runtime.CustomPojoSerializer: Provider fn.NoSuch not found","errorType":"java.util.ServiceConfigurationError"\}`,
		},
		{
			name: "SQS messages", ok: true, program: jv(t, "java17", "fn.Events$Sqs"),
			event: event{Payload: `{"Records":[{"messageId":"m","body":"b","eventSourceARN":"arn:aws:sqs:q","attributes":{"A":"1"},"messageAttributes":{"x":{"stringValue":"s","dataType":"String"}}}]}`},
			body:  `\{"Records":\[\{"messageId":"m","body":"b","attributes":\{"A":"1"\},"messageAttributes":\{"x":\{"stringValue":"s",.*"dataType":"String"\}\},"eventSourceARN":"arn:aws:sqs:q"\}\]\}`,
		},
		{
			name: "S3 notifications", ok: true, program: jv(t, "java17", "fn.Events$S3"),
			event: event{Payload: `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-01-02T03:04:05.000Z","eventName":"ObjectCreated:Put","userIdentity":{"principalId":"p"},"requestParameters":{"sourceIPAddress":"1.2.3.4"},"responseElements":{"x-amz-request-id":"r","x-amz-id-2":"two"},"s3":{"s3SchemaVersion":"1.0","configurationId":"c","bucket":{"name":"b","ownerIdentity":{"principalId":"o"},"arn":"arn:aws:s3:::b"},"object":{"key":"k","size":1024,"eTag":"e","sequencer":"s"}}}]}`},
			body:  `"b/k 2026 1024 two"`,
		},
		{
			name: "SNS messages", ok: true, program: jv(t, "java17", "fn.Events$Sns"),
			event: event{Payload: `{"Records":[{"EventVersion":"1.0","EventSource":"aws:sns","Sns":{"Message":"m","Timestamp":"1970-01-01T00:00:01.000Z"}}]}`}, body: `"m1000"`,
		},
		{
			name: "scheduled events", ok: true, program: jv(t, "java17", "fn.Events$Scheduled"),
			event: event{Payload: `{"detail-type":"Scheduled Event","time":"2026-01-02T03:04:05Z","detail":{}}`}, body: `"Scheduled Event2026"`,
		},
		{
			name: "DynamoDB records", ok: true, program: jv(t, "java17", "fn.Events$Dynamo"),
			event: event{Payload: `{"Records":[{"eventName":"INSERT","dynamodb":{"ApproximateCreationDateTime":1.5,"Keys":{"L":{"L":[{"S":"s"}]}},"NewImage":{"Id":{"N":"101"}}}}]}`}, body: `"INSERT101s1500"`,
		},
		{
			name: "Kinesis records", ok: true, program: jv(t, "java17", "fn.Events$Kinesis"),
			event: event{Payload: `{"Records":[{"kinesis":{"data":"aGVsbG8=","approximateArrivalTimestamp":1.5}}]}`}, body: `"hello1500"`,
		},
		{
			name: "HTTP events", ok: true, program: jv(t, "java17", "fn.Events$Api"),
			event: event{Payload: `{"version":"2.0","requestContext":{"http":{"method":"GET"}},"isBase64Encoded":true}`}, body: `\{"statusCode":200,"body":"GETtrue",?"?.*\}`,
		},
	}
}

// TestJavaKeepsItsState sends several events, a failing one between them.
func TestJavaKeepsItsState(t *testing.T) {
	p := runProgram(t, jv(t, "java17", "fn.Methods::state"), false)
	for _, want := range []string{"1", "2", "3"} {
		if o := p.Invoke(event{}); o.Body() != want {
			t.Errorf("answered %s, want %s", o.Body(), want)
		}
	}
	p.Finish()
}

// TestJavaWithoutAWSsLibrary runs a plain method without it, and says what a handler that
// needs it lacks.
func TestJavaWithoutAWSsLibrary(t *testing.T) {
	bare := func(handler string) program {
		prog := jv(t, "java17", handler)
		maps.DeleteFunc(prog.Files, func(name, _ string) bool { return strings.Contains(name, "aws-lambda") })
		return prog
	}
	if o := runProgram(t, bare("fn.Objects::text"), false).Invoke(event{Payload: `"x"`}); o.Body() != `"x!"` {
		t.Errorf("a plain method answered %s", o.Body())
	}
	o := runProgram(t, bare("fn.Objects$Echo"), false).Invoke(event{})
	if o.OK || !strings.Contains(o.Body(), "com/amazonaws/services/lambda/runtime/RequestHandler (the package lacks aws-lambda-java-core") {
		t.Errorf("a handler answered %s", o.Body())
	}
}

// TestEveryJavaRunsTheBootstrap runs a function on each Java this machine has.
func TestEveryJavaRunsTheBootstrap(t *testing.T) {
	seen := 0
	for _, in := range set(t).List() {
		v, _ := parseVersion(in.Version) // List has only such
		if in.Language != Java || v[0] < 17 {
			continue // testdata/java needs 17
		}
		seen++
		for _, stem := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%t", in.Version, stem), func(t *testing.T) {
				prog := jv(t, "java17", "fn.Objects$Points")
				m := match(t, "java17")
				m.Interpreter = in
				p := startEither(t, m, prog, stem)
				if o := p.Invoke(event{Payload: `{"x":1}`}); o.Body() != `{"x":1}` {
					t.Errorf("answered %s", o.Body())
				}
				p.Finish()
				if got := runner.Texts(p.Records()); got != "" {
					t.Errorf("the virtual machine has something to say: %s", got)
				}
			})
		}
	}
	if seen == 0 {
		t.Skip("no Java 17 or newer is on this machine")
	}
}

func TestANearJavaIsANewerOne(t *testing.T) {
	in := func(v string) Interpreter {
		return Interpreter{Language: Java, Version: v, Root: "/x", Bin: "/x/bin/java"}
	}
	s := &Set{dir: t.TempDir(), bootstraps: map[Language]string{}, interpreters: []Interpreter{in("25.0.1"), in("17.0.9"), in("17.0.2")}}
	for runtime, want := range map[string]string{
		"java8.al2": "17.0.9 java:17.0.9 (java8.al2 not on this machine)", "java11": "17.0.9 java:17.0.9 (java11 not on this machine)",
		"java17": "17.0.9 java:17.v1", "java21": "25.0.1 java:25.0.1 (java21 not on this machine)", "java25": "25.0.1 java:25.v1",
	} {
		m, err := s.Match(runtime, false)
		if err != nil || m.Interpreter.Version+" "+m.RuntimeVersion != want {
			t.Errorf("%s: %s %s, %v", runtime, m.Interpreter.Version, m.RuntimeVersion, err)
		}
	}
	s.interpreters = s.interpreters[1:]
	if _, err := s.Match("java21", false); err == nil || !strings.Contains(err.Error(), "needs Java 21 or newer") {
		t.Errorf("java21 on 17: %v", err)
	}
}

func TestJavasVersionIsRead(t *testing.T) {
	m := newMachine(t)
	for file, want := range map[string]string{
		`JAVA_VERSION="17.0.15"`: "17.0.15", "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"25\"\n": "25.0.0",
		`JAVA_VERSION="1.8.0_402"`: "8.0.402", `JAVA_VERSION="21.0.2.1"`: "21.0.2", ``: "", `JAVA_VERSION="ea"`: "",
	} {
		m.write("jdk/release", []byte(file), 0o600)
		for _, bin := range []string{"jdk/bin/java", "jdk/jre/bin/java"} {
			if got := javaVersion(filepath.Join(m.root, bin)); got != want {
				t.Errorf("%q at %s is %q, want %q", file, bin, got, want)
			}
		}
	}
}

func TestJavaIsFoundByItsManagers(t *testing.T) {
	m := newMachine(t)
	m.env["JAVA_HOME"] = filepath.Join(m.root, "elsewhere")
	for dir, v := range map[string]string{
		"home/.sdkman/candidates/java/21.0.2-tem": "21.0.2", "home/.asdf/installs/java/temurin-17.0.1+12": "17.0.1",
		"system/usr/lib/jvm/java-11-openjdk": "11.0.3", "elsewhere": "25.0.1", "home/.jdks/corretto-8": "1.8.0_1",
	} {
		m.program(dir + "/bin/java")
		m.write(dir+"/release", []byte(`JAVA_VERSION="`+v+`"`), 0o600)
	}
	m.program("home/.jdks/unknown/bin/java")
	var got []string
	for _, in := range m.discover() {
		got = append(got, in.Version+" "+in.Source)
		if in.Root != filepath.Dir(filepath.Dir(in.Bin)) {
			t.Errorf("%+v: the folder isn't the program's", in)
		}
	}
	want := []string{"25.0.1 JAVA_HOME", "21.0.2 sdkman", "17.0.1 asdf", "11.0.3 /usr/lib/jvm", "8.0.1 jdks"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// TestTheJarIsOfItsSources builds the embedded jar again.
func TestTheJarIsOfItsSources(t *testing.T) {
	out := t.TempDir()
	cmd := exec.Command("go", "run", "generate.go", "-o", out)
	cmd.Dir = "java"
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, name := range []string{"wick-runtime.jar", "lib/wick-rehearsal.jar", "classes/CoreBridge.class", "classes/FunctionContext.class"} {
		compareBuilt(t, out, name, "no javac 17 on this machine")
	}
}

// TestTheNativeLibraryIsOfItsSource builds the embedded libraries again.
func TestTheNativeLibraryIsOfItsSource(t *testing.T) {
	for _, compiler := range []string{"x86_64-linux-gnu-gcc", "aarch64-linux-gnu-gcc"} {
		if _, err := exec.LookPath(compiler); err != nil {
			t.Skipf("no %s on PATH: run scripts/install-tools generators", compiler)
		}
	}
	out := t.TempDir()
	if text, err := exec.Command("java/native/build.sh", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		compareBuilt(t, out, "wick-native-"+arch+".so", "no jni.h on this machine")
	}
}

// compareBuilt compares a file built again with the embedded one.
func compareBuilt(t *testing.T, out, name, missing string) {
	t.Helper()
	again, err := os.ReadFile(filepath.Join(out, name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not built: %s", name, missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile(filepath.Join("java", name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, committed) {
		t.Errorf("java/%s isn't what its sources give: run go generate ./runtimes", name)
	}
}

// TestStemsOfJavaAreOfAMemorySize says which functions can become of the same stem.
func TestStemsOfJavaAreOfAMemorySize(t *testing.T) {
	s := set(t)
	java := Match{Runtime: "java17", Language: Java, Interpreter: Interpreter{Language: Java, Version: "17.0.9", Root: "/x", Bin: "/x/bin/java"}}
	archived := java
	archived.Mounts = []Mount{{"/data/java-1" + archiveMark + "2", runtimeDir}}
	node := Match{Runtime: "nodejs20.x", Language: Node, Interpreter: Interpreter{Language: Node, Version: "20.1.0", Bin: "/x/bin/node"}}
	small, large := &wick.Function{MemoryMB: 128}, &wick.Function{MemoryMB: 256}
	if s.StemKey(java, small) == s.StemKey(java, large) {
		t.Error("a virtual machine would have another function's heap limit")
	}
	if s.StemKey(java, small) != s.StemKey(archived, small) {
		t.Error("a stem booted before there was an archive is of no use any more")
	}
	if s.StemKey(node, small) != s.StemKey(node, large) {
		t.Error("Node.js has a stem for each memory size")
	}
	with := func(options string) string {
		return strings.Join(s.Ordinary(archived, &wick.Function{MemoryMB: 128, Environment: map[string]string{"JAVA_TOOL_OPTIONS": options}}).Args, " ")
	}
	for options, want := range map[string]bool{"": true, "-Dx=y": true, "-XX:SharedArchiveFile=/opt/a.jsa": false, "-Xshare:off": false} {
		if got := strings.Contains(with(options), "-XX:SharedArchiveFile=/var/runtime/archive"); got != want {
			t.Errorf("with %q the archive is used: %t", options, got)
		}
	}
}
