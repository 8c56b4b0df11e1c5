package cloudwatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// asked is a query for a metric of App.
func asked(id, name, stat string) types.MetricDataQuery {
	return types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{
		Metric: &types.Metric{Namespace: aws.String("App"), MetricName: &name}, Period: aws.Int32(60), Stat: &stat,
	}}
}

func computed(id, expression string) types.MetricDataQuery {
	return types.MetricDataQuery{Id: &id, Expression: &expression}
}

func hidden(q types.MetricDataQuery) types.MetricDataQuery {
	q.ReturnData = aws.Bool(false)
	return q
}

func data(queries ...types.MetricDataQuery) *cloudwatch.GetMetricDataInput {
	return &cloudwatch.GetMetricDataInput{
		MetricDataQueries: append([]types.MetricDataQuery{}, queries...), StartTime: &noon, EndTime: aws.Time(noon.Add(time.Hour)), ScanBy: types.ScanByTimestampAscending,
	}
}

// rendered is results as ID LABEL STATUS MINUTE:VALUE…
func rendered(results []types.MetricDataResult) string {
	text := ""
	for _, r := range results {
		text += fmt.Sprint(*r.Id, " ", *r.Label, " ", r.StatusCode)
		for i, at := range r.Timestamps {
			text += fmt.Sprintf(" %v:%v", at.Sub(noon).Minutes(), r.Values[i])
		}
		text += "\n"
	}
	return text
}

