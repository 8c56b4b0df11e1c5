package filter

import (
	"strings"
	"testing"
)

// here are the fields of a record.
func here(name string) string {
	return map[string]string{AccountField: "111111111111", RegionField: "us-east-1", SourceField: "111111111111:/aws/lambda/f"}[name]
}

func TestCriteriaSelectByFields(t *testing.T) {
	for text, want := range map[string]bool{
		"":                          true,
		`@aws.region = "us-east-1"`: true, `@aws.region='eu-west-1'`: false, `@aws.region != "us-east-1"`: false,
		`@aws.account IN ["2", "111111111111"]`: true, `@aws.account in ["2"]`: false, `@aws.account NOT IN ["2"]`: true,
		`@aws.account = "111111111111" AND @aws.region = "x"`:                            false,
		`@aws.account = "2" OR @aws.region = "us-east-1" AND @aws.account != "2"`:        true,
		`NOT (@aws.account = "2" or @aws.region = "us-east-1")`:                          false,
		`NOT @aws.account = "2" AND (@source.log = "111111111111:/aws/lambda/f")`:        true,
		`(@aws.account = "2" OR @aws.region = "us-east-1") AND @source.log IN ["a","b"]`: false,
		"\t@aws.account  NOT  IN  [ '2' , '3' ]\n":                                       true,
	} {
		s, err := ParseSelection(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := s.Match(here); got != want {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func TestCriteriaThatAreWrongSayWhy(t *testing.T) {
	for text, want := range map[string]string{
		`@aws.zone = "x"`: "a field is expected", `"x" = "x"`: "a field is expected", `@aws.region`: "is expected after @aws.region",
		`@aws.region = x`: "a text in quotation marks", `@aws.region = "x`: "isn't closed", `@aws.region IN "x"`: "a list in [ ]",
		`@aws.region IN ["x"`: "a list isn't closed", `@aws.region IN []`: "a text in quotation marks", `(@aws.region = "x"`: "a parenthesis isn't closed",
		`@aws.region = "x" @aws.region = "y"`: "unexpected @aws.region", `@aws.region = "x" AND`: "a field is expected", `@aws.region NOT "x"`: "is expected after",
		strings.Repeat("(", 60): "too deep", strings.Repeat("NOT ", 60) + `@aws.region = "x"`: "too deep", "]": "a field is expected",
	} {
		if _, err := ParseSelection(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func FuzzCriteriaAreRead(f *testing.F) {
	f.Add(`@aws.region = "us-east-1" AND NOT (@aws.account NOT IN ["1", '2'])`)
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseSelection(text); err == nil {
			s.Match(here)
		}
	})
}
