package wick

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

const testRequest = "6f747a5d-1c2b-4d3e-8f90-0123456789ab"

var testAt = time.Date(2026, 11, 24, 20, 15, 3, 45_678_000, time.UTC)

func testSource(format string) *Source {
	return &Source{
		InstanceID: "0123456789abcdef0123456789abcdef",
		LogStream:  "2026/11/24/[$LATEST]0123456789abcdef0123456789abcdef",
		Function: &Function{
			FunctionID: FunctionID{Account: DefaultAccount, Region: "eu-central-1", Name: "hello"},
			Version:    Latest,
			MemoryMB:   128,
			Logging:    LoggingConfig{Format: format, SystemLevel: "DEBUG"},
		},
	}
}

func report(change func(*Report)) Report {
	r := Report{
		RequestID: testRequest, Status: StatusSuccess, Duration: 1930 * time.Microsecond,
		Billed: 2 * time.Millisecond, MemoryMB: 128, MaxMemoryMB: 36,
	}
	if change != nil {
		change(&r)
	}
	return r
}

func TestTextLinesAreThoseOfAWS(t *testing.T) {
	const head = "END RequestId: " + testRequest + "\nREPORT RequestId: " + testRequest
	for _, tt := range []struct {
		name string
		e    Event
		want string
	}{
		{"a log line", LogLine{RequestID: testRequest, Text: "a\nb"}, "a\nb\n"},
		{"an empty log line", LogLine{}, "\n"},
		{"a fault as it is", Fault{RequestID: testRequest, Text: "2026-11-24T20:15:03.045Z " + testRequest + " Task timed out after 3.00 seconds\n\n"},
			"2026-11-24T20:15:03.045Z " + testRequest + " Task timed out after 3.00 seconds\n\n"},
		{"start", InvokeStart{RequestID: testRequest, Version: Latest}, "START RequestId: " + testRequest + " Version: $LATEST\n"},
		{"runtime done is silent", RuntimeDone{RequestID: testRequest}, ""},
		{"a state change is silent", StateChanged{From: InstanceIdle, To: InstanceBusy}, ""},
		{"report", report(nil),
			head + "\tDuration: 1.93 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t\n"},
		{"report of a cold invocation", report(func(r *Report) { r.Init, r.Billed = 96210*time.Microsecond, 98100*time.Microsecond }),
			head + "\tDuration: 1.93 ms\tBilled Duration: 99 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 96.21 ms\t\n"},
		{"report of a time-out", report(func(r *Report) {
			r.Status, r.Duration, r.Billed = StatusTimeout, 3*time.Second, 3*time.Second
		}),
			head + "\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tStatus: timeout\n"},
		{"report of a cold crash", report(func(r *Report) {
			r.Status, r.ErrorType, r.Init = StatusFailure, "Runtime.ExitError", time.Millisecond
		}),
			head + "\tDuration: 1.93 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 1.00 ms\tStatus: error\tError Type: Runtime.ExitError\n"},
		{"report of an exception the function reported", report(func(r *Report) { r.Status = StatusError }),
			head + "\tDuration: 1.93 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t\n"},
		{"report of a traced invocation", report(func(r *Report) {
			r.Trace, r.SegmentID = "Root=1-6ac7c67a-1c0aa43118a5d54708c0da61;Parent=2d54219895e821dd;Sampled=1", "2d54219895e821dd"
		}),
			head + "\tDuration: 1.93 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t\n" +
				"XRAY TraceId: 1-6ac7c67a-1c0aa43118a5d54708c0da61\tSegmentId: 2d54219895e821dd\tSampled: true\t\n"},
		{"init start", InitStart{Phase: PhaseInit, RuntimeVersion: "python:3.13.v61", RuntimeVersionARN: "arn:aws:lambda:us-east-1::runtime:ab"},
			"INIT_START Runtime Version: python:3.13.v61\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:ab\n"},
		{"the start of an init that is repeated is silent", InitStart{Phase: PhaseInvoke, RuntimeVersion: "python:3.13.v61"}, ""},
		{"a successful init is silent", InitDone{Phase: PhaseInit, Status: StatusSuccess, Duration: time.Second}, ""},
		{"an init that timed out", InitDone{Phase: PhaseInit, Status: StatusTimeout, Duration: 9999410 * time.Microsecond},
			"INIT_REPORT Init Duration: 9999.41 ms\tPhase: init\tStatus: timeout\n"},
		{"an init that failed", InitDone{Phase: PhaseInvoke, Status: StatusError, ErrorType: "Runtime.ImportModuleError", Duration: 80490 * time.Microsecond},
			"INIT_REPORT Init Duration: 80.49 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ImportModuleError\n"},
		{"an init that crashed", InitDone{Phase: PhaseInit, Status: StatusFailure, ErrorType: "Runtime.ExitError"},
			"INIT_REPORT Init Duration: 0.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n"},
		{"dropped lines", LogsDropped{Records: 3, Bytes: 1200, Reason: "too fast"}, "LOGS_DROPPED\tRecords: 3\tBytes: 1200\tReason: too fast\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(AppendText([]byte("x"), testAt, testSource("Text"), tt.e)); got != "x"+tt.want {
				t.Errorf("got  %q\nwant %q", got, "x"+tt.want)
			}
		})
	}
}

