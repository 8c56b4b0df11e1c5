package wick

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// AppendText appends the log lines of an event in Lambda's text format, each with
// its line end, and returns the longer slice; it appends nothing for an event the
// text log doesn't show. at is when the event happened. Most callers want
// AppendLog, which picks the format a function asks for.
//
// Source: shared/spec/lambda.md section 4, and lines as AWS wrote them: REPORT ends
// with a tab except where it has a Status.
func AppendText(dst []byte, at time.Time, src *Source, e Event) []byte {
	switch e := e.(type) {
	case LogLine:
		dst = append(dst, e.Text...)
		return append(dst, '\n')
	case Fault:
		return append(dst, e.Text...)
	case InvokeStart:
		dst = append(dst, "START RequestId: "...)
		dst = append(dst, e.RequestID...)
		dst = append(dst, " Version: "...)
		dst = append(dst, e.Version...)
		return append(dst, '\n')
	case Report:
		dst = appendEnd(dst, &e)
		return appendReport(dst, &e)
	case InitStart:
		// An init that is repeated with an event isn't announced, only reported.
		if e.Phase == PhaseInvoke {
			return dst
		}
		dst = append(dst, "INIT_START Runtime Version: "...)
		dst = append(dst, e.RuntimeVersion...)
		if e.RuntimeVersionARN != "" {
			dst = append(dst, "\tRuntime Version ARN: "...)
			dst = append(dst, e.RuntimeVersionARN...)
		}
		return append(dst, '\n')
	case InitDone:
		// A successful init is told by REPORT's Init Duration.
		if e.Status == StatusSuccess {
			return dst
		}
		dst = append(dst, "INIT_REPORT Init Duration: "...)
		dst = appendMillis(dst, e.Duration)
		dst = append(dst, " ms\tPhase: "...)
		dst = append(dst, e.Phase...)
		dst = appendStatus(dst, e.Status, e.ErrorType)
		return append(dst, '\n')
	case LogsDropped:
		dst = append(dst, "LOGS_DROPPED\tRecords: "...)
		dst = strconv.AppendInt(dst, e.Records, 10)
		dst = append(dst, "\tBytes: "...)
		dst = strconv.AppendInt(dst, e.Bytes, 10)
		dst = append(dst, "\tReason: "...)
		dst = append(dst, e.Reason...)
		return append(dst, '\n')
	case RuntimeDone, StateChanged:
		return dst
	}
	return dst
}

// AppendLog appends an event as the log of its function shows it: in the format and
// down to the level of the function's LoggingConfig, nothing when it is filtered
// out. Each log record ends at an offset of dst that is appended to ends: one event
// can be two records (END and REPORT), and one record two lines (REPORT and XRAY).
func AppendLog(dst []byte, ends []int, at time.Time, src *Source, e Event) ([]byte, []int) {
	if src.Function != nil && src.Function.Logging.Format == "JSON" {
		if start, ok := e.(InitStart); ok && start.Phase == PhaseInvoke || !keeps(&src.Function.Logging, e) {
			return dst, ends
		}
		if e, ok := e.(InitDone); ok {
			dst = appendInitRuntimeDone(dst, at, &e)
			ends = append(ends, len(dst))
			dst = appendInitReport(dst, at, &e)
			return dst, append(ends, len(dst))
		}
		return closeRecord(AppendJSON(dst, at, src, e), len(dst), ends)
	}
	if e, ok := e.(Report); ok {
		dst = appendEnd(dst, &e)
		ends = append(ends, len(dst))
		dst = appendReport(dst, &e)
		return dst, append(ends, len(dst))
	}
	return closeRecord(AppendText(dst, at, src, e), len(dst), ends)
}

// closeRecord notes the end of what was appended since dst was before bytes long.
func closeRecord(dst []byte, before int, ends []int) ([]byte, []int) {
	if len(dst) > before {
		ends = append(ends, len(dst))
	}
	return dst, ends
}

// RequestIDOf returns the invocation an event belongs to, "" outside one.
func RequestIDOf(e Event) string {
	switch e := e.(type) {
	case LogLine:
		return e.RequestID
	case InvokeStart:
		return e.RequestID
	case RuntimeDone:
		return e.RequestID
	case Report:
		return e.RequestID
	case Fault:
		return e.RequestID
	}
	return ""
}

func appendEnd(dst []byte, e *Report) []byte {
	dst = append(dst, "END RequestId: "...)
	dst = append(dst, e.RequestID...)
	return append(dst, '\n')
}

func appendReport(dst []byte, e *Report) []byte {
	dst = append(dst, "REPORT RequestId: "...)
	dst = append(dst, e.RequestID...)
	dst = append(dst, "\tDuration: "...)
	dst = appendMillis(dst, e.Duration)
	dst = append(dst, " ms\tBilled Duration: "...)
	dst = strconv.AppendInt(dst, wholeMillis(e.Billed), 10)
	dst = append(dst, " ms\tMemory Size: "...)
	dst = strconv.AppendInt(dst, int64(e.MemoryMB), 10)
	dst = append(dst, " MB\tMax Memory Used: "...)
	dst = strconv.AppendInt(dst, int64(e.MaxMemoryMB), 10)
	dst = append(dst, " MB"...)
	if e.Init > 0 {
		dst = append(dst, "\tInit Duration: "...)
		dst = appendMillis(dst, e.Init)
		dst = append(dst, " ms"...)
	}
	// An exception the function reported itself is no failure of the platform's:
	// such a REPORT has no Status.
	if e.Status == StatusTimeout || e.Status == StatusFailure || e.ErrorType != "" {
		dst = appendStatus(dst, e.Status, e.ErrorType)
	} else {
		dst = append(dst, '\t')
	}
	dst = append(dst, '\n')
	if e.SegmentID != "" {
		dst = append(dst, "XRAY TraceId: "...)
		dst = append(dst, traceRoot(e.Trace)...)
		dst = append(dst, "\tSegmentId: "...)
		dst = append(dst, e.SegmentID...)
		dst = append(dst, "\tSampled: true\t\n"...)
	}
	return dst
}

// appendStatus appends the Status and Error Type fields of REPORT and INIT_REPORT,
// which know time-outs and errors only.
func appendStatus(dst []byte, s Status, errorType string) []byte {
	if s == StatusTimeout {
		return append(dst, "\tStatus: timeout"...)
	}
	dst = append(dst, "\tStatus: error"...)
	if errorType != "" {
		dst = append(dst, "\tError Type: "...)
		dst = append(dst, errorType...)
	}
	return dst
}

// traceRoot returns the trace ID of an X-Amzn-Trace-Id header: what Root= says.
func traceRoot(header string) string {
	_, rest, ok := strings.Cut(header, "Root=")
	if !ok {
		return header
	}
	root, _, _ := strings.Cut(rest, ";")
	return root
}

// appendMillis appends a duration in milliseconds with two decimals.
func appendMillis(dst []byte, d time.Duration) []byte {
	hundredths := int64(d+5*time.Microsecond) / int64(10*time.Microsecond)
	dst = strconv.AppendInt(dst, hundredths/100, 10)
	return append(dst, '.', byte('0'+hundredths/10%10), byte('0'+hundredths%10))
}

// wholeMillis rounds up.
func wholeMillis(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// appendJSONString appends s as a JSON string; what is not UTF-8 becomes U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
