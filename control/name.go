package control

import (
	"strings"

	"github.com/wick-run/wick"
)

// Ref is a function as a caller named it.
type Ref struct {
	ID        wick.FunctionID
	Qualifier string // version or alias; "" when the caller named none
}

// ARN returns the function's ARN with the qualifier, if the caller gave one.
func (r Ref) ARN() string { return r.ID.QualifiedARN(r.Qualifier) }

// namePattern is the expression a function's name must satisfy where a version may
// follow it. Recorded: test_function_name_and_qualifier_validation.
const namePattern = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?` +
	`(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`

// ParseFunctionName understands a function's name in all of AWS's forms (the name, a
// partial ARN, an ARN, each with or without a qualifier) as a caller of an account
// in a region means it. qualifier is the request's own parameter, or "".
//
// Validation when the name has none of the forms; InvalidParameter when it carries
// another qualifier than the parameter; NotFound when it is of another region.
func ParseFunctionName(name, qualifier, account, region string) (Ref, error) {
	p, ok := splitName(name)
	if !ok {
		return Ref{}, wick.Errorf(wick.Validation,
			"1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: "+
				"Member must satisfy regular expression pattern: %s", name, namePattern)
	}
	if p.qualifier != "" && qualifier != "" && p.qualifier != qualifier {
		return Ref{}, wick.Errorf(wick.InvalidParameter,
			"The derived qualifier from the function name does not match the specified qualifier.")
	}
	if p.region != "" && p.region != region {
		return Ref{}, wick.Errorf(wick.NotFound,
			"Functions from '%s' are not reachable in this region ('%s')", p.region, region)
	}
	ref := Ref{ID: wick.FunctionID{Account: account, Region: region, Name: p.name}, Qualifier: qualifier}
	if p.account != "" {
		ref.ID.Account = p.account
	}
	if p.qualifier != "" {
		ref.Qualifier = p.qualifier
	}
	return ref, nil
}

// nameParts are the parts of a function's name; all but the name may be empty.
type nameParts struct{ region, account, name, qualifier string }

// splitName takes a name apart as namePattern does: what stands in front is a
// region, an account or "function" wherever it can be, unless nothing would be left
// for the name.
func splitName(s string) (nameParts, bool) {
	if strings.IndexByte(s, ':') < 0 { // the usual case
		return nameParts{name: s}, isName(s)
	}
	if rest, ok := trimARN(s); ok {
		if p, ok := splitPrefix(rest, 0); ok {
			return p, true
		}
	}
	return splitPrefix(s, 0)
}

// trimARN cuts arn:PARTITION:lambda: off.
func trimARN(s string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(s, "arn:")
	if !ok {
		return s, false
	}
	partition, rest, ok := strings.Cut(rest, ":")
	if !ok || partition != "" && !isPartition(partition) {
		return s, false
	}
	return strings.CutPrefix(rest, "lambda:")
}

// splitPrefix reads [region:][account:][function:]name[:qualifier], from step on: 0
// the region, 1 the account, 2 the word, 3 the name.
func splitPrefix(s string, step int) (nameParts, bool) {
	if step == 3 {
		name, qualifier, qualified := strings.Cut(s, ":")
		ok := isName(name) && (!qualified || isQualifier(qualifier))
		return nameParts{name: name, qualifier: qualifier}, ok
	}
	if head, rest, ok := strings.Cut(s, ":"); ok {
		fits := [...]func(string) bool{isRegion, isAccount, isFunctionWord}[step]
		if fits(head) {
			if p, ok := splitPrefix(rest, step+1); ok {
				switch step {
				case 0:
					p.region = head
				case 1:
					p.account = head
				}
				return p, true
			}
		}
	}
	return splitPrefix(s, step+1)
}

func isFunctionWord(s string) bool { return s == "function" }

func isName(s string) bool {
	for _, c := range []byte(s) {
		if !isAlphanumeric(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != ""
}

// isQualifier says whether s may follow a name.
func isQualifier(s string) bool {
	if s == wick.Latest || s == wick.Latest+".PUBLISHED" {
		return true
	}
	for _, c := range []byte(s) {
		if !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// isVersion says whether a qualifier is a published version's number.
func isVersion(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

func isAccount(s string) bool { return len(s) == 12 && isVersion(s) }

func isPartition(s string) bool {
	rest, ok := strings.CutPrefix(s, "aws")
	for _, c := range []byte(rest) {
		if !isLetter(c) && c != '-' {
			return false
		}
	}
	return ok
}

// isRegion says whether s looks like a region: two letters, perhaps a government or
// isolated part, a name, a digit.
func isRegion(s string) bool {
	s = strings.TrimPrefix(s, "eusc-")
	parts := strings.Split(s, "-")
	if len(parts) == 4 && (parts[1] == "gov" || len(parts[1]) <= 4 && strings.HasPrefix(parts[1], "iso") && isLower(parts[1])) {
		parts = append(parts[:1], parts[2:]...)
	}
	return len(parts) == 3 && len(parts[0]) == 2 && isLower(parts[0]) && isLower(parts[1]) &&
		len(parts[2]) == 1 && isVersion(parts[2])
}

func isLower(s string) bool {
	for _, c := range []byte(s) {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}

func isLetter(c byte) bool       { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isAlphanumeric(c byte) bool { return isLetter(c) || c >= '0' && c <= '9' }