func TestJSONRecordsAreThoseOfTheTelemetryAPI(t *testing.T) {
	const at = `{"time":"2026-11-24T20:15:03.045Z","type":"platform.`
	for _, tt := range []struct {
		name string
		e    Event
		want string
	}{
		{"a log line", LogLine{RequestID: testRequest, Text: `{"level":"INFO"}`}, `{"level":"INFO"}` + "\n"},
		{"start", InvokeStart{RequestID: testRequest, Version: Latest, Trace: "Root=1-a;Parent=b;Sampled=0"},
			at + `start","record":{"requestId":"` + testRequest + `","functionArn":"arn:aws:lambda:eu-central-1:000000000000:function:hello","version":"$LATEST","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1-a;Parent=b;Sampled=0"}}}` + "\n"},
		{"runtime done", RuntimeDone{RequestID: testRequest, Status: StatusSuccess, Duration: 1056 * time.Microsecond, ProducedBytes: 50,
			Latency: 677 * time.Microsecond, Transfer: 30 * time.Microsecond, Overhead: 200 * time.Microsecond},
			at + `runtimeDone","record":{"requestId":"` + testRequest + `","status":"success","spans":[` +
				`{"name":"responseLatency","start":"2026-11-24T20:15:03.044Z","durationMs":0.677},` +
				`{"name":"responseDuration","start":"2026-11-24T20:15:03.045Z","durationMs":0.03},` +
				`{"name":"runtimeOverhead","start":"2026-11-24T20:15:03.045Z","durationMs":0.2}],` +
				`"metrics":{"durationMs":1.056,"producedBytes":50}}}` + "\n"},
		{"runtime done by a time-out", RuntimeDone{RequestID: testRequest, Status: StatusTimeout, Duration: 5 * time.Second},
			at + `runtimeDone","record":{"requestId":"` + testRequest + `","status":"timeout","metrics":{"durationMs":5000.0,"producedBytes":0}}}` + "\n"},
		{"report", report(func(r *Report) { r.Init = 463512 * time.Microsecond }),
			at + `report","record":{"requestId":"` + testRequest + `","metrics":{"durationMs":1.93,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":36,"initDurationMs":463.512},"status":"success"}}` + "\n"},
		{"report of a traced crash", report(func(r *Report) {
			r.Trace, r.SegmentID, r.Status, r.ErrorType = "Root=1-a", "2d54219895e821dd", StatusFailure, `a "quoted" type`
		}),
			at + `report","record":{"requestId":"` + testRequest + `","metrics":{"durationMs":1.93,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":36},"tracing":{"spanId":"2d54219895e821dd","type":"X-Amzn-Trace-Id","value":"Root=1-a"},"status":"failure","errorType":"a \"quoted\" type"}}` + "\n"},
		{"init start", InitStart{Phase: PhaseInit, InitializationType: "on-demand", RuntimeVersion: "python:3.13.v61", RuntimeVersionARN: "arn:x"},
			at + `initStart","record":{"initializationType":"on-demand","phase":"init","runtimeVersion":"python:3.13.v61","runtimeVersionArn":"arn:x","functionName":"hello","functionArn":"arn:aws:lambda:eu-central-1:000000000000:function:hello","functionVersion":"$LATEST","instanceId":"2026/11/24/[$LATEST]0123456789abcdef0123456789abcdef","instanceMaxMemory":134217728}}` + "\n"},
		{"init done", InitDone{Phase: PhaseInit, Status: StatusTimeout, Duration: 10000487 * time.Microsecond},
			at + `initRuntimeDone","record":{"initializationType":"on-demand","phase":"init","status":"timeout"}}` + "\n" +
				at + `initReport","record":{"initializationType":"on-demand","phase":"init","status":"timeout","metrics":{"durationMs":10000.487}}}` + "\n"},
		{"dropped lines", LogsDropped{Records: 3, Bytes: 1200, Reason: "tab\there\x01\xff"},
			at + `logsDropped","record":{"reason":"tab\there\u0001` + "\ufffd" + `","droppedRecords":3,"droppedBytes":1200}}` + "\n"},
		{"a state change is silent", StateChanged{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := string(AppendJSON(nil, testAt, testSource("JSON"), tt.e))
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			for line := range strings.Lines(got) {
				if !json.Valid([]byte(line)) {
					t.Errorf("not JSON: %s", line)
				}
			}
		})
	}
}

