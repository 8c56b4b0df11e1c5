package protocol

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/wick-run/wick/aws/models"
)

// rule is a shape's constraints, ready to be checked.
type rule struct {
	shape   *models.Shape
	matches func(string) bool // nil for no pattern
	// none says that nothing can fail.
	none bool
}

// ruleBook holds the rules of a service's shapes, each made when it is first needed.
type ruleBook struct{ byShape sync.Map }

// of returns the rule of a shape.
func (b *ruleBook) of(s *models.Shape) *rule {
	if r, ok := b.byShape.Load(s); ok {
		return r.(*rule)
	}
	r := &rule{shape: s}
	if s.Pattern != "" {
		r.matches = compilePattern(s.Pattern)
	}
	r.none = !s.Min.Set && !s.Max.Set && s.Pattern == "" && len(s.Enum) == 0
	actual, _ := b.byShape.LoadOrStore(s, r)
	return actual.(*rule)
}

// lookarounds are the models' patterns that RE2 can't express, with an expression
// that matches the same strings.
var lookarounds = map[string]string{
	`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`: `[a-zA-Z0-9-_]*[a-zA-Z-_][a-zA-Z0-9-_]*`,
	`((?!^\d+$)^[0-9a-zA-Z-_]+$)`:  `[a-zA-Z0-9-_]*[a-zA-Z-_][a-zA-Z0-9-_]*`,
	`[0-9A-Za-z\.\-_]*(?<!\.)`:     `([0-9A-Za-z\.\-_]*[0-9A-Za-z\-_])?`,
	`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?`://
	`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:[0-9a-zA-Z-_]*[a-zA-Z-_][0-9a-zA-Z-_]*)?`,
}

// collectionName is the one pattern whose look-ahead has no counterpart: a MongoDB
// collection's name that isn't of the system's own.
const collectionName = `(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)`

// compilePattern returns the test of whether a whole string matches a model's pattern.
// Patterns are compiled when first used.
func compilePattern(pattern string) func(string) bool {
	expr, ok := lookarounds[pattern]
	if !ok {
		expr = pattern
	}
	re := sync.OnceValue(func() *regexp.Regexp {
		if pattern == collectionName {
			return regexp.MustCompile(`\A[_a-zA-Z0-9][^$]*\z`)
		}
		return regexp.MustCompile(`\A(?:` + expr + `)\z`)
	})
	return func(s string) bool {
		if pattern == collectionName && strings.HasPrefix(s, "system.") {
			return false
		}
		return re().MatchString(s)
	}
}

// text returns the constraints a string breaks, in AWS's words.
func (r *rule) text(s string) []string {
	if r.none {
		return nil
	}
	var broken []string
	if sh := r.shape; sh.Min.Set || sh.Max.Set {
		n := float64(utf8.RuneCountInString(s))
		broken = r.size(broken, n, "length")
	}
	if r.matches != nil && !r.matches(s) {
		broken = append(broken, r.patternText())
	}
	if len(r.shape.Enum) > 0 && !slices.Contains(r.shape.Enum, s) && !slices.Contains(r.shape.EnumMessage, s) {
		broken = append(broken, r.enumText())
	}
	return broken
}

// number returns the constraints a number breaks.
func (r *rule) number(v float64) []string { return r.size(nil, v, "value") }

// length returns the constraints a count of bytes, elements or entries breaks.
func (r *rule) length(n int) []string { return r.size(nil, float64(n), "length") }

func (r *rule) size(broken []string, n float64, what string) []string {
	if r.shape.Max.Set && n > r.shape.Max.At {
		broken = append(broken, r.maxText(what))
	}
	if r.shape.Min.Set && n < r.shape.Min.At {
		broken = append(broken, r.minText(what))
	}
	return broken
}

func (r *rule) maxText(what string) string {
	return fmt.Sprintf("Member must have %s less than or equal to %s", what, r.bound(r.shape.Max.At))
}

func (r *rule) minText(what string) string {
	return fmt.Sprintf("Member must have %s greater than or equal to %s", what, r.bound(r.shape.Min.At))
}

func (r *rule) patternText() string {
	return "Member must satisfy regular expression pattern: " + r.shape.Pattern
}

func (r *rule) enumText() string {
	values := r.shape.Enum
	if len(r.shape.EnumMessage) > 0 {
		values = r.shape.EnumMessage
	}
	return "Member must satisfy enum value set: [" + strings.Join(values, ", ") + "]"
}

// bound renders a limit as its shape's type is rendered in Java.
func (r *rule) bound(v float64) string {
	if r.shape.Type == models.Double || r.shape.Type == models.Float {
		return javaDouble(v)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

const notNull = "Member must not be null"

// all lists every constraint of the shape, as AWS does for the elements of a list
// and the keys and values of a map when one of them fails.
func (r *rule) all(nullable bool) []string {
	var cs []string
	what := "length"
	if r.shape.Type != models.String {
		what = "value"
	}
	if r.shape.Max.Set {
		cs = append(cs, r.maxText(what))
	}
	if r.shape.Min.Set {
		cs = append(cs, r.minText(what))
	}
	if r.shape.Pattern != "" {
		cs = append(cs, r.patternText())
	}
	if len(r.shape.Enum) > 0 {
		cs = append(cs, r.enumText())
	}
	if !nullable {
		cs = append(cs, notNull)
	}
	return cs
}

// elementText is the constraint of a list some element of which fails.
func elementText(list *models.Shape, element *rule) string {
	if list.BareElement {
		return strings.Join(element.all(true), ", ")
	}
	return "Member must satisfy constraint: [" + strings.Join(element.all(list.Sparse), ", ") + "]"
}

func mapKeyText(key *rule) string {
	return "Map keys must satisfy constraint: [" + strings.Join(key.all(true), ", ") + "]"
}

func mapValueText(value *rule) string {
	return "Map value must satisfy constraint: [" + strings.Join(value.all(false), ", ") + "]"
}
