package wick

import "strings"

// FromTraceparent turns a W3C traceparent header into the X-Amzn-Trace-Id header of the
// same trace: X-Ray's trace ID has the same 32 digits, a segment's ID is the span's, and
// Sampled is the flag. ok is false when it isn't one of the form that the specification
// wants, which says to ignore it then.
//
// Source: W3C Trace Context, traceparent header field values.
func FromTraceparent(traceparent string) (header string, ok bool) {
	// version "-" trace-id "-" parent-id "-" trace-flags; later versions may add fields.
	p := traceparent
	if len(p) < 55 || p[2] != '-' || p[35] != '-' || p[52] != '-' || len(p) > 55 && (p[:2] == "00" || p[55] != '-') {
		return "", false
	}
	version, trace, parent, flags := p[:2], p[3:35], p[36:52], p[53:55]
	for _, field := range [...]string{version, trace, parent, flags} {
		if !isLowerHex(field) {
			return "", false
		}
	}
	if version == "ff" || strings.Trim(trace, "0") == "" || strings.Trim(parent, "0") == "" {
		return "", false
	}
	sampled := "0"
	if strings.IndexByte("13579bdf", flags[1]) >= 0 { // the lowest bit
		sampled = "1"
	}
	return "Root=1-" + trace[:8] + "-" + trace[8:] + ";Parent=" + parent + ";Sampled=" + sampled, true
}

func isLowerHex(s string) bool { return isHex(s) && strings.ToLower(s) == s }
