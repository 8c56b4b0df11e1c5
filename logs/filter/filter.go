// Package filter is the language of CloudWatch Logs' filter patterns: words (with ?any,
// -none, "phrases"), %regular expressions%, [space, delimited, fields] with conditions,
// and { $.json = "selectors" } with conditions. A pattern is parsed once and then
// matched against messages, from any goroutine.
//
// aws/logs and package logs use it for FilterLogEvents, metric filters and subscription
// filters.
// Source: CloudWatch Logs, filter pattern syntax.
package filter

import (
	"fmt"
	"strings"
)

// Filter is a parsed pattern.
type Filter struct {
	match    func(message string, extract map[string]string) bool
	hasRegex bool
}

// HasRegex says whether there is a regular expression in the pattern: AWS counts those.
func (f *Filter) HasRegex() bool { return f.hasRegex }

// SyntaxError says what is wrong with a pattern.
type SyntaxError struct{ Reason string }

// Error returns the reason.
func (e *SyntaxError) Error() string { return "Invalid filter pattern: " + e.Reason }

func wrong(format string, args ...any) error {
	return &SyntaxError{fmt.Sprintf(format, args...)}
}

// Parse reads a pattern; its error is a *SyntaxError. An empty one matches everything.
func Parse(pattern string) (*Filter, error) {
	p := strings.TrimSpace(strings.ToValidUTF8(pattern, "\ufffd")) // as JSON decoders have it
	switch {
	case p == "" || p == "[]":
		return &Filter{match: func(string, map[string]string) bool { return true }}, nil
	case p[0] == '{':
		return parseJSON(p)
	case p[0] == '[':
		return parseFields(p)
	}
	return parseWords(p)
}

// Match says whether a message matches.
func (f *Filter) Match(message string) bool { return f.match(message, nil) }

// Extract is Match that also returns what the pattern names: of a space-delimited one
// its fields as "$name", of a JSON one its selectors.
func (f *Filter) Extract(message string) (map[string]string, bool) {
	values := map[string]string{}
	if !f.match(message, values) {
		return nil, false
	}
	return values, true
}
