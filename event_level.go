package wick

import "strings"

// Level returns the log level of an event, TRACE, DEBUG, INFO, WARN, ERROR or FATAL,
// which a function's JSON log is filtered by. It is "" for what is never filtered:
// text that is no JSON object, and the platform's word about a failure.
//
// Source: Lambda developer guide, System log level event mapping; application logs
// say their level in the member "level", INFO when it is missing or none of these.
func Level(e Event) string {
	switch e := e.(type) {
	case LogLine:
		return lineLevel(e.Text)
	case InvokeStart:
		return "INFO"
	case RuntimeDone:
		return levelOf(e.Status, "DEBUG")
	case Report:
		return levelOf(e.Status, "INFO")
	case InitStart:
		if e.RuntimeVersion == "" {
			return "DEBUG"
		}
		return "INFO"
	case InitDone:
		return levelOf(e.Status, "DEBUG")
	case LogsDropped:
		return "WARN"
	case StateChanged:
		return "DEBUG"
	}
	return ""
}

func levelOf(s Status, success string) string {
	if s == StatusSuccess {
		return success
	}
	return "WARN"
}

// levels in rising order of severity.
var levels = [...]string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}

// severity returns the rank of a level, whatever its case, or -1.
func severity(level string) int {
	for i, l := range levels {
		if strings.EqualFold(l, level) {
			return i
		}
	}
	return -1
}

// keeps says whether an event passes the levels of a function's JSON log. An unset
// level is INFO.
func keeps(c *LoggingConfig, e Event) bool {
	level := Level(e)
	if level == "" {
		return true
	}
	limit := c.SystemLevel
	if _, ok := e.(LogLine); ok {
		limit = c.ApplicationLevel
	}
	lowest := severity(limit)
	if lowest < 0 {
		lowest = severity("INFO")
	}
	return severity(level) >= lowest
}

// lineLevel returns the level a printed line states, "" when the line is no JSON
// object. It reads just enough of the object to find its member "level", without
// allocating, and trusts the rest.
func lineLevel(line string) string {
	s := strings.TrimLeft(line, " \t\r\n")
	if s == "" || s[0] != '{' {
		return ""
	}
	depth, key := 0, false // key: the next string at depth 1 is a member's name
	for i := 0; i < len(s); {
		switch s[i] {
		case '{', '[':
			depth++
			key = depth == 1
			i++
		case '}', ']':
			depth--
			if depth == 0 {
				return "INFO"
			}
			i++
		case ',':
			key = depth == 1
			i++
		case '"':
			text, next := scanString(s, i)
			if next < 0 {
				return "" // cut off: no object after all
			}
			i = next
			if !key {
				continue
			}
			key = false
			if text == "level" {
				return namedLevel(s[i:])
			}
		default:
			i++
		}
	}
	return ""
}

// scanString returns what is between the quotes of the JSON string that begins at
// s[i], escapes and all, and the offset behind it, or -1 when it doesn't end.
func scanString(s string, i int) (text string, next int) {
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case '\\':
			j++
		case '"':
			return s[i+1 : j], j + 1
		}
	}
	return "", -1
}

// namedLevel reads `: "level"` and returns the level, INFO when it is none.
func namedLevel(s string) string {
	s = strings.TrimLeft(s, " \t\r\n:")
	if s != "" && s[0] == '"' {
		if text, next := scanString(s, 0); next > 0 {
			if i := severity(text); i >= 0 {
				return levels[i]
			}
		}
	}
	return "INFO"
}