func TestLevelsAreThoseOfTheDocumentedMapping(t *testing.T) {
	for _, tt := range []struct {
		e    Event
		want string
	}{
		{InitStart{RuntimeVersion: "x"}, "INFO"},
		{InitStart{}, "DEBUG"},
		{InitDone{Status: StatusSuccess}, "DEBUG"},
		{InitDone{Status: StatusTimeout}, "WARN"},
		{InvokeStart{}, "INFO"},
		{RuntimeDone{Status: StatusSuccess}, "DEBUG"},
		{RuntimeDone{Status: StatusError}, "WARN"},
		{Report{Status: StatusSuccess}, "INFO"},
		{Report{Status: StatusFailure}, "WARN"},
		{LogsDropped{}, "WARN"},
		{Fault{}, ""},
		{LogLine{Text: "plain text"}, ""},
		{LogLine{Text: `{"level":"error"}`}, "ERROR"},
		{LogLine{Text: `{"level": "Debug", "msg": "x"}`}, "DEBUG"},
		{LogLine{Text: ` {"a":{"level":"ERROR"},"b":["level"],"level":"WARN"}`}, "WARN"},
		{LogLine{Text: `{"message":"level","x":"}\"level\":","level":"TRACE"}`}, "TRACE"},
		{LogLine{Text: `{"level":30,"msg":"pino"}`}, "INFO"},
		{LogLine{Text: `{"level":"NOTICE"}`}, "INFO"},
		{LogLine{Text: `{"msg":"none"}`}, "INFO"},
		{LogLine{Text: `{}`}, "INFO"},
		{LogLine{Text: `{"level"`}, "INFO"},
		{LogLine{Text: `{"le`}, ""},
		{LogLine{Text: ``}, ""},
	} {
		if got := Level(tt.e); got != tt.want {
			t.Errorf("Level(%#v) = %q, want %q", tt.e, got, tt.want)
		}
	}
}

