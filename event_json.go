package wick

import (
	"strconv"
	"time"
)

// initOnDemand is the InitializationType of an InitDone, which doesn't carry one:
// Wick initialises on demand only.
const initOnDemand = "on-demand"

// AppendJSON appends an event as log lines of the JSON format, each an object of the
// Telemetry API's shape {"time","type","record"} and a line end. What a function
// printed, and a Fault's text, are appended as they are: in this format it is the
// runtime that prints objects. It appends nothing for a StateChanged.
//
// Source: Telemetry API, Event schema reference.
func AppendJSON(dst []byte, at time.Time, src *Source, e Event) []byte {
	switch e := e.(type) {
	case LogLine:
		dst = append(dst, e.Text...)
		return append(dst, '\n')
	case Fault:
		return append(dst, e.Text...)
	case InvokeStart:
		dst = appendHead(dst, at, "platform.start")
		dst = appendField(dst, `{"requestId":`, e.RequestID)
		if src.Function != nil {
			dst = appendFunctionARN(dst, src.Function)
		}
		dst = appendField(dst, `,"version":`, e.Version)
		dst = appendTracing(dst, e.Trace, "")
		return append(dst, "}}\n"...)
	case RuntimeDone:
		return appendRuntimeDone(dst, at, &e)
	case Report:
		return appendJSONReport(dst, at, &e)
	case InitStart:
		return appendInitStart(dst, at, src, &e)
	case InitDone:
		dst = appendInitRuntimeDone(dst, at, &e)
		return appendInitReport(dst, at, &e)
	case LogsDropped:
		dst = appendHead(dst, at, "platform.logsDropped")
		dst = appendField(dst, `{"reason":`, e.Reason)
		dst = append(dst, `,"droppedRecords":`...)
		dst = strconv.AppendInt(dst, e.Records, 10)
		dst = append(dst, `,"droppedBytes":`...)
		dst = strconv.AppendInt(dst, e.Bytes, 10)
		return append(dst, "}}\n"...)
	case StateChanged:
		return dst
	}
	return dst
}

func appendRuntimeDone(dst []byte, at time.Time, e *RuntimeDone) []byte {
	dst = appendHead(dst, at, "platform.runtimeDone")
	dst = appendField(dst, `{"requestId":`, e.RequestID)
	dst = appendOutcome(dst, e.Status, e.ErrorType)
	if e.Latency > 0 {
		transferred := at.Add(-e.Overhead)
		answered := transferred.Add(-e.Transfer)
		dst = append(dst, `,"spans":[`...)
		dst = appendSpan(dst, "responseLatency", answered.Add(-e.Latency), e.Latency)
		dst = append(dst, ',')
		dst = appendSpan(dst, "responseDuration", answered, e.Transfer)
		dst = append(dst, ',')
		dst = appendSpan(dst, "runtimeOverhead", transferred, e.Overhead)
		dst = append(dst, ']')
	}
	dst = append(dst, `,"metrics":{"durationMs":`...)
	dst = appendJSONMillis(dst, e.Duration)
	dst = append(dst, `,"producedBytes":`...)
	dst = strconv.AppendInt(dst, e.ProducedBytes, 10)
	return append(dst, "}}}\n"...)
}

func appendJSONReport(dst []byte, at time.Time, e *Report) []byte {
	dst = appendHead(dst, at, "platform.report")
	dst = appendField(dst, `{"requestId":`, e.RequestID)
	dst = append(dst, `,"metrics":{"durationMs":`...)
	dst = appendJSONMillis(dst, e.Duration)
	dst = append(dst, `,"billedDurationMs":`...)
	dst = strconv.AppendInt(dst, wholeMillis(e.Billed), 10)
	dst = append(dst, `,"memorySizeMB":`...)
	dst = strconv.AppendInt(dst, int64(e.MemoryMB), 10)
	dst = append(dst, `,"maxMemoryUsedMB":`...)
	dst = strconv.AppendInt(dst, int64(e.MaxMemoryMB), 10)
	if e.Init > 0 {
		dst = append(dst, `,"initDurationMs":`...)
		dst = appendJSONMillis(dst, e.Init)
	}
	dst = append(dst, '}')
	dst = appendTracing(dst, e.Trace, e.SegmentID)
	dst = appendOutcome(dst, e.Status, e.ErrorType)
	return append(dst, "}}\n"...)
}