func TestDataOfMetricsAndExpressions(t *testing.T) {
	c := open(t)
	put(t, c, datum("Errors", 1, 0), datum("Errors", 2, 1), datum("Errors", 0, 3), datum("Invocations", 10, 0), datum("Invocations", 4, 1), datum("Invocations", 8, 3),
		datum("Invocations", 2, 0), datum("Invocations", 5, 70))
	for name, test := range map[string]struct {
		in   *cloudwatch.GetMetricDataInput
		want string
	}{
		"metrics": {data(asked("m1", "Errors", "Sum"), asked("m2", "Invocations", "Average"), asked("m3", "None", "Sum")),
			"m1 Errors Complete 0:1 1:2 3:0\nm2 Invocations Complete 0:6 1:4 3:8\nm3 None Complete\n"},
		"descending": {func() *cloudwatch.GetMetricDataInput {
			in := data(asked("m1", "Errors", "Sum"))
			in.ScanBy = ""
			return in
		}(), "m1 Errors Complete 3:0 1:2 0:1\n"},
		"a rate": {data(hidden(asked("errors", "Errors", "Sum")), hidden(asked("all", "Invocations", "Sum")), computed("rate", "100 * errors / all")),
			"rate rate Complete 0:8.333333333333334 1:50 3:0\n"},
		"an expression of expressions": {data(asked("m1", "Errors", "Sum"), computed("e1", "m1 + 1"), computed("e2", "SUM([e1, m1])")),
			"m1 Errors Complete 0:1 1:2 3:0\ne1 e1 Complete 0:2 1:3 3:1\ne2 e2 Complete 0:3 1:5 3:1\n"},
		"an array": {data(hidden(asked("m1", "Errors", "Sum")), hidden(asked("m2", "Invocations", "Sum")), computed("e1", "METRICS() * 2")),
			"e1 Errors Complete 0:2 1:4 3:0\ne1 Invocations Complete 0:24 1:8 3:16\n"},
		"filled": {data(hidden(asked("m1", "Errors", "Sum")), computed("e1", "FILL(m1, 9)")), "e1 e1 Complete 0:1 1:2 2:9 3:0\n"},
		"a label": {func() *cloudwatch.GetMetricDataInput {
			in := data(asked("m1", "Errors", "p50"))
			in.MetricDataQueries[0].Label = aws.String("the median")
			return in
		}(), "m1 the median Complete 0:1 1:2 3:0\n"},
	} {
		out, err := c.GetMetricData(t.Context(), test.in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := rendered(out.MetricDataResults); got != test.want || out.NextToken != nil {
			t.Errorf("%s: got\n%swant\n%s", name, got, test.want)
		}
	}
}

func TestDataComesInPages(t *testing.T) {
	c := open(t)
	var all []types.MetricDatum
	for i := range 10 {
		all = append(all, datum("A", float64(i), i), datum("B", float64(-i), i))
	}
	put(t, c, all...)
	for _, order := range []types.ScanBy{types.ScanByTimestampAscending, types.ScanByTimestampDescending} {
		in := data(asked("a", "A", "Sum"), hidden(asked("h", "A", "Sum")), asked("b", "B", "Sum"))
		in.MaxDatapoints, in.ScanBy = aws.Int32(6), order
		values := map[string][]float64{}
		pages, partial := 0, 0
		p := cloudwatch.NewGetMetricDataPaginator(c, in)
		for p.HasMorePages() {
			out, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			pages++
			for _, r := range out.MetricDataResults {
				values[*r.Id] = append(values[*r.Id], r.Values...)
				if r.StatusCode == types.StatusCodePartialData {
					partial++
				}
			}
		}
		want := "map[a:[0 1 2 3 4 5 6 7 8 9] b:[0 -1 -2 -3 -4 -5 -6 -7 -8 -9]]"
		if order == types.ScanByTimestampDescending {
			want = "map[a:[9 8 7 6 5 4 3 2 1 0] b:[-9 -8 -7 -6 -5 -4 -3 -2 -1 0]]"
		}
		if got := fmt.Sprint(values); got != want || pages != 4 || partial != 3 {
			t.Errorf("%s: %d pages, %d of them partial, with %s", order, pages, partial, got)
		}
	}
}

func TestWhatIsWrongInAQueryForDataIsSaid(t *testing.T) {
	c := open(t)
	broken := func(change func(*types.MetricDataQuery)) *cloudwatch.GetMetricDataInput {
		q := asked("m1", "M", "Sum")
		change(&q)
		return data(q)
	}
	for name, test := range map[string]struct {
		in   *cloudwatch.GetMetricDataInput
		want string
	}{
		"an id":        {data(asked("M1", "M", "Sum")), "The value M1 for parameter MetricDataQueries.member.1.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."},
		"twice an id":  {data(asked("m1", "M", "Sum"), asked("m1", "M", "Sum")), "The values for parameter id in MetricDataQueries are not unique."},
		"a statistic":  {data(asked("m1", "M", "Mean")), "The value Mean for parameter MetricDataQueries.member.1.MetricStat.Stat is not supported."},
		"a period":     {broken(func(q *types.MetricDataQuery) { q.MetricStat.Period = aws.Int32(61) }), "The parameter MetricDataQueries.member.1.MetricStat.Period must be 1, 5, 10, 20, 30, or a multiple of 60."},
		"both":         {broken(func(q *types.MetricDataQuery) { q.Expression = aws.String("1") }), "Exactly one of the parameters MetricDataQueries.member.1.MetricStat and MetricDataQueries.member.1.Expression must be specified."},
		"no name":      {broken(func(q *types.MetricDataQuery) { q.MetricStat.Metric.MetricName = nil }), "The parameter MetricDataQueries.member.1.MetricStat.Metric.MetricName is required."},
		"no namespace": {broken(func(q *types.MetricDataQuery) { q.MetricStat.Metric.Namespace = nil }), "The parameter MetricDataQueries.member.1.MetricStat.Metric.Namespace is required."},
		"all hidden":   {data(hidden(asked("m1", "M", "Sum"))), "At least one of the MetricDataQueries must have ReturnData of true."},
		"none":         {data(), "The parameter MetricDataQueries is required."},
		"syntax":       {data(computed("e1", "m1 +")), "Error in expression 'e1': the expression ends early at character 5."},
		"unknown id":   {data(computed("e1", "m9 + 1")), "Error in expression 'e1': undefined id m9."},
		"a circle":     {data(computed("e1", "e2"), computed("e2", "e1")), "Error in expression 'e1': it uses itself."},
		"a number":     {data(computed("e1", "1 + 1")), "Error in expression 'e1': The result of the expression must be a time series or an array of them."},
		"a search":     {data(computed("e1", "SEARCH('x', 'Sum', 60)")), "Error in expression 'e1': Wick hasn't the function SEARCH at character 7."},
		"no time": {func() *cloudwatch.GetMetricDataInput {
			in := data(asked("m1", "M", "Sum"))
			in.EndTime = in.StartTime
			return in
		}(), "The parameter StartTime must not equal parameter EndTime."},
		"backwards": {func() *cloudwatch.GetMetricDataInput {
			in := data(asked("m1", "M", "Sum"))
			in.EndTime = aws.Time(noon.Add(-time.Hour))
			return in
		}(), "The parameter EndTime must be greater than StartTime."},
		"too many": {func() *cloudwatch.GetMetricDataInput {
			in := data()
			for i := range 501 {
				in.MetricDataQueries = append(in.MetricDataQueries, asked(fmt.Sprint("m", i), "M", "Sum"))
			}
			return in
		}(), "The collection MetricDataQueries must not have a size greater than 500."},
		"a page of none": {func() *cloudwatch.GetMetricDataInput {
			in := data(asked("m1", "M", "Sum"))
			in.MaxDatapoints = aws.Int32(0)
			return in
		}(), "The parameter MaxDatapoints must be between 1 and 100800."},
	} {
		_, err := c.GetMetricData(t.Context(), test.in)
		if got := said(err); got != "ValidationError: "+test.want {
			t.Errorf("%s says %s", name, got)
		}
	}
	in := data(asked("m1", "M", "Sum"))
	in.NextToken = aws.String("bGlzdDox") // of ListMetrics
	if _, err := c.GetMetricData(t.Context(), in); !strings.HasPrefix(said(err), "InvalidNextToken: ") {
		t.Errorf("another operation's token says %s", said(err))
	}
}
