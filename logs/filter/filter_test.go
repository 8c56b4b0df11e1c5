package filter

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
)

const (
	badRequest   = "[ERROR 400] BAD REQUEST"
	unauthorized = "[ERROR 401] UNAUTHORIZED REQUEST"
	noArguments  = "[ERROR 419] MISSING ARGUMENTS"
	success      = "[SUCCESS 200] AUTHORIZED REQUEST"
	access       = `127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534` + "\n"
	document     = `{"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111","arrayKey":["value","another value"],` +
		`"objectList":[{"name":"a","id":1},{"name":"b","id":2}],"SomeObject":null,"ThisFlag":true,"n":42,"big":1.5e3,"dotted.name":"x","a":{"b":"x"}}`
)

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, message string
		want             bool
	}{
		// Words.
		{"", badRequest, true},
		{" ", badRequest, true},
		{"ERROR", badRequest, true},
		{"error", badRequest, false},
		{"ERROR", success, false},
		{"ERROR REQUEST", badRequest, true},
		{"ERROR REQUEST", noArguments, false},
		{"REQ", badRequest, false}, // part of a word
		{"AUTHORIZED", unauthorized, false},
		{"AUTHORIZED", success, true},
		{"%AUTHORIZED%", unauthorized, true},
		{"ERROR", "ERRORS ERROR", true},
		{"ü", "für ü", true},
		{"ü", "für", false},
		{"?ERROR ?SUCCESS", success, true},
		{"?ERROR ?ARGUMENTS", success, false},
		{"?REQUEST ?ARGUMENTS", noArguments, true},
		{"ERROR ?ARGUMENTS", badRequest, true}, // beside others, ? decides nothing
		{"ERROR -REQUEST", noArguments, true},
		{"ERROR -REQUEST", badRequest, false},
		{"-ERROR", success, true},
		{`"BAD REQUEST"`, badRequest, true},
		{`"REQUEST BAD"`, badRequest, false},
		{`"[ERROR 400]"`, badRequest, true},
		{`-"BAD REQUEST" ERROR`, unauthorized, true},
		{`?"BAD REQUEST" ?ARGUMENTS`, badRequest, true},
		{`"a \"b\" c"`, `x a "b" c y`, true},
		{`%4[0-9]{2}%`, badRequest, true},
		{`%4[0-9]{2}%`, success, false},
		{`%^\[ERR%`, badRequest, true},
		{`%gray|grey%`, "a grey one", true},
		{`-%4[0-9]{2}%`, success, true},

		// Space-delimited fields.
		{"[]", badRequest, true},
		{"[ip, env, user, timestamp, request, status, bytes]", access, true},
		{"[ip, env, user, timestamp, request, status]", access, false},
		{"[ip, env, user, timestamp, request = *.html*, status = 4*, bytes]", access, true},
		{"[ip, env, user, timestamp, request = *.txt*, status = 4*, bytes]", access, false},
		{"[ip, env, user, timestamp, request, status_code = 404, bytes > 1000]", access, true},
		{"[ip, env, user, timestamp, request, status_code = 404, bytes > 1534]", access, false},
		{"[..., status_code >= 400 && status_code < 500, bytes]", access, true},
		{"[..., status_code = 5* || status_code = 40*, bytes]", access, true},
		{"[..., status_code = 5* || status_code = 41*, bytes]", access, false},
		{"[ip = 127.0.0.1, ...]", access, true},
		{"[ip != 127.0.0.1, ...]", access, false},
		{"[ip, ..., bytes = 1534]", access, true},
		{"[,,user = frank,,,,]", access, true},
		{"[ip = %127\\.0\\..%, ...]", access, true},
		{`[ip, env, user, timestamp = "10/Oct*", ...]`, access, true},
		{"[w1 = ERROR, w2]", "ERROR two", true},
		{"[w1 = ERROR, w2]", "ERROR two three", false},
		{"[w1 = ERROR || w1 = WARN, ...]", "WARN it is late", true},
		{"[(w1 = ERROR || w1 = %WARN%) && w1 != WARNING, ...]", "WARNING it is late", false},
		{"[a, b]", "", false},
		{"[a]", `"open`, true},

		// JSON.
		{`{ $.eventType = "UpdateTrail" }`, document, true},
		{`{ $.eventType = UpdateTrail }`, document, true},
		{`{$.eventType="UpdateTrail"}`, document, true},
		{`{ $.eventType = "Update*" }`, document, true},
		{`{ $.eventType = *Trail }`, document, true},
		{`{ $.eventType = "update*" }`, document, false},
		{`{ $.eventType != "UpdateTrail" }`, document, false},
		{`{ $.missing != "UpdateTrail" }`, document, false},
		{`{ $.sourceIPAddress != 123.123.* }`, document, true},
		{`{ $.sourceIPAddress = %111\.111% }`, document, true},
		{`{ $.arrayKey[0] = "value" }`, document, true},
		{`{ $.arrayKey[1] = "value" }`, document, false},
		{`{ $.arrayKey[*] = "another value" }`, document, true},
		{`{ $.arrayKey[9] = "value" }`, document, false},
		{`{ $.arrayKey = "value" }`, document, false},
		{`{ $.objectList[1].id = 2 }`, document, true},
		{`{ $.objectList[*].id >= 2 }`, document, true},
		{`{ $.SomeObject IS NULL }`, document, true},
		{`{ $.SomeOtherObject IS NULL }`, document, false},
		{`{ $.SomeOtherObject NOT EXISTS }`, document, true},
		{`{ $.SomeObject NOT EXISTS }`, document, false},
		{`{ $.ThisFlag IS TRUE }`, document, true},
		{`{ $.ThisFlag IS FALSE }`, document, false},
		{`{ $.ThisFlag = true }`, document, true},
		{`{ $.n = 42 }`, document, true},
		{`{ $.n = 42.0 }`, document, true},
		{`{ $.n = "42" }`, document, true},
		{`{ $.n != 42 }`, document, false},
		{`{ $.n > 41 }`, document, true},
		{`{ $.n <= 41.9 }`, document, false},
		{`{ $.big = 1500 }`, document, true},
		{`{ $.big >= 1e3 }`, document, true},
		{`{ $.eventType > 3 }`, document, false},
		{`{ $.['dotted.name'] = "x" }`, document, true},
		{`{ $["dotted.name"] = "x" }`, document, true},
		{`{ $.a.b = "x" && ($.n > 50 || $.ThisFlag IS TRUE) }`, document, true},
		{`{ $.a.b = "x" && ($.n > 50 || $.ThisFlag IS FALSE) }`, document, false},
		{`{ $.a.b = "y" || $.n = 42 && $.ThisFlag IS TRUE }`, document, true},
		{`{ ($.n = 42) && ($.a.b = "x") }`, document, true},
		{`{ $.n = 42 }`, "no JSON", false},
		{`{ $.n = 42 }`, `{"n":`, false},
		{`{ $.n = 42 }`, "", false},
		{`{ $[0].n = 42 }`, `[{"n":42}]`, true},
		{`{ $.*.b = "x" }`, document, true},
	} {
		f, err := Parse(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		if got := f.Match(tt.message); got != tt.want {
			t.Errorf("%s on %q: %v", tt.pattern, tt.message, got)
		}
	}
}

