package insights

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// records are a minute apart.
var records = []string{
	"START RequestId: r1 Version: $LATEST\n",
	`{"level":"INFO","n":1,"user":{"name":"ada","tags":["x","y"]}}` + "\n",
	`{"level":"ERROR","n":2.5,"user":{"name":"bob"}}` + "\n",
	"REPORT RequestId: r1\tDuration: 12.50 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\tInit Duration: 100.00 ms\n",
	"user=carl took 17 ms\n",
	"user=dora took 3 ms\n",
	"REPORT RequestId: r2\tDuration: 7.50 ms\tBilled Duration: 8 ms\tMemory Size: 128 MB\tMax Memory Used: 31 MB\t\n" +
		"XRAY TraceId: 1-5f84c7a5-0123456789ab0123456789ab\tSegmentId: 0123456789abcdef\tSampled: true\n",
	"2026-11-24T12:07:00.000Z\tr2\tINFO\tpaid {\"order\": {\"id\": 9, \"paid\": true}} at last\n",
}

// ask runs a query over the records and renders the rows without @ptr.
func ask(t *testing.T, text string) []string {
	t.Helper()
	q, err := Compile(text, 0)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	r := q.Start()
	for i, m := range records {
		request := "r1"
		if i > 3 {
			request = "r2"
		}
		r.Add(&wick.LogEvent{Timestamp: noon.Add(time.Duration(i) * time.Minute), Stream: "s", Seq: int64(i), RequestID: request, Message: m}, "000000000000:g")
	}
	rows := []string{}
	for _, row := range r.End() {
		var parts []string
		for _, f := range row {
			if f.Name != "@ptr" {
				parts = append(parts, f.Name+"="+f.Value)
			}
		}
		rows = append(rows, strings.Join(parts, ","))
	}
	return rows
}

