// Package oracle reads recordings of what the real AWS answered and compares answers with
// them. The recordings aren't in this repository: Read says where it looked for them.
//
// The tests of aws/lambda and test/runtimes are the callers.
package oracle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Entry is one test against the real service: what it answered, step by step.
type Entry struct {
	Content map[string]json.RawMessage `json:"content"`
}

// Read returns the entries of a file of recordings, by their names. The folder is
// WICK_ORACLE, else shared/oracle beside this module's. Where it isn't, entries is nil
// and skip says so in one line, for t.Skip; with WICK_ORACLE that is an error.
func Read(file string) (entries map[string]Entry, skip string, err error) {
	dir := os.Getenv("WICK_ORACLE")
	if dir == "" {
		root, err := os.Getwd()
		if err != nil {
			return nil, "", err
		}
		for !exists(filepath.Join(root, "go.mod")) && root != filepath.Dir(root) {
			root = filepath.Dir(root)
		}
		dir = filepath.Join(filepath.Dir(root), "shared", "oracle")
	}
	name := filepath.Join(dir, "aws-recorded", file)
	b, err := os.ReadFile(name) //nolint:gosec // the caller's file
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("WICK_ORACLE") == "" {
		return nil, "no recordings of the real service at " + name + ": set WICK_ORACLE to their folder to replay them", nil
	}
	if err != nil {
		return nil, "", err
	}
	if err := json.Unmarshal(b, &entries); err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	return entries, "", nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// Comparer holds answers against recorded ones, in which placeholders such as <uuid:1>
// stand for values: the first value it meets is the placeholder's for the rest of the
// entry, and no other placeholder of its family may have the same. One without a number
// stands for something else each time, unless Bound says what.
type Comparer struct {
	Bound    map[string]string // placeholders' values
	Problems []string          // what differs, in words
}

// NewComparer returns one that knows what bound says.
func NewComparer(bound map[string]string) *Comparer {
	return &Comparer{Bound: maps.Clone(bound)}
}

// Failf adds a problem.
func (c *Comparer) Failf(format string, args ...any) {
	c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
}

// Value compares two JSON values; members that are null count as absent, as for boto3.
func (c *Comparer) Value(at string, want, got any) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			c.Failf("%s is %v, recorded %v", at, got, want)
			return
		}
		for _, k := range slices.Sorted(maps.Keys(w)) {
			c.Value(strings.TrimPrefix(at+"."+k, "."), w[k], g[k])
		}
		for k, v := range g {
			if _, ok := w[k]; !ok && v != nil {
				c.Failf("%s.%s is %v, and not recorded", at, k, v)
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			c.Failf("%s is %v, recorded %v", at, got, want)
			return
		}
		for i := range w {
			c.Value(at+"."+strconv.Itoa(i), w[i], g[i])
		}
	case string:
		if !c.Text(w, Scalar(got)) {
			c.Failf("%s is %q, recorded %q", at, Scalar(got), c.Fill(w))
		}
	default:
		if want != got {
			c.Failf("%s is %v, recorded %v", at, got, want)
		}
	}
}

// Scalar returns a value as text; numbers too, since some are recorded as placeholders.
func Scalar(v any) string {
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

// Text compares a string with a recorded one and binds the placeholders in it.
func (c *Comparer) Text(want, got string) bool {
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
		for other, value := range c.Bound {
			if numbered && value == m[i+1] && strings.HasPrefix(other, family+":") {
				c.Failf("%s and %s are both %q", name, other, value)
			}
		}
		if numbered {
			c.Bound[name] = m[i+1] // without a number it stands for something else each time
		}
	}
	return true
}

// valueOf returns a placeholder's value, if it has one yet.
func (c *Comparer) valueOf(name string) (string, bool) {
	if m := repeated.FindStringSubmatch(name); m != nil {
		n, err := strconv.Atoi(m[2])
		return strings.Repeat(m[1], n), err == nil
	}
	v, ok := c.Bound[name]
	return v, ok
}

// Fill puts the values of placeholders in their places, for messages.
func (c *Comparer) Fill(s string) string {
	return placeholder.ReplaceAllStringFunc(s, func(name string) string {
		if v, ok := c.valueOf(name); ok {
			return v
		}
		return name
	})
}
