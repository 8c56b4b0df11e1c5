package logs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/uuid"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/logs"
	"github.com/wick-run/wick/logs/insights"
)

// Bounds of queries. Source: CloudWatch Logs quotas: 30 at a time, 60 minutes each,
// results for 7 days. Ours are kept in memory, so that also their number and size are
// bounded.
const (
	maxRunning   = 30
	maxQueryTime = time.Hour
	maxKept      = 1000
	maxKeptBytes = 256 << 20
)

// maxSeconds is a time that is never; what a client sends for that may not count one more.
const maxSeconds = 1 << 40

// queries are those that are running and those whose results are kept.
type queries struct {
	mu      sync.Mutex // guards what follows
	byID    map[string]*query
	order   []*query // oldest first
	running int
	bytes   int // of all results
	most    int // bytes that are kept; of the latest query in any case
	closed  bool
	all     sync.WaitGroup
}

// query is one that was started. run sets the results under the mutex of queries.
type query struct {
	id              string
	account, region string
	groups          []wick.LogGroupID
	text            string // as DescribeQueries shows it
	created         time.Time
	from, to        time.Time
	compiled        *insights.Query
	cancel          context.CancelFunc

	status types.QueryStatus
	rows   [][]insights.Field
	stats  types.QueryStatistics
	bytes  int // of rows
}

func newQueries() *queries { return &queries{byID: map[string]*query{}, most: maxKeptBytes} }

// close ends all queries and waits until they are gone.
func (qs *queries) close() error {
	qs.mu.Lock()
	qs.closed = true
	for _, q := range qs.order {
		q.cancel()
	}
	qs.mu.Unlock()
	qs.all.Wait()
	return nil
}

func (a *API) startQuery(ctx context.Context, in *cloudwatchlogs.StartQueryInput) (*cloudwatchlogs.StartQueryOutput, error) {
	if in.QueryLanguage != "" && in.QueryLanguage != types.QueryLanguageCwli {
		return nil, wick.Errorf(wick.NotBuilt, "Wick runs Logs Insights QL only, no %s", in.QueryLanguage)
	}
	groups, err := a.queried(ctx, in)
	if err != nil {
		return nil, err
	}
	compiled, err := insights.Compile(*in.QueryString, int(aws.ToInt32(in.Limit)))
	if err != nil {
		message := err.Error()
		return nil, &types.MalformedQueryException{Message: &message}
	}
	if *in.EndTime < *in.StartTime {
		return nil, invalid("Query's end date and time is before its start.")
	}
	call := protocol.From(ctx)
	q := &query{
		id: uuid.NewString(), account: call.Account, region: call.Region, groups: groups, compiled: compiled, created: a.o.Now(),
		from: time.Unix(*in.StartTime, 0), to: time.Unix(min(*in.EndTime, maxSeconds)+1, 0), status: types.QueryStatusRunning,
	}
	names := make([]string, len(groups))
	for i := range groups {
		names[i] = fmt.Sprintf("%q", groups[i].Name)
	}
	// Recorded: test_describe_queries.
	q.text = fmt.Sprintf("SOURCE %s START=%d000 END=%d999 | %s", strings.Join(names, ", "), *in.StartTime, *in.EndTime, *in.QueryString)
	if err := a.queries.start(q, a.o.Logs); err != nil {
		return nil, err
	}
	return &cloudwatchlogs.StartQueryOutput{QueryId: &q.id}, nil
}