func TestQueries(t *testing.T) {
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"fields @timestamp, @message | limit 1", []string{"@timestamp=2026-11-24 12:07:00.000,@message=" + strings.TrimSpace(records[7])}},
		{"fields @message | sort @timestamp asc | limit 1", []string{"@message=START RequestId: r1 Version: $LATEST"}},
		{"filter level = 'ERROR' | display n, user.name", []string{"n=2.5,user.name=bob"}},
		{"filter n >= 1 | sort n | display n", []string{"n=1", "n=2.5"}},
		{"filter user.tags.1 = 'y' | display n", []string{"n=1"}},
		{"filter ispresent(level) and not (level like /ERR/) | display level", []string{"level=INFO"}},
		{"filter level in ['ERROR', 'WARN'] | display level", []string{"level=ERROR"}},
		{"filter level not in ['ERROR', 'WARN'] and ispresent(level) | display level", []string{"level=INFO"}},
		{"filter @message like 'took' | display @logStream, @log | limit 1", []string{"@logStream=s,@log=000000000000:g"}},
		{"filter @message like /(?i)TOOK/ | stats count(*) as n", []string{"n=2"}},
		// As AWS's sample queries do.
		{"filter @type = 'REPORT' | stats max(@memorySize / 1000 / 1000) as given, max(@maxMemoryUsed / 1000 / 1000) as used, given - used as spare",
			[]string{"given=128,used=31,spare=97"}},
		{`filter @type = 'REPORT' | stats sum(strcontains(@message, "Init Duration"))/count(*) * 100 as coldPercent, ceil(avg(@duration)) as ms by bin(1h)`,
			[]string{"bin(1h)=2026-11-24 12:00:00.000,coldPercent=50,ms=10"}},
		{`filter @type = "REPORT" | fields @requestId, @billedDuration | sort by @billedDuration desc | limit 1`, []string{"@requestId=r1,@billedDuration=13"}},
		{"stats max(n) - min(n) as spread by @requestId | filter spread > 1", []string{"@requestId=r1,spread=1.5"}},
		{"stats count(*) as n by bin(5m) | stats max(n) as most, count(*) as periods", []string{"most=5,periods=2"}},
		{"filter n = 1 | display isValidIp('10.0.0.7') as a, isIpv4InSubnet('10.0.0.7', '10.0.0.0/8') as b, isIpv6InSubnet('10.0.0.7', '10.0.0.0/8') as c, isValidIpv6('::1') as d",
			[]string{"a=1,b=1,c=0,d=1"}},
		{"filter n = 1 | display ltrim('xxhixx', 'x') as l, rtrim('xxhixx', 'x') as r, trim(' hi ') as t", []string{"l=hixx,r=xxhi,t=hi"}},
		{"stats count(*) by bin(1mo) as m | sort m", []string{"m=2026-11-01 00:00:00.000,count(*)=8"}},
		{"filter n = 1 | display datefloor(@timestamp, 1q) as q, dateceil(@timestamp, 1y) as y, now() > 1 as late",
			[]string{"q=2026-10-01 00:00:00.000,y=2027-01-01 00:00:00.000,late=1"}},
		{"filter order.id = 9 | display order.id, order.paid, @requestId", []string{"order.id=9,order.paid=1,@requestId=r2"}},
		{"filter @xrayTraceId like /^1-/ | display @xrayTraceId, @xraySegmentId, @type",
			[]string{"@xrayTraceId=1-5f84c7a5-0123456789ab0123456789ab,@xraySegmentId=0123456789abcdef,@type=REPORT"}},
		{"filter @type = 'REPORT' | stats avg(@duration), max(@maxMemoryUsed), count(@initDuration)",
			[]string{"avg(@duration)=10,max(@maxMemoryUsed)=31000000,count(@initDuration)=1"}},
		{"filter not strcontains(@message, 'paid') | stats count(*) as n by @requestId | sort n desc", []string{"@requestId=r1,n=4", "@requestId=r2,n=3"}},
		{"stats count(*) by bin(5m)", []string{"bin(5m)=2026-11-24 12:00:00.000,count(*)=5", "bin(5m)=2026-11-24 12:05:00.000,count(*)=3"}},
		{"stats count(*) as n by bin(5m) as t | sort t desc | limit 1", []string{"t=2026-11-24 12:05:00.000,n=3"}},
		{"filter not strcontains(@message, 'paid') | stats count(*) by @requestId | sort count(*) asc", []string{"@requestId=r2,count(*)=3", "@requestId=r1,count(*)=4"}},
		{`parse @message "user=* took * ms" as who, ms | filter ispresent(who) | sort ms desc | display who, ms`, []string{"who=carl,ms=17", "who=dora,ms=3"}},
		{`parse /user=(?<who>\w+) took (?<ms>\d+)/ | stats sum(ms), min(ms), max(ms), count_distinct(who)`,
			[]string{"sum(ms)=20,min(ms)=3,max(ms)=17,count_distinct(who)=2"}},
		{`parse @message /user=(?<who>\w+)/ | filter ispresent(who) | display who | sort who`, []string{"who=carl", "who=dora"}},
		{`parse @message "took *" as rest | filter ispresent(rest) | display rest | sort rest`, []string{"rest=17 ms", "rest=3 ms"}},
		{"stats pct(@duration, 50), pct(@duration, 99), median(@duration), stddev(@duration)",
			[]string{"pct(@duration, 50)=7.5,pct(@duration, 99)=12.5,median(@duration)=7.5,stddev(@duration)=2.5"}},
		{"filter ispresent(level) | stats earliest(level), latest(level)", []string{"earliest(level)=INFO,latest(level)=ERROR"}},
		{"dedup @requestId | display @requestId", []string{"@requestId=r2", "@requestId=r1"}},
		{"filter n = 1 | fields n * 2 + 1 as m, (n + 1) ^ 2 as p, -n as q | display m, p, q", []string{"m=3,p=4,q=-1"}},
		{"filter n = 1 | display concat(toupper(level), '-', strlen(level)) as c, substr(level, 1, 2) as s, replace(level, 'N', 'M') as r",
			[]string{"c=INFO-4,s=NF,r=IMFO"}},
		{"filter n = 1 | display coalesce(nothing, level) as c, if(n > 5, 'big', 'small') as s, round(n / 3 * 100) as r", []string{"c=INFO,s=small,r=33"}},
		{"SOURCE 'g' | filter n = 1 # a comment\n| display n", []string{"n=1"}},
		{"filter `user.name` = 'ada' | display `user.name`", []string{"user.name=ada"}},
		{"filter nothing = 1", []string{}},
		{"filter n > 100 | stats count(*)", []string{"count(*)=0"}},
		{"filter strcontains(@message, 'took') | display datefloor(@timestamp, 1h) as h | limit 1", []string{"h=2026-11-24 12:00:00.000"}},
	} {
		if got := ask(t, tt.query); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s:\n got %q\nwant %q", tt.query, got, tt.want)
		}
	}
}

func TestBrokenQueriesAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "|", "nonsense", "fields", "fields @a,", "filter", "filter a =", "filter (a", "filter a like /x", "filter a in [1", "limit 0", "limit 10001",
		"limit x", "stats", "stats nothing(a)", "stats @message", "stats avg(max(a))", "stats count(*) by bin(0mo)", "stats count(*) by bin(99999999y)", "stats avg(a", "stats pct(a)", "stats pct(a, 101)", "sort", "parse @message 'a *'", "parse @message 'a *' as b, c",
		"parse /(/", "fields nothing(a)", "fields strlen()", "stats count(*) by bin(x)", "filter 'open", "fields `open", "fields a | | fields b",
		"filter " + strings.Repeat("(", 1000), "filter " + strings.Repeat("not ", 1000), "filter " + strings.Repeat("-", 1000),
	} {
		var syntax *SyntaxError
		if _, err := Compile(text, 0); !errors.As(err, &syntax) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func TestOnlyTheNewestRowsAreKept(t *testing.T) {
	q, err := Compile("fields @message", 5)
	if err != nil {
		t.Fatal(err)
	}
	r := q.Start()
	for i := range 20_000 {
		r.Add(&wick.LogEvent{Timestamp: noon.Add(time.Duration(i) * time.Millisecond), Message: fmt.Sprint(i)}, "g")
	}
	rows := r.End()
	if len(rows) != 5 || rows[0][0].Value != "19999" || rows[4][0].Value != "19995" {
		t.Errorf("%v", rows)
	}
	if n, _ := r.Scanned(); n != 20_000 || r.Matched() != 20_000 {
		t.Errorf("scanned %d, matched %d", n, r.Matched())
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		"fields @timestamp, @message | sort @timestamp desc | limit 20", "filter a = 'x' and (b > 3 or not c like /y/i)",
		"parse @message 'a * b' as x | stats count(*), pct(x, 99) by bin(5m)", "parse /(?<a>.)/ | dedup a | display a", "filter a in [1,2] | fields -a ^ 2 as b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Compile(text, 10)
		if err != nil {
			return
		}
		r := q.Start()
		for i, m := range records {
			r.Add(&wick.LogEvent{Timestamp: noon.Add(time.Duration(i) * time.Minute), Message: m}, "g")
		}
		if rows := r.End(); len(rows) > 10 {
			t.Errorf("%q: %d rows", text, len(rows))
		}
	})
}

func TestARunHoldsABoundedAmount(t *testing.T) {
	for _, query := range []string{
		"fields @message | dedup @message",
		"sort @message | filter n > 1",
		"stats count(*) by @message",
		"stats count_distinct(@message)",
		"stats latest(@message) by n",
		"fields @message | limit 10000",
	} {
		q, err := Compile(query, 0)
		if err != nil {
			t.Fatal(err)
		}
		r := q.Start()
		r.memory.most = 100_000
		for i := range 2000 {
			r.Add(&wick.LogEvent{Timestamp: noon, Message: fmt.Sprintf(`{"n":%d,"text":%q}`, i, strings.Repeat("x", 100))}, "g")
		}
		rows := r.End()
		if !errors.Is(r.Err(), ErrTooLarge) || len(rows) > 1000 {
			t.Errorf("%s: %d rows, %v", query, len(rows), r.Err())
		}
	}
}

func TestALimitLetsGoOfTheRest(t *testing.T) {
	q, err := Compile("fields n | sort n desc | limit 2", 0)
	if err != nil {
		t.Fatal(err)
	}
	r := q.Start()
	r.memory.most = 100_000
	for i := range 2000 {
		r.Add(&wick.LogEvent{Timestamp: noon, Message: fmt.Sprintf(`{"n":%d,"text":%q}`, i, strings.Repeat("x", 100))}, "g")
	}
	if rows := r.End(); r.Err() != nil || len(rows) != 2 || rows[0][0].Value != "1999" {
		t.Errorf("%v, %v", rows, r.Err())
	}
}

func TestTextThatFunctionsMakeIsBounded(t *testing.T) {
	long := strings.Repeat("x", maxText/2)
	if v := replace([]any{long, "", long}); v != nil {
		t.Errorf("replace made %d bytes", len(text(v)))
	}
	if v := functions["concat"].eval([]any{long, long, "y"}); v != nil {
		t.Errorf("concat made %d bytes", len(text(v)))
	}
	if v := replace([]any{"a-b", "-", "+"}); v != "a+b" {
		t.Errorf("replace: %v", v)
	}
	if _, err := Compile("stats count(*) by bin(999999999w)", 0); err == nil {
		t.Error("a period of 20 million years was taken")
	}
}
