package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/metrics"
	"github.com/wick-run/wick/metrics/expression"
)

// Limits of GetMetricData. Source: CloudWatch API, GetMetricData.
const (
	maxQueries    = 500
	maxPageValues = 100_800
)

func (a *API) getMetricData(ctx context.Context, in *cloudwatch.GetMetricDataInput) (*cloudwatch.GetMetricDataOutput, error) {
	switch {
	case in.StartTime.After(*in.EndTime):
		return nil, invalid("The parameter EndTime must be greater than StartTime.")
	case in.StartTime.Equal(*in.EndTime):
		return nil, invalid("The parameter StartTime must not equal parameter EndTime.")
	}
	queries, err := parseQueries(in.MetricDataQueries)
	if err != nil {
		return nil, err
	}
	p, err := newPage(in)
	if err != nil {
		return nil, err
	}
	if err := a.o.Metrics.Sync(ctx); err != nil {
		return nil, err
	}
	e := &evaluation{api: a, call: protocol.From(ctx), from: *in.StartTime, to: *in.EndTime, queries: queries, known: map[string]*expression.Value{}}
	for _, q := range queries {
		if !q.returned || p.full() {
			continue
		}
		v, err := e.value(ctx, q.id)
		if err != nil {
			return nil, err
		}
		if !v.IsSeries() {
			return nil, invalid("Error in expression '%s': The result of the expression must be a time series or an array of them.", q.id)
		}
		for i := range v.Series {
			p.add(q.id, q.labelOf(&v.Series[i], len(v.Series)), v.Series[i].Points)
		}
		if !e.needed { // no expression will ask for it again
			delete(e.known, q.id)
		}
	}
	return p.output(), nil
}

// query is one metric or expression that is asked for.
type query struct {
	id, label string
	returned  bool
	metric    *types.MetricStat // nil: an expression
	statistic metrics.Statistic
	math      *expression.Expression
}

var queryID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)

func parseQueries(list []types.MetricDataQuery) ([]*query, error) {
	if len(list) == 0 {
		return nil, invalid("The parameter MetricDataQueries is required.")
	}
	if len(list) > maxQueries {
		return nil, invalid("The collection MetricDataQueries must not have a size greater than %d.", maxQueries)
	}
	seen := make(map[string]bool, len(list))
	queries := make([]*query, len(list))
	for i := range list {
		q, err := parseQuery(&list[i], fmt.Sprintf("MetricDataQueries.member.%d", i+1))
		if err != nil {
			return nil, err
		}
		if seen[q.id] {
			return nil, invalid("The values for parameter id in MetricDataQueries are not unique.")
		}
		seen[q.id] = true
		queries[i] = q
	}
	if !slices.ContainsFunc(queries, func(q *query) bool { return q.returned }) {
		return nil, invalid("At least one of the MetricDataQueries must have ReturnData of true.")
	}
	return queries, nil
}

func parseQuery(in *types.MetricDataQuery, path string) (*query, error) {
	q := &query{id: *in.Id, label: aws.ToString(in.Label), returned: in.ReturnData == nil || *in.ReturnData, metric: in.MetricStat}
	if !queryID.MatchString(q.id) {
		return nil, invalid("The value %s for parameter %s.Id is not matching the expected pattern %s.", q.id, path, queryID)
	}
	if (in.MetricStat == nil) == (in.Expression == nil) {
		return nil, invalid("Exactly one of the parameters %[1]s.MetricStat and %[1]s.Expression must be specified.", path)
	}
	if in.MetricStat == nil {
		e, err := expression.Parse(*in.Expression)
		if err != nil {
			return nil, invalid("Error in expression '%s': %s.", q.id, err)
		}
		q.math = e
		return q, nil
	}
	m := in.MetricStat
	switch {
	case m.Metric.Namespace == nil:
		return nil, invalid("The parameter %s.MetricStat.Metric.Namespace is required.", path)
	case m.Metric.MetricName == nil:
		return nil, invalid("The parameter %s.MetricStat.Metric.MetricName is required.", path)
	case !validPeriod(time.Duration(*m.Period) * time.Second):
		return nil, invalid("The parameter %s.MetricStat.Period must be 1, 5, 10, 20, 30, or a multiple of 60.", path)
	}
	var ok bool
	if q.statistic, ok = metrics.ParseStatistic(*m.Stat); !ok {
		return nil, invalid("The value %s for parameter %s.MetricStat.Stat is not supported.", *m.Stat, path)
	}
	return q, nil
}

// labelOf is the label of one of a query's series: the one it asks for, else the metric's
// name, or the expression's id, with what tells several of them apart.
// Source: CloudWatch API, MetricDataQuery, Label.
func (q *query) labelOf(s *expression.Series, several int) string {
	switch {
	case q.label != "" && several > 1:
		return q.label + " " + s.Label
	case q.label != "":
		return q.label
	case several > 1 && s.Label != "":
		return s.Label
	case q.metric != nil:
		return s.Label
	}
	return q.id
}

// evaluation works out queries, each once and only those that are needed.
type evaluation struct {
	api      *API
	call     *protocol.Call
	from, to time.Time
	queries  []*query
	known    map[string]*expression.Value // nil while it is being worked out
	needed   bool                         // some expression may ask for any of them
}

