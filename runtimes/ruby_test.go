package runtimes

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wick-run/wick/internal/testkit/runner"
)

func rb(source string) program {
	return program{Runtime: "ruby3.3", Handler: "app.handler", Files: map[string]string{"app.rb": source}}
}

func rbNamed(handler string, files map[string]string) program {
	return program{Runtime: "ruby3.3", Handler: handler, Files: files}
}

func TestRubyBehaves(t *testing.T) { runBehaviours(t, rubyBehaviours()) }

func rubyBehaviours() []behaviour {
	return []behaviour{
		{
			name: "a result is JSON", ok: true,
			program: rb("def handler(event:, context:)\n  { got: event, n: [1, 2.5, nil, true] }\nend\n"),
			event:   event{Payload: `{"a":"ü"}`},
			body:    `\{"got":\{"a":"ü"\},"n":\[1,2.5,null,true\]\}`,
		},
		{
			name: "no result is null", ok: true,
			program: rb("def handler(event:, context:)\nend\n"), body: `null`,
		},
		{
			name: "big integers and floats keep what they are", ok: true,
			program: rb("def handler(event:, context:)\n  event\nend\n"),
			event:   event{Payload: `[123456789012345678901234567890,1.5e300,0.1]`},
			body:    `\[123456789012345678901234567890,1.5e\+?300,0.1\]`,
		},
		{
			name: "a symbol and a struct are text", ok: true,
			program: rb("S = Struct.new(:a)\ndef handler(event:, context:)\n  [:sym, S.new(1)]\nend\n"),
			body:    `\["sym","#<struct S a=1>"\]`,
		},
		{
			name: "what has to_json decides itself", ok: true,
			program: rb("class P\n  def to_json(*a)\n    '{\"p\":1}'\n  end\nend\ndef handler(event:, context:)\n  [P.new]\nend\n"),
			body:    `\[\{"p":1\}\]`,
		},
		{
			name: "a StringIO is answered as it is", ok: true,
			program: rb("require 'stringio'\ndef handler(event:, context:)\n  StringIO.new(\"raw \\u00fc\")\nend\n"), body: `raw ü`,
		},
		{
			name: "a class method", ok: true,
			program: rbNamed("app.Mod::Worker.process", map[string]string{"app.rb": "module Mod\n  class Worker\n    def self.process(event:, context:)\n      context.function_name\n    end\n  end\nend\n"}),
			body:    `"f"`,
		},
		{
			name: "a file in a folder, which requires another", ok: true,
			program: rbNamed("lib/app.handler", map[string]string{"lib/app.rb": "require 'near'\nrequire_relative 'beside'\ndef handler(event:, context:)\n  [NEAR, BESIDE, Dir.pwd == ENV['LAMBDA_TASK_ROOT']]\nend\n", "near.rb": "NEAR = 7\n", "lib/beside.rb": "BESIDE = 8\n"}),
			body:    `\[7,8,true\]`,
		},
		{
			name: "keywords a handler doesn't name", ok: true,
			program: rb("def handler(event:, **rest)\n  rest.keys\nend\n"), body: `\["context"\]`,
		},
		{
			name:    "positional parameters are the function's error",
			program: rb("def handler(event, context)\n  1\nend\n"),
			body:    `\{"errorMessage":"wrong number of arguments \(given 1, expected 2\)","errorType":"Function<ArgumentError>","stackTrace":\["[^"]*app.rb:1:in [^"]*handler'"\]\}`,
			header:  "Function<ArgumentError>",
		},
		{
			name:    "an exception is an error object with its trace, and two log records",
			program: rb("def deep\n  raise 'bad'\nend\ndef handler(event:, context:)\n  deep\nend\n"),
			body:    `\{"errorMessage":"bad","errorType":"Function<RuntimeError>","stackTrace":\["/[^ ]*/app.rb:2:in [^"]*deep'","/[^ ]*/app.rb:5:in [^"]*handler'"\]\}`,
			header:  "Function<UserException>",
			log:     "Error raised from handler method\n\\{\n  \"errorMessage\": \"bad\",\n  \"errorType\": \"Function<RuntimeError>\",\n  \"stackTrace\": \\[\n    \"[^\n]*deep'\",\n    \"[^\n]*handler'\"\n  \\]\n\\}\n",
		},
		{
			name:    "an error class of the function's own",
			program: rb("module My\n  class Error < StandardError; end\nend\ndef handler(event:, context:)\n  raise My::Error, 'x'\nend\n"),
			body:    `\{"errorMessage":"x","errorType":"Function<My::Error>",.*`, header: "Function<UserException>",
		},
		{
			name:    "a message that is not UTF-8",
			program: rb("def handler(event:, context:)\n  raise \"raw \\xff\".b\nend\n"),
			body:    `\{"errorMessage":"raw \x{FFFD}".*`,
		},
		{
			name:    "a result without a JSON form",
			program: rb("def handler(event:, context:)\n  { n: Float::NAN }\nend\n"),
			body:    `\{"errorMessage":".*NaN.*","errorType":"Function<JSON::GeneratorError>".*`, header: "Function<UserException>",
		},
		{
			name: "a method that is missing ends the process after its answer", exit: "exit status 255",
			program: rb("def handler(event:, context:)\n  nil.nosuch\nend\n"),
			body:    `\{"errorMessage":"undefined method .nosuch' for nil.*","errorType":"Function<NoMethodError>".*`, header: "Function<NoMethodError>",
			log: "Critical exception from handler\n.*",
		},
		{
			name: "a handler that is missing", exit: "exit status 255",
			program: rbNamed("app.nosuch", map[string]string{"app.rb": ""}),
			body:    `\{"errorMessage":"undefined method .nosuch' for .*LambdaHandler.*","errorType":"Function<NoMethodError>".*`,
		},
		{
			name: "exit in the handler is answered", exit: "exit status 255",
			program: rb("def handler(event:, context:)\n  exit(3)\nend\n"),
			body:    `\{"errorMessage":"exit","errorType":"Function<SystemExit>",.*`, header: "Function<SystemExit>",
		},
		{
			name: "exit! in the handler", noAnswer: true, exit: "exit status 5",
			program: rb("def handler(event:, context:)\n  exit!(5)\nend\n"),
		},
		{
			name: "a signal in the handler", noAnswer: true, exit: "signal: killed",
			program: rb("def handler(event:, context:)\n  Process.kill(:KILL, Process.pid)\n  sleep\nend\n"),
		},
		{
			name: "deep recursion ends the process after its answer", exit: "exit status 255",
			program: rb("def handler(event:, context:)\n  handler(event: event, context: context)\nend\n"),
			body:    `\{"errorMessage":"stack level too deep","errorType":"Function<SystemStackError>".*`,
		},
		{
			name: "a file that is missing", init: true, exit: "exit status 252",
			program: rbNamed("other.handler", map[string]string{"app.rb": ""}),
			body:    `\{"errorMessage":"cannot load such file -- other","errorType":"Init<LoadError>","stackTrace":\[.*\]\}`,
			header:  "Init<LoadError>",
			log:     "Init error when loading handler \n\\{\n  \"errorMessage\": \"cannot load such file -- other\",.*",
		},
		{
			name: "a library that is missing", init: true, exit: "exit status 252",
			program: rb("require 'nosuchgem'\n"),
			body:    `\{"errorMessage":"cannot load such file -- nosuchgem","errorType":"Init<LoadError>","stackTrace":\[.*app.rb:1:in .*\]\}`,
		},
		{
			name: "a syntax error", init: true, exit: "exit status 252",
			program: rb("def handler(event:, context:)\n  (\nend\n"),
			body:    `\{"errorMessage":".*app.rb.*","errorType":"Init<SyntaxError>".*`, header: "Function<UserException>",
		},
		{
			name: "an exception while the file is loaded", init: true, exit: "exit status 252",
			program: rb("raise ArgumentError, 'early'\n"),
			body:    `\{"errorMessage":"early","errorType":"Init<ArgumentError>".*`, header: "Init<ArgumentError>",
		},
		{
			name: "exit while the file is loaded", init: true, exit: "exit status 252",
			program: rb("exit(0)\n"),
			body:    `\{"errorMessage":"exit","errorType":"Init<SystemExit>".*`,
		},
		{
			name: "a handler name of one part", init: true, exit: "exit status 252",
			program: rbNamed("app", map[string]string{"app.rb": ""}),
			body:    `\{"errorMessage":"Invalid handler \[\\"app\\"\], must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD.*","errorType":"Init<ArgumentError>".*`,
		},
		{
			name: "puts is one record, print goes line by line, in order", ok: true,
			program: rb("def handler(event:, context:)\n  puts \"one\\ntwo\", ['three']\n  print \"four\\nfive\\n\"\n  $stderr.puts 'six'\n  p :seven\n  puts\nend\n"),
			body:    `null`, log: "one\ntwo\nthree\nfour\nfive\nsix\n:seven\n\n",
		},
		{
			name: "a Logger's records have the request's ID and stay whole", ok: true,
			program: rb("def handler(event:, context:)\n  Logger.new($stdout, progname: 'app').info(\"a\\nb\")\n  Logger.new($stderr).debug { 'c' }\n  l = Logger.new($stdout, level: Logger::WARN)\n  l.info('no')\n  l.warn('yes')\n  nil\nend\n"),
			body:    `null`,
			log:     "I, \\[[-0-9T:.]+ #\\d+\\]  INFO " + runner.RequestID + " -- app: a\nb\nD, \\[[-0-9T:.]+ #\\d+\\] DEBUG " + runner.RequestID + " -- : c\nW, .*yes\n",
		},
		{
			name: "a Logger with its own formatter or file is left alone", ok: true,
			program: rb("require 'stringio'\ndef handler(event:, context:)\n  l = Logger.new($stdout)\n  l.formatter = proc { |s, _t, _p, m| \"#{s}|#{m}\\n\" }\n  l.error('x')\n  io = StringIO.new\n  Logger.new(io).info('in')\n  io.string.include?('in')\nend\n"),
			body:    `true`, log: "ERROR\\|x\n",
		},
		{
			name: "the context has every member", ok: true,
			program: rb("def handler(event:, context:)\n  c = context\n  [c.aws_request_id, c.function_name, c.function_version, c.memory_limit_in_mb, c.invoked_function_arn, c.log_group_name, c.log_stream_name, c.deadline_ms.class, c.get_remaining_time_in_millis.between?(1000, 60_000), c.identity, c.client_context, c.tenant_id, ENV['_X_AMZN_TRACE_ID']]\nend\n"),
			event:   event{ClientContext: `{"custom":{"k":"v"}}`, CognitoIdentity: `{"cognitoIdentityId":"i"}`, TenantID: "t", Trace: "Root=1-5-9"},
			body: `\["` + runner.RequestID + `","f","\$LATEST","128","arn:aws:lambda:us-east-1:000000000000:function:f","/aws/lambda/f","2026/01/01/\[\$LATEST\][0-9a-f]+","Integer",true,` +
				`\{"cognitoIdentityId":"i"\},\{"custom":\{"k":"v"\}\},"t","Root=1-5-9"\]`,
		},
		{
			name: "the context without what wasn't sent", ok: true,
			program: rb("def handler(event:, context:)\n  [context.identity, context.client_context, context.tenant_id]\nend\n"), body: `\[null,null,null\]`,
		},
		{
			name:    "a client context that is no JSON is the function's error",
			program: rb("def handler(event:, context:)\n  1\nend\n"), event: event{ClientContext: "nope"},
			body: `\{"errorMessage":".*","errorType":"Function<JSON::ParserError>".*`,
		},
		{
			name: "gems of the package come from vendor/bundle", ok: true,
			program: rbNamed("app.handler", map[string]string{
				"app.rb": "require 'bundled'\ndef handler(event:, context:)\n  [BUNDLED, Gem.loaded_specs.key?('bundled')]\nend\n",
				"vendor/bundle/ruby/3.3.0/specifications/bundled-1.0.0.gemspec": "Gem::Specification.new do |s|\n  s.name = 'bundled'\n  s.version = '1.0.0'\n  s.summary = 's'\n  s.authors = ['a']\n  s.require_paths = ['lib']\nend\n",
				"vendor/bundle/ruby/3.3.0/gems/bundled-1.0.0/lib/bundled.rb":    "BUNDLED = 'from the bundle'\n",
			}),
			body: `\["from the bundle",true\]`,
		},
		{
			name: "the package comes before the standard library", ok: true,
			program: rbNamed("app.handler", map[string]string{"app.rb": "require 'abbrev'\ndef handler(event:, context:)\n  MINE\nend\n", "abbrev.rb": "MINE = 1\n"}),
			body:    `1`,
		},
		{
			name: "the environment is the function's", ok: true,
			program: program{Runtime: "ruby3.2", Handler: "app.handler", Env: map[string]string{"MINE": "1", "TZ": "Asia/Tokyo"}, Files: map[string]string{"app.rb": "def handler(event:, context:)\n  [ENV['MINE'], ENV['GEM_HOME'] == ENV['LAMBDA_RUNTIME_DIR'], ENV['GEM_PATH'].include?('3.2.0'), ENV['AWS_EXECUTION_ENV'], ENV.keys.grep(/WICK/), Time.now.utc_offset, 'ü'.encoding.to_s, Encoding.default_external.to_s, `echo $MINE`]\nend\n"}},
			body:    `\["1",true,true,"AWS_Lambda_ruby3.2",\[\],32400,"UTF-8","UTF-8","1\\n"\]`,
		},
		{
			name: "a function's own marshaller", ok: true,
			program: rb("class AwsLambda::Marshaller\n  def self.marshall_request(raw)\n    raw.body.bytesize\n  end\n  def self.marshall_response(r)\n    \"<#{r}>\"\n  end\nend\ndef handler(event:, context:)\n  event\nend\n"),
			event:   event{Payload: `{"a":1}`}, body: `<7>`,
		},
		{
			name: "a child process has the environment and not the connection", ok: true,
			program: rb("def handler(event:, context:)\n  system('test -e /proc/self/fd/3')\nend\n"), body: `false`,
		},
		{
			name: "JSON log format changes nothing, as AWS's client has none", ok: true,
			program: program{Runtime: "ruby3.3", Handler: "app.handler", Logging: jsonLogging, Files: map[string]string{"app.rb": "def handler(event:, context:)\n  puts ENV['AWS_LAMBDA_LOG_FORMAT']\nend\n"}},
			body:    `null`, log: "JSON\n",
		},
		{
			name: "a large event and a large answer", ok: true,
			program: rb("def handler(event:, context:)\n  event.length.to_s + event\nend\n"),
			event:   event{Payload: `"` + strings.Repeat("ü", 1<<20) + `"`}, body: `"1048576ü+"`,
		},
	}
}

// TestRubyKeepsItsState sends several events, a failing one between them.
func TestRubyKeepsItsState(t *testing.T) {
	prog := rb("$n = 0\ndef handler(event:, context:)\n  $n += 1\n  raise 'two' if $n == 2\n  $n\nend\n")
	for _, stem := range []bool{true, false} {
		p := runProgram(t, prog, stem)
		for i, want := range []string{"1", "two", "3"} {
			if o := p.Invoke(event{}); o.OK != (want != "two") || !strings.Contains(o.Body(), want) {
				t.Errorf("event %d: %+v %s", i, o, o.Body())
			}
		}
		p.Finish()
	}
}

// TestRubysBootstrapIsFreeOfWarnings asks Ruby itself, in its strictest mode.
func TestRubysBootstrapIsFreeOfWarnings(t *testing.T) {
	m := match(t, "ruby3.3")
	files, err := filepath.Glob("ruby/lib/wick_runtime/*.rb")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range append(files, "ruby/lib/bootstrap.rb") {
		out, err := exec.Command(m.Interpreter.Bin, "-W2", "-c", file).CombinedOutput() //nolint:gosec // the machine's interpreter
		if err != nil || string(out) != "Syntax OK\n" {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}
