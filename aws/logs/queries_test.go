package logs

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs/insights"
)

func TestTheOldestResultsAreForgottenWhenAllAreTooLarge(t *testing.T) {
	h := newHarness(t)
	h.group("g", "s")
	now := time.Now()
	var list []any
	for i := range 100 {
		list = append(list, i, fmt.Sprintf("line %d", i))
	}
	if _, err := h.put("g", "s", events(now, list...)); err != nil {
		t.Fatal(err)
	}
	compiled, err := insights.Compile("fields @message", 0)
	if err != nil {
		t.Fatal(err)
	}
	qs := newQueries()
	qs.most = 40_000
	var ids []string
	run := func(id string) *query {
		q := &query{
			id: id, groups: []wick.LogGroupID{{Account: testAccount, Region: testRegion, Name: "g"}}, compiled: compiled,
			from: now.Add(-time.Minute), to: now.Add(time.Minute), status: types.QueryStatusRunning,
		}
		if err := qs.start(q, h.logs); err != nil {
			t.Fatal(err)
		}
		qs.all.Wait()
		ids = append(ids, id)
		return q
	}
	first := run("0")
	if len(first.rows) != 100 || first.status != types.QueryStatusComplete || first.bytes == 0 || qs.bytes != first.bytes {
		t.Fatalf("%d rows, %s, %d bytes of %d", len(first.rows), first.status, first.bytes, qs.bytes)
	}
	fit := qs.most / first.bytes
	for i := 1; i < fit+3; i++ {
		run(fmt.Sprint(i))
	}
	var kept []string
	for _, q := range qs.order {
		kept = append(kept, q.id)
	}
	if !slices.Equal(kept, ids[len(ids)-fit:]) || len(qs.byID) != fit || qs.bytes > qs.most {
		t.Errorf("kept %v of %v, %d bytes", kept, ids, qs.bytes)
	}
	qs.most = 1 // the latest is kept in any case
	if q := run("last"); len(qs.order) != 1 || qs.byID["last"] != q {
		t.Errorf("%d are kept", len(qs.order))
	}
	if err := qs.close(); err != nil {
		t.Error(err)
	}
	if err := qs.start(&query{id: "late"}, h.logs); wick.KindOf(err) != wick.Unavailable {
		t.Errorf("started after the end: %v", err)
	}
}

func TestAQueryUpToTheEndOfTime(t *testing.T) {
	h := newHarness(t)
	h.group("g", "s")
	must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", "s", events(time.Now(), 0, "x")))
	out := must[*cloudwatchlogs.StartQueryOutput](h)(h.client.StartQuery(h.ctx, &cloudwatchlogs.StartQueryInput{
		LogGroupName: aws.String("g"), StartTime: aws.Int64(0), EndTime: aws.Int64(math.MaxInt64), QueryString: aws.String("fields @message"),
	}))
	for {
		got := must[*cloudwatchlogs.GetQueryResultsOutput](h)(h.client.GetQueryResults(h.ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: out.QueryId}))
		if got.Status == types.QueryStatusRunning {
			continue
		}
		if len(got.Results) != 1 {
			t.Errorf("%s, %d results", got.Status, len(got.Results))
		}
		return
	}
}