func (e *evaluation) value(ctx context.Context, id string) (expression.Value, error) {
	if v, begun := e.known[id]; begun {
		if v == nil {
			return expression.Value{}, invalid("Error in expression '%s': it uses itself.", id)
		}
		return *v, nil
	}
	i := slices.IndexFunc(e.queries, func(q *query) bool { return q.id == id })
	if i < 0 {
		return expression.Value{}, fmt.Errorf("undefined id %s", id)
	}
	q := e.queries[i]
	if q.metric != nil {
		v, err := e.metric(ctx, q)
		if err == nil {
			e.known[id] = &v
		}
		return v, err
	}
	e.needed = true
	e.known[id] = nil
	v, err := q.math.Eval(
		func(id string) (expression.Value, error) { return e.value(ctx, id) },
		func() ([]expression.Series, error) { return e.metrics(ctx) },
	)
	if err != nil {
		var inside *wick.Error
		if errors.As(err, &inside) || ctx.Err() != nil {
			return v, err
		}
		return v, invalid("Error in expression '%s': %s.", id, err)
	}
	e.known[id] = &v
	return v, nil
}

// metric asks for a metric.
func (e *evaluation) metric(ctx context.Context, q *query) (expression.Value, error) {
	m := q.metric
	account := e.call.Account
	s := expression.Series{ID: q.id, Label: *m.Metric.MetricName, Period: time.Duration(*m.Period) * time.Second}
	series, err := e.api.o.Metrics.Series(ctx, metrics.SeriesQuery{
		Metric: wick.Metric{
			Account: account, Region: e.call.Region, Namespace: *m.Metric.Namespace, Name: *m.Metric.MetricName, Dimensions: dimensions(m.Metric.Dimensions),
		},
		Unit: string(m.Unit), From: e.from, To: e.to, Period: s.Period,
	})
	for i := range series {
		if v, ok := q.statistic.Of(&series[i].Values); ok {
			s.Points = append(s.Points, expression.Point{At: series[i].At, Value: v})
		}
	}
	return expression.SeriesValue(s), err
}

// metrics returns all metrics of the request.
func (e *evaluation) metrics(ctx context.Context) ([]expression.Series, error) {
	var all []expression.Series
	for _, q := range e.queries {
		if q.metric == nil {
			continue
		}
		v, err := e.value(ctx, q.id)
		if err != nil {
			return nil, err
		}
		all = append(all, v.Series...)
	}
	return all, nil
}

// page is one answer's values: what comes before it is skipped, what is too much left
// for the next.
type page struct {
	ascending bool
	left      int
	skip      int       // results that earlier pages have
	after     time.Time // of the first result, values up to here
	n         int       // results seen
	next      string
	results   []types.MetricDataResult
}

func newPage(in *cloudwatch.GetMetricDataInput) (*page, error) {
	p := &page{ascending: in.ScanBy == types.ScanByTimestampAscending, left: maxPageValues}
	if in.MaxDatapoints != nil {
		if *in.MaxDatapoints < 1 || *in.MaxDatapoints > maxPageValues {
			return nil, invalid("The parameter MaxDatapoints must be between 1 and %d.", maxPageValues)
		}
		p.left = int(*in.MaxDatapoints)
	}
	if t := aws.ToString(in.NextToken); t != "" {
		place, err := readToken(t, "data")
		if err != nil || len(place) != 2 {
			return nil, &types.InvalidNextToken{Message: aws.String("The next token is invalid.")}
		}
		p.skip = int(place[0])
		if place[1] != 0 {
			p.after = time.Unix(place[1], 0).UTC()
		}
	}
	return p, nil
}

func (p *page) full() bool { return p.next != "" }

// add takes a result's values, as many as there is room for.
func (p *page) add(id, label string, points []expression.Point) {
	p.n++
	if p.n <= p.skip || p.full() {
		return
	}
	if !p.ascending {
		points = slices.Clone(points)
		slices.Reverse(points)
	}
	if p.n == p.skip+1 && !p.after.IsZero() { // an earlier page has its beginning
		points = slices.DeleteFunc(slices.Clone(points), func(pt expression.Point) bool {
			return p.ascending && !pt.At.After(p.after) || !p.ascending && !pt.At.Before(p.after)
		})
	}
	r := types.MetricDataResult{
		Id: &id, Label: &label, Timestamps: []time.Time{}, Values: []float64{}, StatusCode: types.StatusCodeComplete,
	}
	if len(points) > p.left {
		points = points[:p.left]
		r.StatusCode = types.StatusCodePartialData
		if len(points) > 0 {
			p.next = token("data", int64(p.n-1), points[len(points)-1].At.Unix())
		} else {
			p.next = token("data", int64(p.n-1), 0)
		}
	}
	p.left -= len(points)
	for _, pt := range points {
		r.Timestamps = append(r.Timestamps, pt.At)
		r.Values = append(r.Values, pt.Value)
	}
	p.results = append(p.results, r)
}

func (p *page) output() *cloudwatch.GetMetricDataOutput {
	return &cloudwatch.GetMetricDataOutput{
		MetricDataResults: append([]types.MetricDataResult{}, p.results...), NextToken: optional(p.next), Messages: []types.MessageData{},
	}
}
