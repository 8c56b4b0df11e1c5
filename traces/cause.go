package traces

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/wick-run/wick"
)

// Bounds of a cause. Source: X-Ray developer guide, segment documents, errors and exceptions.
const (
	maxErrorObject = 64 << 10
	maxFrames      = 100
	workingDir     = "/var/task"
)

// cause is why a segment failed.
type cause struct {
	WorkingDirectory string      `json:"working_directory"`
	Exceptions       []exception `json:"exceptions"`
}

type exception struct {
	ID        string  `json:"id"`
	Type      string  `json:"type,omitempty"`
	Message   string  `json:"message,omitempty"`
	Cause     string  `json:"cause,omitempty"` // the ID of the exception that led to it
	Truncated int     `json:"truncated,omitempty"`
	Stack     []frame `json:"stack,omitempty"`
}

type frame struct {
	Path  string `json:"path,omitempty"`
	Line  int    `json:"line,omitempty"`
	Label string `json:"label,omitempty"`
}

// errorObject is what a function that failed answers with, in any of the runtimes'
// forms.
type errorObject struct {
	Type       string            `json:"errorType"`
	Message    string            `json:"errorMessage"`
	StackTrace []json.RawMessage `json:"stackTrace"` // Python, Java, Ruby, Go, .NET
	Trace      []json.RawMessage `json:"trace"`      // Node
	Cause      *errorObject      `json:"cause"`      // Java, .NET
}

// causeOf makes a segment's cause from an error object; without a readable one it has
// the error's type alone.
func causeOf(segment, errorType string, object []byte) *cause {
	var o errorObject
	if json.Unmarshal(object, &o) != nil || (o.Type == "" && o.Message == "") {
		o = errorObject{Type: errorType}
		if o.Type == "" {
			o.Type = "Unhandled"
		}
	}
	c := &cause{WorkingDirectory: workingDir}
	for e := &o; e != nil && len(c.Exceptions) < 8; e = e.Cause {
		x := exception{
			ID: wick.RelatedSegmentID(segment, "exception/"+strconv.Itoa(len(c.Exceptions))), Type: e.Type, Message: e.Message,
		}
		lines := e.StackTrace
		if len(lines) == 0 {
			lines = e.Trace
		}
		x.Stack = framesOf(lines)
		if len(x.Stack) > maxFrames {
			x.Truncated = len(x.Stack) - maxFrames
			x.Stack = x.Stack[:maxFrames]
		}
		if n := len(c.Exceptions); n > 0 {
			c.Exceptions[n-1].Cause = x.ID
		}
		c.Exceptions = append(c.Exceptions, x)
	}
	return c
}

// framesOf reads a stack trace; what isn't a frame, such as Node's first line, which
// repeats the message, is left out.
func framesOf(lines []json.RawMessage) []frame {
	var frames []frame
	for _, raw := range lines {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			var f frame // Go has objects
			if json.Unmarshal(raw, &f) == nil && f != (frame{}) {
				frames = append(frames, f)
			}
			continue
		}
		if f, ok := parseFrame(text); ok {
			frames = append(frames, f)
		}
	}
	return frames
}

// frameForms are the runtimes' ways to write a frame; the groups are named by what
// they are.
var frameForms = []*regexp.Regexp{
	// Python:   File "/var/task/app.py", line 3, in handler
	regexp.MustCompile(`^\s*File "(?P<path>[^"]+)", line (?P<line>\d+), in (?P<label>[^\n]+)`),
	// Node:     at handler (/var/task/index.js:3:9), and: at /var/task/index.js:3:9
	regexp.MustCompile(`^\s*at (?P<label>.+?) \((?P<path>[^()]+?):(?P<line>\d+):\d+\)$`),
	regexp.MustCompile(`^\s*at (?P<path>[^\s()]+?):(?P<line>\d+):\d+$`),
	// .NET:     at Namespace.Type.Method(String s) in /src/File.cs:line 12
	regexp.MustCompile(`^\s*at (?P<label>.+?) in (?P<path>.+?):line (?P<line>\d+)$`),
	// Java:     com.example.Handler.handle(Handler.java:12)
	regexp.MustCompile(`^\s*(?:at )?(?P<label>[\w.$<>]+)\((?P<path>[^():]+):(?P<line>\d+)\)$`),
	// Ruby:     /var/task/app.rb:3:in `handler'
	regexp.MustCompile("^\\s*(?P<path>[^:\\s]+):(?P<line>\\d+):in [`'](?P<label>[^']+)'$"),
}

func parseFrame(text string) (frame, bool) {
	text = strings.TrimRight(text, "\n")
	for _, form := range frameForms {
		m := form.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		var f frame
		for i, name := range form.SubexpNames() {
			switch name {
			case "path":
				f.Path = m[i]
			case "label":
				f.Label = m[i]
			case "line":
				f.Line, _ = strconv.Atoi(m[i]) // digits; one that overflows is none
			}
		}
		return f, true
	}
	return frame{}, false
}
