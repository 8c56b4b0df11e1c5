package insights

import (
	"math"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

type function struct {
	least, most int
	eval        func(args []any) any
}

// functions of the language. Source: Insights, supported operations and functions.
var functions = map[string]function{
	"abs": numeric(math.Abs), "ceil": numeric(math.Ceil), "floor": numeric(math.Floor), "sqrt": numeric(math.Sqrt), "log": numeric(math.Log),
	"round":       numeric(math.Round),
	"greatest":    {1, 50, func(a []any) any { return extreme(a, 1) }},
	"least":       {1, 50, func(a []any) any { return extreme(a, -1) }},
	"strlen":      {1, 1, func(a []any) any { return float64(utf8.RuneCountInString(text(a[0]))) }},
	"toupper":     textual(strings.ToUpper),
	"tolower":     textual(strings.ToLower),
	"trim":        trimming(strings.Trim),
	"ltrim":       trimming(strings.TrimLeft),
	"rtrim":       trimming(strings.TrimRight),
	"strcontains": {2, 2, func(a []any) any { return strings.Contains(text(a[0]), text(a[1])) }},
	"replace":     {3, 3, replace},
	"substr":      {2, 3, substr},
	"concat": {1, 50, func(a []any) any {
		var b strings.Builder
		for _, v := range a {
			if b.WriteString(text(v)); b.Len() > maxText {
				return nil
			}
		}
		return b.String()
	}},
	"coalesce": {1, 50, func(a []any) any {
		for _, v := range a {
			if v != nil {
				return v
			}
		}
		return nil
	}},
	"ispresent": {1, 1, func(a []any) any { return a[0] != nil }},
	"isempty":   {1, 1, func(a []any) any { return text(a[0]) == "" }},
	"isblank":   {1, 1, func(a []any) any { return strings.TrimSpace(text(a[0])) == "" }},
	"frommillis": {1, 1, func(a []any) any {
		if n, ok := number(a[0]); ok {
			return time.UnixMilli(int64(n)).UTC()
		}
		return nil
	}},
	"tomillis": {1, 1, func(a []any) any {
		if n, ok := number(a[0]); ok {
			return n
		}
		return nil
	}},
	"now":            {0, 0, func([]any) any { return float64(time.Now().Unix()) }},
	"isvalidip":      address(func(netip.Addr) bool { return true }),
	"isvalidipv4":    address(netip.Addr.Is4),
	"isvalidipv6":    address(netip.Addr.Is6),
	"isipinsubnet":   subnet(func(netip.Addr) bool { return true }),
	"isipv4insubnet": subnet(netip.Addr.Is4),
	"isipv6insubnet": subnet(netip.Addr.Is6),
	"if": {3, 3, func(a []any) any {
		if truth(a[0]) {
			return a[1]
		}
		return a[2]
	}},
}

func numeric(f func(float64) float64) function {
	return function{1, 1, func(a []any) any {
		n, ok := number(a[0])
		if !ok {
			return nil
		}
		if n = f(n); math.IsNaN(n) || math.IsInf(n, 0) {
			return nil
		}
		return n
	}}
}

func textual(f func(string) string) function {
	return function{1, 1, func(a []any) any {
		if a[0] == nil {
			return nil
		}
		return f(text(a[0]))
	}}
}

// trimming removes blanks at the ends, or the characters of a second argument.
func trimming(f func(s, characters string) string) function {
	return function{1, 2, func(a []any) any {
		if a[0] == nil {
			return nil
		}
		characters := " \t\r\n"
		if len(a) == 2 {
			characters = text(a[1])
		}
		return f(text(a[0]), characters)
	}}
}

// address says whether a text is an IP address of a kind.
func address(kind func(netip.Addr) bool) function {
	return function{1, 1, func(a []any) any {
		ip, err := netip.ParseAddr(text(a[0]))
		return err == nil && kind(ip)
	}}
}

// subnet says whether a text is an IP address of a kind in a subnet such as 10.0.0.0/8.
func subnet(kind func(netip.Addr) bool) function {
	return function{2, 2, func(a []any) any {
		ip, err := netip.ParseAddr(text(a[0]))
		if err != nil || !kind(ip) {
			return false
		}
		in, err := netip.ParsePrefix(text(a[1]))
		return err == nil && in.Contains(ip)
	}}
}

func extreme(args []any, sign int) any {
	var best any
	for _, v := range args {
		if v != nil && (best == nil || compare(v, best)*sign > 0) {
			best = v
		}
	}
	return best
}

// maxText is how long a text can be that a function makes; a longer one is none.
const maxText = 2 << 20

func replace(a []any) any {
	s, old, by := text(a[0]), text(a[1]), text(a[2])
	if len(s)+strings.Count(s, old)*(len(by)-len(old)) > maxText {
		return nil
	}
	return strings.ReplaceAll(s, old, by)
}

// substr counts characters from 0.
func substr(a []any) any {
	runes := []rune(text(a[0]))
	from, ok := number(a[1])
	if !ok || from < 0 || from > float64(len(runes)) {
		return ""
	}
	runes = runes[int(from):]
	if len(a) == 3 {
		if n, ok := number(a[2]); ok && n >= 0 && n < float64(len(runes)) {
			runes = runes[:int(n)]
		}
	}
	return string(runes)
}