func TestBrokenPatternsAreRefused(t *testing.T) {
	for _, pattern := range []string{
		`"open`, `%open`, `%%`, `%a% %b% %c%`, `{ $.a = %a% || $.b = %b% || $.c = %c% }`, `[a = %x% || a = %y% || a = %z%]`, `%a!b%`, `%(a)%`, `%[%`, `?`, `-`, `""`,
		`[a, b`, `[a b]`, `[..., a, ...]`, `[a > x]`, `[a=1 && b=2]`, `[a] b`, `[a =, b]`, `[(a=1]`,
		`{`, `{}`, `{ $.a }`, `{ a = 1 }`, `{ $.a = }`, `{ $.a = 1`, `{ $.a = 1 } x`, `{ ($.a = 1 }`, `{ $.a IS MAYBE }`, `{ $.a NOT }`,
		`{ $. = 1 }`, `{ $.a[x] = 1 }`, `{ $.a[1 = 1 }`, `{ $['a = 1 }`, `{ $.a < "x" }`, `{ $.a = 1 && }`, `{` + strings.Repeat("(", 200),
	} {
		var syntax *SyntaxError
		if _, err := Parse(pattern); !errors.As(err, &syntax) {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

func TestExtract(t *testing.T) {
	for _, tt := range []struct {
		pattern, message string
		want             map[string]string
	}{
		{"[ip, , user, timestamp, request, ...]", access, map[string]string{
			"$ip": "127.0.0.1", "$2": "Prod", "$user": "frank", "$timestamp": "10/Oct/2000:13:25:15 -0700",
			"$request": "GET /index.html HTTP/1.0", "$6": "404", "$7": "1534",
		}},
		{"[..., size]", "a b 3", map[string]string{"$1": "a", "$2": "b", "$size": "3"}},
		{`{ $.n = 42 && $.a.b = * }`, document, map[string]string{"$.n": "42", "$.a.b": "x"}},
		{"ERROR", badRequest, map[string]string{}},
	} {
		f, err := Parse(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := f.Extract(tt.message)
		if !ok || !maps.Equal(got, tt.want) {
			t.Errorf("%s: %v %v", tt.pattern, ok, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "a ?b -c", `"a b"`, "%a.b%", "[a, b=1, ...]", "[a=*x* || a!=%y%]", `{ $.a.b = "x" && ($.n > 3 || $.ok IS TRUE) }`,
		`{ $.['a'][0] NOT EXISTS }`,
	} {
		f.Add(seed, access)
		f.Add(seed, document)
	}
	f.Fuzz(func(t *testing.T, pattern, message string) {
		p, err := Parse(pattern)
		if err != nil {
			return
		}
		values, matched := p.Extract(message)
		if matched != p.Match(message) {
			t.Errorf("%q on %q: Match and Extract differ", pattern, message)
		}
		for name := range values {
			if !strings.HasPrefix(name, "$") {
				t.Errorf("%q: a value is called %q", pattern, name)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, pattern := range []string{"REQUEST", "%4[0-9]{2}%", "[..., s = 4*, b]", "{ $.n = 42 }"} {
		b.Run(fmt.Sprint(pattern), func(b *testing.B) {
			f, err := Parse(pattern)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				f.Match(access)
			}
		})
	}
}