// queried returns the groups a query is about.
func (a *API) queried(ctx context.Context, in *cloudwatchlogs.StartQueryInput) ([]wick.LogGroupID, error) {
	names := in.LogGroupNames
	if in.LogGroupName != nil {
		names = append(names, *in.LogGroupName)
	}
	if (len(names) > 0) == (len(in.LogGroupIdentifiers) > 0) {
		return nil, invalid("Exactly one of logGroupName, logGroupNames or logGroupIdentifiers must be given.")
	}
	var list []wick.LogGroupID
	for _, n := range names {
		list = append(list, groupID(ctx, n))
	}
	for _, n := range in.LogGroupIdentifiers {
		id, err := groupOf(ctx, nil, &n)
		if err != nil {
			return nil, err
		}
		list = append(list, id)
	}
	for _, id := range list {
		_, err := a.group(ctx, id)
		if wick.KindOf(err) == wick.NotFound {
			// Recorded: test_start_query_log_group_not_found.
			return nil, wick.Errorf(wick.NotFound,
				"Log group '%s' does not exist for account ID '%s' (Service: AWSLogs; Status Code: 400; Error Code: ResourceNotFoundException; Request ID: %s; Proxy: null)",
				id.Name, id.Account, protocol.From(ctx).RequestID)
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// start runs a query in the background and forgets the oldest that are over.
func (qs *queries) start(q *query, from *logs.Logs) error {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if qs.closed {
		return wick.Errorf(wick.Unavailable, "%v", logs.ErrClosed)
	}
	if qs.running >= maxRunning {
		return wick.Errorf(wick.TooManyRequests, "Account maximum query concurrency limit of [%d] reached.", maxRunning)
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxQueryTime)
	q.cancel = cancel
	qs.byID[q.id] = q
	qs.order = append(qs.order, q)
	qs.running++
	qs.trim(q)
	qs.all.Go(func() {
		defer cancel()
		qs.run(ctx, q, from)
	})
	return nil
}

// trim forgets the oldest queries that are over until the rest can be kept; latest is
// kept in any case. The mutex must be held.
func (qs *queries) trim(latest *query) {
	qs.order = slices.DeleteFunc(qs.order, func(q *query) bool {
		if len(qs.byID) <= maxKept && qs.bytes <= qs.most || q == latest || q.status == types.QueryStatusRunning {
			return false
		}
		qs.bytes -= q.bytes
		delete(qs.byID, q.id)
		return true
	})
}

// run scans the query's groups.
func (qs *queries) run(ctx context.Context, q *query, from *logs.Logs) {
	run := q.compiled.Start()
	var mu sync.Mutex // guards run while whole runs of records are taken beside those that are looked at
	var err error
	for _, id := range q.groups {
		label := id.Account + ":" + id.Name
		selected := logs.Query{Group: id, From: q.from, To: q.to}
		add := func(some []wick.LogEvent) error {
			for i := range some {
				run.Add(&some[i], label)
			}
			return errors.Join(ctx.Err(), run.Err())
		}
		if q.compiled.Unordered() {
			err = from.Gather(ctx, selected, func(o *logs.Outline) bool {
				mu.Lock()
				defer mu.Unlock()
				return run.AddWhole(label, o.Stream, o.First, o.Last, o.Records, o.Bytes)
			}, func(some []wick.LogEvent) error {
				mu.Lock()
				defer mu.Unlock()
				return add(some)
			})
		} else {
			err = from.Scan(ctx, selected, add)
		}
		if err != nil {
			break
		}
	}
	rows := run.End()
	if run.Err() != nil { // what there is, is not the answer
		err, rows = run.Err(), nil
	}
	size := 0
	for _, row := range rows {
		size += insights.SizeOf(row)
	}
	records, bytes := run.Scanned()
	qs.mu.Lock()
	defer qs.mu.Unlock()
	qs.running--
	q.rows, q.bytes = rows, size
	qs.bytes += size
	q.stats = types.QueryStatistics{
		BytesScanned: float64(bytes), RecordsScanned: float64(records), RecordsMatched: float64(run.Matched()),
		LogGroupsScanned: float64(len(q.groups)), ResultCount: float64(len(rows)),
	}
	switch {
	case err == nil:
		q.status = types.QueryStatusComplete
	case errors.Is(err, context.DeadlineExceeded):
		q.status = types.QueryStatusTimeout
	case errors.Is(err, context.Canceled):
		q.status = types.QueryStatusCancelled
	default:
		q.status = types.QueryStatusFailed
	}
	qs.trim(q)
}

// find returns a query of the caller's; the mutex must be held.
func (qs *queries) find(ctx context.Context, id string) (*query, error) {
	call := protocol.From(ctx)
	if q := qs.byID[id]; q != nil && q.account == call.Account && q.region == call.Region {
		return q, nil
	}
	return nil, wick.Errorf(wick.NotFound, "Query with id %s does not exist.", id)
}

func (a *API) stopQuery(ctx context.Context, in *cloudwatchlogs.StopQueryInput) (*cloudwatchlogs.StopQueryOutput, error) {
	qs := a.queries
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q, err := qs.find(ctx, *in.QueryId)
	if err != nil {
		return nil, err
	}
	if q.status != types.QueryStatusRunning {
		return nil, invalid("Provided query with id %s has already ended with status %s", q.id, q.status)
	}
	q.cancel()
	return &cloudwatchlogs.StopQueryOutput{Success: true}, nil
}

func (a *API) getQueryResults(ctx context.Context, in *cloudwatchlogs.GetQueryResultsInput) (*cloudwatchlogs.GetQueryResultsOutput, error) {
	var at filterToken
	if err := readToken(in.NextToken, &at); err != nil {
		return nil, err
	}
	qs := a.queries
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q, err := qs.find(ctx, *in.QueryId)
	if err != nil {
		return nil, err
	}
	stats := q.stats
	out := &cloudwatchlogs.GetQueryResultsOutput{
		QueryLanguage: types.QueryLanguageCwli, Status: q.status, Statistics: &stats, Results: [][]types.ResultField{},
	}
	skip := min(max(at.Skip, 0), len(q.rows))
	rows := q.rows[skip:]
	if n := limitOf(in.MaxItems, insights.MaxRows); len(rows) > n {
		rows = rows[:n]
		out.NextToken = token(filterToken{skip + n})
	}
	for _, r := range rows {
		fields := make([]types.ResultField, len(r))
		for i := range r {
			fields[i] = types.ResultField{Field: &r[i].Name, Value: &r[i].Value}
		}
		out.Results = append(out.Results, fields)
	}
	return out, nil
}

func (a *API) describeQueries(ctx context.Context, in *cloudwatchlogs.DescribeQueriesInput) (*cloudwatchlogs.DescribeQueriesOutput, error) {
	var at filterToken
	if err := readToken(in.NextToken, &at); err != nil {
		return nil, err
	}
	call := protocol.From(ctx)
	qs := a.queries
	qs.mu.Lock()
	defer qs.mu.Unlock()
	out := &cloudwatchlogs.DescribeQueriesOutput{Queries: []types.QueryInfo{}}
	limit, skip, seen := limitOf(in.MaxResults, 1000), max(at.Skip, 0), 0
	for i := len(qs.order) - 1; i >= 0; i-- { // newest first
		q := qs.order[i]
		if q.account != call.Account || q.region != call.Region || in.Status != "" && in.Status != q.status ||
			in.LogGroupName != nil && !slices.ContainsFunc(q.groups, func(g wick.LogGroupID) bool { return g.Name == *in.LogGroupName }) {
			continue
		}
		if seen++; seen <= skip {
			continue
		}
		if len(out.Queries) == limit {
			out.NextToken = token(filterToken{skip + limit})
			break
		}
		out.Queries = append(out.Queries, types.QueryInfo{
			CreateTime: millis(q.created), LogGroupName: &q.groups[0].Name, QueryId: &q.id, QueryString: &q.text,
			QueryLanguage: types.QueryLanguageCwli, Status: q.status,
		})
	}
	return out, nil
}
