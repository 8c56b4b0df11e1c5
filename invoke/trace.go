package invoke

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance"
)

// traced is an event's trace: the header its function gets and, if it is recorded,
// what that takes.
type traced struct {
	header string
	tracer Tracer // nil unless it is recorded
	parent string // the segment that called
	began  time.Time
}

// traceOf decides about an event's trace. Whoever invokes may have decided already;
// what it left open is decided for functions whose tracing is Active.
// Source: Lambda developer guide, X-Ray; X-Ray developer guide, tracing header.
func (v *Invoker) traceOf(f *wick.Function, given string) traced {
	undecided := f.TracingMode == tracingActive && !strings.Contains(given, "Sampled=0")
	if v.tracer != nil && (undecided || strings.Contains(given, "Sampled=1")) {
		return v.record(f, given)
	}
	return traced{header: unrecorded(given)}
}

const tracingActive = "Active"

// record is traceOf for an event that may well be recorded.
func (v *Invoker) record(f *wick.Function, given string) traced {
	now := time.Now()
	h := wick.ParseTraceHeader(given)
	if h.Sampled != "1" && (h.Sampled == "0" || f.TracingMode != tracingActive || !v.tracer.Sample(f, now)) ||
		h.Root != "" && !wick.ValidTraceID(h.Root) {
		return traced{header: unrecorded(given)}
	}
	t := traced{tracer: v.tracer, began: now}
	if wick.ValidSegmentID(h.Parent) {
		t.parent = h.Parent
	}
	if h.Root == "" {
		h = wick.ParseTraceHeader(newHeader(now))
	}
	h.Sampled, h.Parent = "1", newSegmentID()
	t.header = h.String()
	return t
}

// answered records the service's part of an event that its function answered.
func (t *traced) answered(r *Request, f *wick.Function, a *instance.Answer) {
	if t.tracer == nil {
		return
	}
	e := t.invoked(r, f, 200)
	if a.Failed {
		e.Failed, e.Error = true, a.Payload
	}
	t.tracer.Invoked(e)
}

// refused records an event that no function answered, and returns the error.
func (t *traced) refused(r *Request, f *wick.Function, err error) error {
	if t.tracer != nil {
		status := 500
		if wick.KindOf(err) == wick.TooManyRequests {
			status = 429
		}
		t.tracer.Invoked(t.invoked(r, f, status))
	}
	return err
}

func (t *traced) invoked(r *Request, f *wick.Function, status int) *wick.Invoked {
	return &wick.Invoked{
		Function: f, RequestID: r.RequestID, Trace: t.header, Parent: t.parent,
		Began: t.began, Ended: time.Now(), Status: status,
	}
}

// unrecorded returns the header of an event that isn't recorded: the invoker's, or one
// of a new trace.
func unrecorded(given string) string {
	if strings.Contains(given, "Root=") {
		if !strings.Contains(given, "Sampled=") {
			given += ";Sampled=0"
		}
		return given
	}
	return newHeader(time.Now())
}

// newHeader returns the header of a new trace, which isn't sampled.
func newHeader(now time.Time) string {
	var random [24]byte
	if _, err := rand.Read(random[:]); err != nil { // it never fails on the systems we run on
		panic(err)
	}
	var seconds [4]byte
	binary.BigEndian.PutUint32(seconds[:], uint32(now.Unix())) //nolint:gosec // as the format has it, until 2106
	b := make([]byte, 0, 128)
	b = hex.AppendEncode(append(b, "Root=1-"...), seconds[:])
	b = hex.AppendEncode(append(b, '-'), random[:12])
	b = hex.AppendEncode(append(b, ";Parent="...), random[12:20])
	b = hex.AppendEncode(append(b, ";Sampled=0;Lineage=1:"...), random[20:])
	return string(append(b, ":0"...))
}

func newSegmentID() string {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil { // it never fails on the systems we run on
		panic(err)
	}
	return hex.EncodeToString(b[:])
}
