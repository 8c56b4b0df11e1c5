package protocol

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/models"
)

// path is where in an input a value stands. It is kept as a chain so that nothing
// is built for inputs that are right.
type path struct {
	parent *path
	member *models.Member // a structure's
	index  int            // the member's place in its structure, or the element's in its list
	key    string         // of a map's entry
	list   bool
}

// String renders a path as AWS does: vpcConfig.securityGroupIds, filters.1.member.pattern.
func (p *path) String() string {
	if p == nil {
		return ""
	}
	prefix := p.parent.String()
	if prefix != "" {
		prefix += "."
	}
	switch {
	case p.member != nil:
		return prefix + lowerFirst(p.member.Name)
	case p.list:
		return prefix + strconv.Itoa(p.index+1) + ".member"
	}
	return prefix + p.key + ".member"
}

// order is the path as member indexes, for sorting.
func (p *path) order() []int {
	if p == nil {
		return nil
	}
	return append(p.parent.order(), p.index)
}

func lowerFirst(s string) string {
	if s == "" || s[0] < 'A' || s[0] > 'Z' {
		return s
	}
	return string(s[0]+'a'-'A') + s[1:]
}

// violation is one constraint an input breaks.
type violation struct {
	order []int
	text  string
}

// violations gathers what is wrong with an input.
type violations []violation

// add notes that the value at a path breaks constraints.
func (vs *violations) add(at *path, value string, constraints ...string) {
	for _, c := range constraints {
		*vs = append(*vs, violation{at.order(), fmt.Sprintf("Value %sat '%s' failed to satisfy constraint: %s", value, at, c)})
	}
}

// err returns the ValidationException that names all of them, or nil.
//
// The recordings with more than one (test_function_name_and_qualifier_validation,
// test_layer_exceptions) name the members from the model's last to its first and a
// member's own constraints in the order length, pattern.
func (vs violations) err() error {
	if len(vs) == 0 {
		return nil
	}
	slices.SortStableFunc(vs, func(a, b violation) int {
		for i := range min(len(a.order), len(b.order)) {
			if c := cmp.Compare(b.order[i], a.order[i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(a.order), len(b.order))
	})
	texts := make([]string, len(vs))
	for i, v := range vs {
		texts[i] = v.text
	}
	plural := "s"
	if len(vs) == 1 {
		plural = ""
	}
	return wick.Errorf(wick.Validation, "%d validation error%s detected: %s", len(vs), plural, strings.Join(texts, "; "))
}

// quoted renders a value for a message: 'x' and a space, nothing when it is secret.
func quoted(s *models.Shape, v string) string {
	if s.Sensitive {
		return ""
	}
	return "'" + v + "' "
}

// null is how a missing value stands in a message.
const null = "null "

// javaText renders a value as Java's toString does, which is what AWS's messages
// hold: lists [a, b], maps {k=v}, structures Name(member=value).
func javaText(c *codec, v reflect.Value) string {
	if c.shape.Sensitive {
		return "***"
	}
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return "null"
		}
		v = v.Elem()
	}
	switch c.kind {
	case kindList:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = javaText(c.element, v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case kindMap:
		var parts []string
		for _, k := range sortedKeys(v) {
			parts = append(parts, k.String()+"="+javaText(c.element, v.MapIndex(k)))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case kindStruct:
		parts := make([]string, len(c.fields))
		for i, f := range c.fields {
			value := v.Field(f.index)
			text := "null"
			if !f.absent(value) {
				text = javaText(f.codec, value)
			}
			parts[i] = lowerFirst(f.member.Name) + "=" + text
		}
		return c.shape.Name + "(" + strings.Join(parts, ", ") + ")"
	case kindFloat:
		return javaDouble(v.Float())
	case kindString:
		return v.String()
	}
	return fmt.Sprint(v.Interface())
}

// javaDouble renders a float as Java's Double.toString does for the sizes found in
// requests: always with a fraction.
func javaDouble(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.ContainsAny(s, ".N") {
		s += ".0"
	}
	return s
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
