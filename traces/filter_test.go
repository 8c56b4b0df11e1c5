package traces

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wick-run/wick"
)

// shop is a trace of a web server that calls a function, which fails.
func shop(t testing.TB) *Trace {
	return traceOf(t,
		fmt.Sprintf(`{"id":"000000000000000a","trace_id":%q,"name":"web","start_time":1,"end_time":3,"user":"ada",
			"http":{"request":{"method":"GET","url":"http://shop/cart","user_agent":"curl","client_ip":"10.0.0.1"},"response":{"status":200}},
			"annotations":{"cart":"big","items":3,"vip":true},
			"subsegments":[{"id":"000000000000000c","name":"DynamoDB","namespace":"aws","start_time":1,"end_time":1.5},
				{"id":"000000000000000d","name":"api.example","namespace":"remote","start_time":1,"end_time":1.5}]}`, traceA),
		fmt.Sprintf(`{"id":"000000000000000b","parent_id":"000000000000000a","trace_id":%q,"name":"orders","origin":"AWS::Lambda::Function",
			"start_time":2,"end_time":2.5,"fault":true,"aws":{"account_id":"000000000000"},"resource_arn":"arn:orders",
			"cause":{"exceptions":[{"message":"out of stock"}]},"subsegments":[{"id":"000000000000000e","name":"Initialization","start_time":2,"end_time":2.1}]}`, traceA))
}

func TestFilterExpressionsSelect(t *testing.T) {
	tr := shop(t)
	for _, c := range []struct {
		filter string
		want   bool
	}{
		{"", true}, {"  ", true},
		{"ok", true}, {"error", false}, {"fault", false}, {"throttle", false}, {"!fault", true}, {"NOT ok", false},
		{"fault = false", true}, {"fault != false", false}, {"ok = true", true},
		{"partial", false}, {"inferred", false}, {"remote", true}, {"coldstart", true}, {"root", true},
		{"responsetime = 2", true}, {"responsetime > 2", false}, {"responsetime >= 2 AND responsetime <= 2", true}, {"duration < 2.5", true},
		{"responsetime != 2", false}, {"responsetime > -1", true},
		{"http.status = 200", true}, {"http.status != 200", false}, {`http.method = "GET"`, true}, {`http.url CONTAINS "cart"`, true},
		{`http.url BEGINSWITH "http://shop"`, true}, {`http.url ENDSWITH "cart"`, true}, {`http.url endswith "shop"`, false},
		{`http.useragent = "curl"`, true}, {`http.clientip = "10.0.0.2"`, false},
		{`user = "ada"`, true}, {`resource.arn = "arn:orders"`, true}, {`type = "AWS::Lambda::Function"`, true}, {`name = "DynamoDB"`, true},
		{`message CONTAINS "stock"`, true}, {`message CONTAINS "stack"`, false},
		{`annotation.cart = "big"`, true}, {`annotation[cart] = "big"`, true}, {`annotation["cart"] = "small"`, false},
		{`annotation.cart`, true}, {`!annotation.none`, true}, {`annotation.items > 2`, true}, {`annotation.items = "3"`, false},
		{`annotation.vip = true`, true}, {`annotation.vip = false`, false}, {`annotation.cart > 1`, false},
		{`service("orders")`, true}, {`service("nobody")`, false}, {`!service("nobody")`, true}, {`service()`, true},
		{`service("orders") { fault }`, true}, {`service("web") { fault }`, false}, {`service("orders") { responsetime < 1 AND fault }`, true},
		{`service("web") { root }`, true}, {`service("orders") { root }`, false}, {`service("web") { first }`, true}, {`service("orders") { last }`, true},
		{`service(id(name: "orders", type: "AWS::Lambda::Function"))`, true}, {`service(id(type: "AWS::Lambda"))`, false},
		{`service(id(account.id: "000000000000")) { duration = 0.5 }`, true},
		{`edge("web", "orders")`, true}, {`edge("orders", "web")`, false}, {`edge("web", "orders") { fault }`, true}, {`edge("web", "orders") { ok }`, false},
		{`fault OR ok AND error`, false}, {`(fault OR ok) AND !error`, true}, {`ok OR fault AND error`, true}, {`!(ok AND fault)`, true},
	} {
		f, err := ParseFilter(c.filter)
		if err != nil {
			t.Errorf("%s: %v", c.filter, err)
			continue
		}
		if got := f.Match(tr); got != c.want {
			t.Errorf("%s: %t, want %t", c.filter, got, c.want)
		}
	}
}

func TestFilterExpressionsThatMakeNoSenseSayWhere(t *testing.T) {
	for _, c := range []struct{ filter, want string }{
		{"nonsense", `at character 1 there is "nonsense" instead of a keyword`},
		{"ok ok", `at character 4 there is "ok" instead of AND`},
		{"ok AND", "at character 7 there is its end instead of a keyword"},
		{"(ok", "its end instead of )"},
		{"ok)", `")" instead of AND`},
		{"responsetime", "its end instead of a comparison with responsetime"},
		{"responsetime >", "its end instead of a value"},
		{`responsetime > "x"`, "instead of a number behind >"},
		{`http.url CONTAINS 3`, "instead of text in quotes behind CONTAINS"},
		{`service("x"`, "its end instead of )"},
		{`service("x) {ok}`, `instead of a closing "`},
		{`service(7)`, "instead of a service's"},
		{`service("x") { ok`, "its end instead of }"},
		{`service(id(colour: "x"))`, "instead of name, type or account.id"},
		{`edge("x")`, "instead of ,"},
		{"annotation[", "instead of an annotation's key"},
		{"annotation.", "instead of a keyword"},
		{"fault = 3", "instead of true or false"},
		{"responsetime > 1.2.3", "instead of a number"},
		{"é", `"é" instead of a keyword`},
		{strings.Repeat("(", 200) + "ok", "less nesting"},
		{strings.Repeat("!", 200) + "ok", "less nesting"},
		{strings.Repeat("service(){", 100) + "ok", "less nesting"},
		{strings.Repeat("x", maxFilter+1), "2000 are allowed"},
	} {
		_, err := ParseFilter(c.filter)
		if err == nil || !strings.Contains(err.Error(), c.want) || wick.KindOf(err) != wick.InvalidParameter {
			t.Errorf("%.60s: %v, want %s", c.filter, err, c.want)
		}
	}
}

func TestNestingDoesNotMultiplyTheWork(t *testing.T) {
	f, err := ParseFilter(strings.Repeat("service(){", maxDepth-1) + "throttle" + strings.Repeat("}", maxDepth-1))
	if err != nil {
		t.Fatal(err)
	}
	if f.Match(shop(t)) { // if it did, this would not end
		t.Error("it matches")
	}
}

// FuzzParseFilter holds the parser to: no panic, no error of another kind, and what it
// takes can be applied.
func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{
		`service("x") { fault } AND annotation.a = "b" OR !(responsetime > 5)`, `edge("a", id(name: "b", type: "c")) { ok = false }`,
		`annotation["k"] BEGINSWITH "x\"y\\"`, `http.status != 500 AND duration <= 1e3`, "-1", `"`, "((", "service(id(", "é",
	} {
		f.Add(s)
	}
	tr := shop(f)
	f.Fuzz(func(t *testing.T, s string) {
		filter, err := ParseFilter(s)
		if err != nil {
			if wick.KindOf(err) != wick.InvalidParameter {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		filter.Match(tr)
		filter.Match(&Trace{})
	})
}
