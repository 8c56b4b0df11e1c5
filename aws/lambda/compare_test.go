package lambda

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// comparer holds an answer against a recorded one, in which placeholders such as
// <uuid:1> stand for values: the first value it meets is the placeholder's for the
// rest of the entry, and no other placeholder of its family may have the same.
type comparer struct {
	bound    map[string]string
	problems []string
}

func newComparer() *comparer {
	return &comparer{bound: map[string]string{
		"<partition>": "aws", "<region>": testRegion, "<wrong-region>": "eu-west-3",
	}}
}

func (c *comparer) failf(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// answer compares what came over the wire with a recorded step. An error is recorded
// in boto3's form; another as the members of the document.
func (c *comparer) answer(recorded map[string]any, got wireAnswer) {
	body := map[string]any{}
	if len(got.body) > 0 {
		if err := json.Unmarshal(got.body, &body); err != nil {
			c.failf("the answer isn't JSON: %v: %q", err, got.body)
			return
		}
	}
	if inner, ok := recorded["CreateFunctionResponse"].(map[string]any); ok {
		recorded = inner
	}
	if meta, ok := recorded["ResponseMetadata"].(map[string]any); ok {
		if want := meta["HTTPStatusCode"].(float64); int(want) != got.status { //nolint:forcetypeassert // so they are recorded
			c.failf("status %d, recorded %v: %s", got.status, want, got.body)
		}
	}
	switch {
	case recorded["Errors"] != nil:
		c.constraintErrors(recorded, body, got)
	case recorded["Code"] != nil && recorded["Message"] != nil:
		c.failure(map[string]any{"Code": recorded["Code"], "Message": recorded["Message"]}, body, got)
	case recorded["Error"] != nil:
		c.failure(recorded["Error"].(map[string]any), body, got) //nolint:forcetypeassert // so they are recorded
		for _, k := range []string{"Type", "message", "Message", "Reason"} {
			// Recorded only of errors that the operation's model declares.
			if recorded["Type"] != nil && recorded[k] != body[k] && !c.same(recorded[k], body[k]) {
				c.failf("member %s is %v, recorded %v", k, body[k], recorded[k])
			}
		}
	default:
		recorded = maps.Clone(recorded)
		delete(recorded, "ResponseMetadata")
		c.value("", recorded, body)
	}
}

func (c *comparer) same(recorded, got any) bool {
	r, ok1 := recorded.(string)
	g, ok2 := got.(string)
	return ok1 && ok2 && c.text(r, g)
}

func (c *comparer) failure(want, body map[string]any, got wireAnswer) {
	code, _, _ := strings.Cut(got.header.Get("X-Amzn-Errortype"), ":")
	if code != want["Code"] {
		c.failf("code %s, recorded %v: %s", code, want["Code"], got.body)
	}
	message := body["message"]
	if message == nil {
		message = body["Message"]
	}
	c.value("message", want["Message"], message)
}

// constraintErrors compares errors recorded as a list with our message.
func (c *comparer) constraintErrors(recorded, body map[string]any, got wireAnswer) {
	var texts []string
	for _, e := range recorded["Errors"].([]any) { //nolint:forcetypeassert // so they are recorded
		texts = append(texts, e.(string)) //nolint:forcetypeassert // so they are recorded
	}
	plural := ""
	if len(texts) != 1 {
		plural = "s"
	}
	message := fmt.Sprintf("%d validation error%s detected: %s", len(texts), plural, strings.Join(texts, "; "))
	c.failure(map[string]any{"Code": recorded["Code"], "Message": message}, body, got)
}

// value compares two JSON values; members that are null count as absent, as for boto3.
func (c *comparer) value(at string, want, got any) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			c.failf("%s is %v, recorded %v", at, got, want)
			return
		}
		for _, k := range slices.Sorted(maps.Keys(w)) {
			c.value(strings.TrimPrefix(at+"."+k, "."), w[k], g[k])
		}
		for k, v := range g {
			if _, ok := w[k]; !ok && v != nil {
				c.failf("%s.%s is %v, and not recorded", at, k, v)
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			c.failf("%s is %v, recorded %v", at, got, want)
			return
		}
		for i := range w {
			c.value(at+"."+strconv.Itoa(i), w[i], g[i])
		}
	case string:
		if !c.text(w, scalar(got)) {
			c.failf("%s is %q, recorded %q", at, scalar(got), c.fill(w))
		}
	default:
		if want != got {
			c.failf("%s is %v, recorded %v", at, got, want)
		}
	}
}

// scalar returns a value as text; numbers too, since some are recorded as placeholders.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}

var (
	placeholder = regexp.MustCompile(`<[a-zA-Z_][a-zA-Z0-9_-]*(?::(?:\d+|len\(\d+\)))?>`)
	repeated    = regexp.MustCompile(`^<([a-z]):len\((\d+)\)>$`)
	isoDate     = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$`)
)

// text compares a string with a recorded one and binds the placeholders in it.
func (c *comparer) text(want, got string) bool {
	if want == "date" {
		return isoDate.MatchString(got)
	}
	var names []string
	pattern, end := "^", 0
	for _, m := range placeholder.FindAllStringIndex(want, -1) {
		pattern += regexp.QuoteMeta(want[end:m[0]])
		end = m[1]
		name := want[m[0]:m[1]]
		switch value, ok := c.valueOf(name); {
		case ok:
			pattern += regexp.QuoteMeta(value)
		default:
			names = append(names, name)
			pattern += "(.+)"
		}
	}
	m := regexp.MustCompile("(?s)" + pattern + regexp.QuoteMeta(want[end:]) + "$").FindStringSubmatch(got)
	if m == nil {
		return false
	}
	for i, name := range names {
		family, _, numbered := strings.Cut(name, ":")
		for other, value := range c.bound {
			if numbered && value == m[i+1] && strings.HasPrefix(other, family+":") {
				c.failf("%s and %s are both %q", name, other, value)
			}
		}
		if numbered {
			c.bound[name] = m[i+1] // without a number it stands for something else each time
		}
	}
	return true
}

// valueOf returns a placeholder's value, if it has one yet.
func (c *comparer) valueOf(name string) (string, bool) {
	if m := repeated.FindStringSubmatch(name); m != nil {
		n, err := strconv.Atoi(m[2])
		return strings.Repeat(m[1], n), err == nil
	}
	v, ok := c.bound[name]
	return v, ok
}

// fill puts the values of placeholders in their places, for messages.
func (c *comparer) fill(s string) string {
	return placeholder.ReplaceAllStringFunc(s, func(name string) string {
		if v, ok := c.valueOf(name); ok {
			return v
		}
		return name
	})
}
