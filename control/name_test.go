package control

import (
	"regexp"
	"strings"
	"testing"

	"github.com/wick-run/wick"
)

func TestFunctionNamesAreUnderstoodInAllForms(t *testing.T) {
	const account, region = "000000000000", "us-east-1"
	id := func(account, name string) wick.FunctionID {
		return wick.FunctionID{Account: account, Region: region, Name: name}
	}
	for _, c := range []struct {
		name, qualifier string
		want            Ref
	}{
		{"f", "", Ref{id(account, "f"), ""}},
		{"f", "$LATEST", Ref{id(account, "f"), "$LATEST"}},
		{"f:3", "", Ref{id(account, "f"), "3"}},
		{"f:3", "3", Ref{id(account, "f"), "3"}},
		{"f:alias", "", Ref{id(account, "f"), "alias"}},
		{"f:$LATEST", "", Ref{id(account, "f"), "$LATEST"}},
		{"function:f", "", Ref{id(account, "f"), ""}},
		{"123456789012:f", "", Ref{id("123456789012", "f"), ""}},
		{"123456789012:function:f", "", Ref{id("123456789012", "f"), ""}},
		{"123456789012:function:f:1", "", Ref{id("123456789012", "f"), "1"}},
		{"us-east-1:123456789012:function:f", "", Ref{id("123456789012", "f"), ""}},
		{"arn:aws:lambda:us-east-1:123456789012:function:f", "", Ref{id("123456789012", "f"), ""}},
		{"arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST", "", Ref{id("123456789012", "f"), "$LATEST"}},
		{"arn:aws:lambda:us-east-1:123456789012:function:f:prod", "prod", Ref{id("123456789012", "f"), "prod"}},
		{"arn:aws:lambda:us-east-1:123456789012:function", "", Ref{id("123456789012", "function"), ""}},
		{"function", "", Ref{id(account, "function"), ""}},
		{"function:function", "", Ref{id(account, "function"), ""}},
		{"function:$LATEST", "", Ref{id(account, "function"), "$LATEST"}},
		{"arn:f", "", Ref{id(account, "arn"), "f"}},
		{"f", "$latest", Ref{id(account, "f"), "$latest"}},
	} {
		got, err := ParseFunctionName(c.name, c.qualifier, account, region)
		if err != nil || got != c.want {
			t.Errorf("%q with %q: %+v, %v", c.name, c.qualifier, got, err)
		}
	}
}

func TestFunctionNamesThatAreRefused(t *testing.T) {
	_, err := ParseFunctionName("arn:aws:lambda:us-east-1:123456789012:function:f:1", "2", "123456789012", "us-east-1")
	wantError(t, err, wick.InvalidParameter, "The derived qualifier from the function name does not match the specified qualifier.")
	_, err = ParseFunctionName("arn:aws:lambda:eu-west-1:123456789012:function:f", "", "123456789012", "us-east-1")
	wantError(t, err, wick.NotFound, "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')")
	for _, name := range []string{
		"", "*", "my-function!", "f:1:2", "function:f:$LATEST:extra", "f:$LATES", "invalid-account:function:f",
		"arn:aws:ec2:us-east-1:123456789012:instance:i-1", "arn:aws:lambda::123456789012:function:f",
		"arn:aws:lambda:us-east-1::function:f", "arn:aws:lambda:us-east-1:123400000000@function:myfn", "f:",
	} {
		_, err := ParseFunctionName(name, "", "123456789012", "us-east-1")
		wantError(t, err, wick.Validation, "1 validation error detected: Value '"+name+"' at 'functionName' failed to satisfy "+
			"constraint: Member must satisfy regular expression pattern: "+namePattern)
	}
}

// FuzzParseFunctionName compares the parser with the expression AWS names: what one
// takes the other takes, with the same parts.
func FuzzParseFunctionName(f *testing.F) {
	for _, s := range []string{
		"f", "f:1", "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST", "function:function:function", "arn:arn",
		"us-gov-west-1:f", "us-iso-east-1:123456789012:f", "eusc-de-east-1:f", "arn::lambda:f", "a:$LATEST.PUBLISHED", "arn:aws:lambda",
	} {
		f.Add(s)
	}
	pattern := regexp.MustCompile(`^(?:` + namePattern + `)$`)
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "\n") {
			return // where $ and the end of text differ
		}
		got, ok := splitName(s)
		m := pattern.FindStringSubmatch(s)
		if ok != (m != nil) {
			t.Fatalf("%q: parser says %v, the expression %v", s, ok, m != nil)
		}
		if !ok {
			return
		}
		want := nameParts{
			region: strings.TrimSuffix(m[3], ":"), account: strings.TrimSuffix(m[9], ":"),
			name: m[11], qualifier: m[13],
		}
		if got != want {
			t.Fatalf("%q: %+v, the expression has %+v", s, got, want)
		}
	})
}