func TestTheLogOfAFunctionFollowsItsLoggingConfig(t *testing.T) {
	render := func(c LoggingConfig, e Event) []string {
		src := testSource("")
		src.Function.Logging = c
		b, ends := AppendLog([]byte("before"), nil, testAt, src, e)
		var records []string
		start := len("before")
		for _, end := range ends {
			records = append(records, string(b[start:end]))
			start = end
		}
		if start != len(b) {
			t.Fatalf("%d bytes behind the last record", len(b)-start)
		}
		return records
	}
	text := LoggingConfig{Format: "Text"}
	if got := render(text, report(nil)); len(got) != 2 || !strings.HasPrefix(got[0], "END ") || !strings.HasPrefix(got[1], "REPORT ") {
		t.Errorf("END and REPORT are two records, got %q", got)
	}
	if got := render(text, StateChanged{}); len(got) != 0 {
		t.Errorf("a state change is no record, got %q", got)
	}
	for _, tt := range []struct {
		c    LoggingConfig
		e    Event
		want int
	}{
		{LoggingConfig{Format: "JSON"}, report(nil), 1},
		{LoggingConfig{Format: "JSON"}, RuntimeDone{Status: StatusSuccess}, 0},
		{LoggingConfig{Format: "JSON"}, InitDone{Status: StatusSuccess}, 0},
		{LoggingConfig{Format: "JSON", SystemLevel: "DEBUG"}, InitDone{Status: StatusSuccess}, 2},
		{LoggingConfig{Format: "JSON", SystemLevel: "WARN"}, InitDone{Status: StatusTimeout}, 2},
		{LoggingConfig{Format: "JSON", SystemLevel: "WARN"}, report(nil), 0},
		{LoggingConfig{Format: "JSON", SystemLevel: "WARN"}, Fault{Text: "x"}, 1},
		{LoggingConfig{Format: "JSON", SystemLevel: "WARN"}, LogLine{Text: "printed"}, 1},
		{LoggingConfig{Format: "JSON", ApplicationLevel: "ERROR"}, LogLine{Text: `{"level":"WARN"}`}, 0},
		{LoggingConfig{Format: "JSON", ApplicationLevel: "TRACE"}, LogLine{Text: `{"level":"debug"}`}, 1},
		{LoggingConfig{Format: "Text", ApplicationLevel: "ERROR"}, LogLine{Text: `{"level":"WARN"}`}, 1},
	} {
		if got := render(tt.c, tt.e); len(got) != tt.want {
			t.Errorf("%+v %#v: %d records, want %d: %q", tt.c, tt.e, len(got), tt.want, got)
		}
	}
}

func TestRenderingDoesNotAllocate(t *testing.T) {
	text, js := testSource("Text"), testSource("JSON")
	events := []Event{
		LogLine{RequestID: testRequest, Text: `{"level":"INFO","message":"x"}`},
		InvokeStart{RequestID: testRequest, Version: Latest, Trace: "Root=1-a"},
		RuntimeDone{RequestID: testRequest, Status: StatusSuccess, Latency: 1},
		report(func(r *Report) { r.Trace, r.SegmentID = "Root=1-a;b", "c" }),
	}
	buf, ends := make([]byte, 0, 4096), make([]int, 0, 8)
	allocs := testing.AllocsPerRun(100, func() {
		for _, e := range events {
			buf, ends = AppendLog(buf[:0], ends[:0], testAt, text, e)
			buf, ends = AppendLog(buf[:0], ends[:0], testAt, js, e)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func FuzzLineLevelNeverFails(f *testing.F) {
	f.Add(`{"level":"debug"}`)
	f.Add(`{"a":"\`)
	f.Add(`{"level":"`)
	f.Fuzz(func(t *testing.T, line string) {
		if got := Level(LogLine{Text: line}); got != "" && severity(got) < 0 {
			t.Errorf("%q", got)
		}
	})
}
