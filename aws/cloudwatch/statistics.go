package cloudwatch

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/metrics"
)

// maxDatapoints is how many one GetMetricStatistics may ask for.
// Source: CloudWatch API, GetMetricStatistics.
const maxDatapoints = 1440

func (a *API) getMetricStatistics(ctx context.Context, in *cloudwatch.GetMetricStatisticsInput) (*cloudwatch.GetMetricStatisticsOutput, error) {
	call := protocol.From(ctx)
	q := metrics.SeriesQuery{
		Metric: wick.Metric{
			Account: call.Account, Region: call.Region, Namespace: *in.Namespace, Name: *in.MetricName, Dimensions: dimensions(in.Dimensions),
		},
		Unit: string(in.Unit), From: *in.StartTime, To: *in.EndTime, Period: time.Duration(*in.Period) * time.Second, ByUnit: true,
	}
	if err := a.checkStatistics(in, &q); err != nil {
		return nil, err
	}
	extended := make(map[string]metrics.Statistic, len(in.ExtendedStatistics))
	for _, name := range in.ExtendedStatistics {
		s, ok := metrics.ParseStatistic(name)
		if !ok {
			return nil, badValue("The value %s for parameter ExtendedStatistics is not supported.", name)
		}
		extended[name] = s
	}
	if err := a.o.Metrics.Sync(ctx); err != nil {
		return nil, err
	}
	series, err := a.o.Metrics.Series(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &cloudwatch.GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: []types.Datapoint{}}
	for i := range series {
		p := &series[i]
		d := types.Datapoint{Timestamp: &p.At, Unit: types.StandardUnit(p.Unit)}
		for _, s := range in.Statistics {
			setStatistic(&d, s, &p.Values)
		}
		for name, s := range extended {
			if v, ok := s.Of(&p.Values); ok {
				if d.ExtendedStatistics == nil {
					d.ExtendedStatistics = make(map[string]float64, len(extended))
				}
				d.ExtendedStatistics[name] = v
			}
		}
		if len(in.Statistics) > 0 || d.ExtendedStatistics != nil {
			out.Datapoints = append(out.Datapoints, d)
		}
	}
	return out, nil
}

func setStatistic(d *types.Datapoint, s types.Statistic, values *wick.Distribution) {
	switch s {
	case types.StatisticSampleCount:
		d.SampleCount = &values.Count
	case types.StatisticAverage:
		d.Average = aws.Float64(values.Mean())
	case types.StatisticSum:
		d.Sum = &values.Sum
	case types.StatisticMinimum:
		d.Minimum = &values.Min
	case types.StatisticMaximum:
		d.Maximum = &values.Max
	}
}

// checkStatistics applies the rules on times, periods and their number.
func (a *API) checkStatistics(in *cloudwatch.GetMetricStatisticsInput, q *metrics.SeriesQuery) error {
	if len(in.Statistics) == 0 && len(in.ExtendedStatistics) == 0 {
		return missing("At least one of the parameters Statistics and ExtendedStatistics is required.")
	}
	switch {
	case q.From.Equal(q.To):
		return badValue("The parameter StartTime must not equal parameter EndTime.")
	case q.From.After(q.To):
		return badValue("The parameter StartTime must be less than the parameter EndTime.")
	case !validPeriod(q.Period):
		return badValue("The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60.")
	}
	if n := int64(q.To.Sub(q.From) / q.Period); n > maxDatapoints {
		return badCombination("You have requested up to %d datapoints, which exceeds the limit of %d. "+
			"You may reduce the datapoints requested by increasing Period, or decreasing the time range.", n, maxDatapoints)
	}
	return nil
}

// validPeriod says whether values can be asked for by a period.
// Source: CloudWatch API, GetMetricStatistics, Period.
func validPeriod(d time.Duration) bool {
	switch d {
	case time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second:
		return true
	}
	return d > 0 && d%time.Minute == 0
}
