package filter

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// scanner reads a pattern from left to right.
type scanner struct {
	text    string
	pos     int
	regexes int // that were read
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

func (s *scanner) more() bool { return s.pos < len(s.text) }

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if !s.more() {
		return 0
	}
	return s.text[s.pos]
}

func (s *scanner) space() {
	for s.more() && isSpace(s.text[s.pos]) {
		s.pos++
	}
}

// take skips space and then the given text, if it is there.
func (s *scanner) take(text string) bool {
	s.space()
	if !strings.HasPrefix(s.text[s.pos:], text) {
		return false
	}
	s.pos += len(text)
	return true
}

// word takes a keyword, in capitals or not.
func (s *scanner) word(w string) bool {
	s.space()
	end := s.pos + len(w)
	if end > len(s.text) || !strings.EqualFold(s.text[s.pos:end], w) {
		return false
	}
	if r, _ := utf8.DecodeRuneInString(s.text[end:]); end < len(s.text) && inWord(r) {
		return false
	}
	s.pos = end
	return true
}

// quoted reads text in double quotes; \" and \\ stand for themselves.
func (s *scanner) quoted() (string, error) {
	var b strings.Builder
	for s.pos++; s.more(); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return b.String(), nil
		case c == '\\' && s.pos+1 < len(s.text) && (s.text[s.pos+1] == '"' || s.text[s.pos+1] == '\\'):
			s.pos++
			b.WriteByte(s.text[s.pos])
		default:
			b.WriteByte(c)
		}
	}
	return "", wrong("a quotation mark isn't closed")
}

// regexSymbols are the characters beside letters and digits that AWS takes in regular
// expressions. Source: filter pattern syntax, supported regular expressions.
const regexSymbols = ` :_#=@/;,-^$?[]{}|\*+.`

// maxRegexes is how many a pattern may have. Source: CloudWatch Logs quotas, regular
// expressions.
const maxRegexes = 2

// regex reads an expression between percent signs.
func (s *scanner) regex() (*regexp.Regexp, error) {
	s.pos++
	end := strings.IndexByte(s.text[s.pos:], '%')
	if end < 0 {
		return nil, wrong("a regular expression isn't closed with %%")
	}
	expr := s.text[s.pos : s.pos+end]
	s.pos += end + 1
	if expr == "" {
		return nil, wrong("a regular expression is empty")
	}
	if s.regexes++; s.regexes > maxRegexes {
		return nil, wrong("it has more than %d regular expressions", maxRegexes)
	}
	for i := range len(expr) {
		c := expr[i]
		escaped := i > 0 && expr[i-1] == '\\'
		if c >= utf8.RuneSelf || !escaped && !isAlphanumeric(c) && strings.IndexByte(regexSymbols, c) < 0 {
			return nil, wrong("%q isn't supported in regular expressions", c)
		}
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, wrong("%v", err)
	}
	return re, nil
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
