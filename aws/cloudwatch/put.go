package cloudwatch

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/metrics"
)

// Limits of a request. Source: CloudWatch API, PutMetricData and MetricDatum.
const (
	maxData   = 1000
	maxValues = 150
)

func (a *API) putMetricData(ctx context.Context, in *cloudwatch.PutMetricDataInput) (*cloudwatch.PutMetricDataOutput, error) {
	call := protocol.From(ctx)
	type group struct {
		path string
		data []types.MetricDatum
	}
	groups := []group{{"MetricData", in.MetricData}}
	total := len(in.MetricData)
	for i, e := range in.EntityMetricData { // entities are for AWS's console; their data counts all the same
		groups = append(groups, group{fmt.Sprintf("EntityMetricData.member.%d.MetricData", i+1), e.MetricData})
		total += len(e.MetricData)
	}
	switch {
	case total == 0:
		return nil, missing("The parameter MetricData is required.")
	case total > maxData:
		return nil, badValue("The collection MetricData must not have a size greater than %d.", maxData)
	}
	var broken rejections
	data := make([]metrics.Datum, 0, total)
	for _, g := range groups {
		for i := range g.data {
			c := check{now: a.o.Now, path: fmt.Sprintf("%s.member.%d", g.path, i+1), broken: &broken}
			data = append(data, c.datum(&g.data[i]))
		}
	}
	if err := broken.err(); err != nil {
		return nil, err
	}
	err := a.o.Metrics.Put(ctx, call.Account, call.Region, aws.ToString(in.Namespace), data)
	return &cloudwatch.PutMetricDataOutput{}, err
}

// rejections are what is wrong with a request's data. AWS names all of one kind, a line
// each.
type rejections []rejection

type rejection struct {
	kind    func(format string, args ...any) error
	name    string // of the kind: functions can't be compared
	message string
}

func (r rejections) err() error {
	if len(r) == 0 {
		return nil
	}
	var lines []string
	for _, one := range r {
		if one.name == r[0].name {
			lines = append(lines, one.message)
		}
	}
	return r[0].kind("%s", strings.Join(lines, "\n"))
}

// check reads one datum, whose place in the request it knows.
type check struct {
	now    func() time.Time
	path   string
	broken *rejections
}

func (c *check) badValue(format string, args ...any) {
	*c.broken = append(*c.broken, rejection{badValue, "value", fmt.Sprintf(format, args...)})
}

func (c *check) badCombination(format string, args ...any) {
	*c.broken = append(*c.broken, rejection{badCombination, "combination", fmt.Sprintf(format, args...)})
}

func (c *check) missing(format string, args ...any) {
	*c.broken = append(*c.broken, rejection{missing, "missing", fmt.Sprintf(format, args...)})
}

func (c *check) datum(d *types.MetricDatum) metrics.Datum {
	out := metrics.Datum{
		Name: aws.ToString(d.MetricName), Dimensions: dimensions(d.Dimensions), At: aws.ToTime(d.Timestamp), Unit: string(d.Unit),
	}
	c.dimensions(out.Dimensions)
	c.time(&out)
	switch r := d.StorageResolution; {
	case r == nil || *r == 60:
	case *r == 1:
		out.HighResolution = true
	default:
		c.badValue("The parameter %s.StorageResolution must be a value of 1 or 60.", c.path)
	}
	c.exclusive(d)
	switch {
	case d.StatisticValues != nil:
		out.Set = c.set(d.StatisticValues)
	case d.Value != nil:
		c.number("Value", *d.Value)
		out.Values = []float64{*d.Value}
	default:
		c.values(d, &out)
	}
	return out
}

func (c *check) dimensions(list []wick.Dimension) {
	for i := range list {
		if i > 0 && list[i].Name == list[i-1].Name {
			c.badValue("The parameter %s.Dimensions must not have the same dimension name more than once: %s.", c.path, list[i].Name)
		}
	}
}

func (c *check) time(d *metrics.Datum) {
	if d.At.IsZero() {
		return
	}
	now := c.now()
	switch {
	case d.At.Before(now.Add(-metrics.MaxAge)):
		c.badValue("The parameter %s.Timestamp must specify a time within the past two weeks.", c.path)
	case d.At.After(now.Add(metrics.MaxAhead)):
		c.badValue("The parameter %s.Timestamp must specify a time no more than two hours in the future.", c.path)
	}
}

// exclusive rejects more than one way to give values, and none.
func (c *check) exclusive(d *types.MetricDatum) {
	var given []string
	if d.Value != nil {
		given = append(given, "Value")
	}
	if len(d.Values) > 0 {
		given = append(given, "Values")
	}
	if d.StatisticValues != nil {
		given = append(given, "StatisticValues")
	}
	switch {
	case len(given) == 0:
		c.missing("At least one of the parameters %[1]s.Value, %[1]s.Values and %[1]s.StatisticValues is required.", c.path)
	case len(given) > 1:
		c.badCombination("The parameters %[1]s.%[2]s and %[1]s.%[3]s are mutually exclusive and you have specified both.", c.path, given[0], given[1])
	}
}

func (c *check) number(name string, v float64) {
	switch {
	case math.IsNaN(v), math.IsInf(v, 0):
		c.badValue("The value %v for parameter %s.%s is invalid.", v, c.path, name)
	case !metrics.ValidValue(v):
		c.badValue("The value %v for parameter %s.%s must be between -2^360 and 2^360.", v, c.path, name)
	}
}

func (c *check) values(d *types.MetricDatum, out *metrics.Datum) {
	if len(d.Values) > maxValues {
		c.badValue("The collection %s.Values must not have a size greater than %d.", c.path, maxValues)
	}
	if d.Counts != nil && len(d.Counts) != len(d.Values) {
		c.badValue("The parameters %[1]s.Values and %[1]s.Counts must be of the same size.", c.path)
	}
	for _, v := range d.Values {
		c.number("Values", v)
	}
	for _, n := range d.Counts {
		if c.number("Counts", n); n < 0 {
			c.badValue("The value %v for parameter %s.Counts is invalid.", n, c.path)
		}
	}
	out.Values, out.Counts = d.Values, d.Counts
}

func (c *check) set(s *types.StatisticSet) *metrics.StatisticSet {
	out := &metrics.StatisticSet{
		SampleCount: aws.ToFloat64(s.SampleCount), Sum: aws.ToFloat64(s.Sum), Minimum: aws.ToFloat64(s.Minimum), Maximum: aws.ToFloat64(s.Maximum),
	}
	c.number("StatisticValues.SampleCount", out.SampleCount)
	c.number("StatisticValues.Sum", out.Sum)
	c.number("StatisticValues.Minimum", out.Minimum)
	c.number("StatisticValues.Maximum", out.Maximum)
	if out.Maximum < out.Minimum {
		c.badValue("The parameter %[1]s.StatisticValues.Maximum must be greater than or equal to %[1]s.StatisticValues.Minimum.", c.path)
	}
	if out.SampleCount < 0 {
		c.badValue("The parameter %s.StatisticValues.SampleCount must be greater than or equal to 0.", c.path)
	}
	return out
}
