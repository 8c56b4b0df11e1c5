package filter

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// term is a word, a phrase or a regular expression.
type term struct {
	text string
	re   *regexp.Regexp
}

// in says whether a message has the term. Words and phrases match whole words: what is
// part of a longer word is found with a regular expression only.
func (t term) in(message string) bool {
	if t.re != nil {
		return t.re.MatchString(message)
	}
	first, _ := utf8.DecodeRuneInString(t.text)
	last, _ := utf8.DecodeLastRuneInString(t.text)
	for from := 0; ; {
		i := strings.Index(message[from:], t.text)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(t.text)
		before, _ := utf8.DecodeLastRuneInString(message[:start])
		after, _ := utf8.DecodeRuneInString(message[end:])
		if (start == 0 || !inWord(first) || !inWord(before)) && (end == len(message) || !inWord(last) || !inWord(after)) {
			return true
		}
		_, size := utf8.DecodeRuneInString(message[start:])
		from = start + size
	}
}

func inWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// parseWords reads terms separated by spaces. All plain ones must be in a message, none
// of those with "-", and, when there are no others, one of those with "?": beside others
// they are optional and decide nothing.
func parseWords(pattern string) (*Filter, error) {
	var all, any, none []term
	s := scanner{text: pattern}
	for s.space(); s.more(); s.space() {
		to := &all
		switch s.peek() {
		case '?':
			to = &any
			s.pos++
		case '-':
			to = &none
			s.pos++
		}
		t, err := s.term()
		if err != nil {
			return nil, err
		}
		*to = append(*to, t)
	}
	if len(all)+len(none) > 0 {
		any = nil
	}
	return &Filter{hasRegex: s.regexes > 0, match: func(message string, _ map[string]string) bool {
		for _, t := range all {
			if !t.in(message) {
				return false
			}
		}
		for _, t := range none {
			if t.in(message) {
				return false
			}
		}
		for _, t := range any {
			if t.in(message) {
				return true
			}
		}
		return len(any) == 0
	}}, nil
}

// term reads one term of a pattern of words.
func (s *scanner) term() (term, error) {
	switch s.peek() {
	case '"':
		text, err := s.quoted()
		if err == nil && text == "" {
			err = wrong("a term is empty")
		}
		return term{text: text}, err
	case '%':
		re, err := s.regex()
		return term{re: re}, err
	}
	start := s.pos
	for s.more() && !isSpace(s.peek()) {
		s.pos++
	}
	if start == s.pos {
		return term{}, wrong("a term is empty")
	}
	return term{text: s.text[start:s.pos]}, nil
}