func appendInitStart(dst []byte, at time.Time, src *Source, e *InitStart) []byte {
	dst = appendHead(dst, at, "platform.initStart")
	dst = appendField(dst, `{"initializationType":`, e.InitializationType)
	dst = appendField(dst, `,"phase":`, string(e.Phase))
	if e.RuntimeVersion != "" {
		dst = appendField(dst, `,"runtimeVersion":`, e.RuntimeVersion)
	}
	if e.RuntimeVersionARN != "" {
		dst = appendField(dst, `,"runtimeVersionArn":`, e.RuntimeVersionARN)
	}
	if f := src.Function; f != nil {
		dst = appendField(dst, `,"functionName":`, f.Name)
		dst = appendFunctionARN(dst, f)
		dst = appendField(dst, `,"functionVersion":`, f.Version)
	}
	// AWS's instanceId is the log stream's name, its memory is in bytes.
	dst = appendField(dst, `,"instanceId":`, src.LogStream)
	if f := src.Function; f != nil {
		dst = append(dst, `,"instanceMaxMemory":`...)
		dst = strconv.AppendInt(dst, int64(f.MemoryMB)<<20, 10)
	}
	return append(dst, "}}\n"...)
}

func appendInitRuntimeDone(dst []byte, at time.Time, e *InitDone) []byte {
	dst = appendHead(dst, at, "platform.initRuntimeDone")
	dst = appendField(dst, `{"initializationType":`, initOnDemand)
	dst = appendField(dst, `,"phase":`, string(e.Phase))
	dst = appendOutcome(dst, e.Status, e.ErrorType)
	return append(dst, "}}\n"...)
}

func appendInitReport(dst []byte, at time.Time, e *InitDone) []byte {
	dst = appendHead(dst, at, "platform.initReport")
	dst = appendField(dst, `{"initializationType":`, initOnDemand)
	dst = appendField(dst, `,"phase":`, string(e.Phase))
	dst = appendOutcome(dst, e.Status, e.ErrorType)
	dst = append(dst, `,"metrics":{"durationMs":`...)
	dst = appendJSONMillis(dst, e.Duration)
	return append(dst, "}}}\n"...)
}

// appendHead appends the envelope up to where the record's object begins.
func appendHead(dst []byte, at time.Time, kind string) []byte {
	dst = append(dst, `{"time":"`...)
	dst = appendTime(dst, at)
	dst = append(dst, `","type":"`...)
	dst = append(dst, kind...)
	return append(dst, `","record":`...)
}

// appendField appends a string member; opening is what stands before its value.
func appendField(dst []byte, opening, value string) []byte {
	dst = append(dst, opening...)
	return appendJSONString(dst, value)
}

// appendFunctionARN spells FunctionID.ARN out, which would allocate. Its parts were
// validated when the function was made: none needs escaping.
func appendFunctionARN(dst []byte, f *Function) []byte {
	dst = append(dst, `,"functionArn":"arn:`...)
	dst = append(dst, Partition(f.Region)...)
	dst = append(dst, ":lambda:"...)
	dst = append(dst, f.Region...)
	dst = append(dst, ':')
	dst = append(dst, f.Account...)
	dst = append(dst, ":function:"...)
	dst = append(dst, f.Name...)
	return append(dst, '"')
}

func appendOutcome(dst []byte, s Status, errorType string) []byte {
	dst = appendField(dst, `,"status":`, string(s))
	if errorType != "" {
		dst = appendField(dst, `,"errorType":`, errorType)
	}
	return dst
}

func appendTracing(dst []byte, trace, spanID string) []byte {
	if trace == "" {
		return dst
	}
	dst = append(dst, `,"tracing":{`...)
	if spanID != "" {
		dst = appendField(dst, `"spanId":`, spanID)
		dst = append(dst, ',')
	}
	dst = append(dst, `"type":"X-Amzn-Trace-Id"`...)
	dst = appendField(dst, `,"value":`, trace)
	return append(dst, '}')
}

func appendSpan(dst []byte, name string, start time.Time, d time.Duration) []byte {
	dst = append(dst, `{"name":"`...)
	dst = append(dst, name...)
	dst = append(dst, `","start":"`...)
	dst = appendTime(dst, start)
	dst = append(dst, `","durationMs":`...)
	dst = appendJSONMillis(dst, d)
	return append(dst, '}')
}

// appendTime appends a time as the log shows it: UTC, milliseconds.
func appendTime(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

// appendJSONMillis appends a duration in milliseconds with one to three decimals.
func appendJSONMillis(dst []byte, d time.Duration) []byte {
	micros := int64(d+500*time.Nanosecond) / int64(time.Microsecond)
	dst = strconv.AppendInt(dst, micros/1000, 10)
	rest := micros % 1000
	dst = append(dst, '.', byte('0'+rest/100))
	if rest%100 != 0 {
		dst = append(dst, byte('0'+rest/10%10))
	}
	if rest%10 != 0 {
		dst = append(dst, byte('0'+rest%10))
	}
	return dst
}
