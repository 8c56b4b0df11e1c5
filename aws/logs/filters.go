package logs

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs/filter"
)

// maxMetricFilters is how many a group may have. Source: CloudWatch Logs quotas.
const maxMetricFilters = 100

func (a *API) putMetricFilter(ctx context.Context, in *cloudwatchlogs.PutMetricFilterInput) (*cloudwatchlogs.PutMetricFilterOutput, error) {
	if _, err := filter.Parse(*in.FilterPattern); err != nil {
		return nil, invalid("%v", err)
	}
	if in.ApplyOnTransformedLogs {
		return nil, errTransformed
	}
	if err := checkSystemFields("emitSystemFieldDimensions", in.EmitSystemFieldDimensions, filter.SystemFields[:2], in.FieldSelectionCriteria); err != nil {
		return nil, err
	}
	t := &in.MetricTransformations[0] // the model allows exactly one
	if t.DefaultValue != nil && len(t.Dimensions) > 0 {
		return nil, invalid("Invalid metric transformation: dimensions and default value are mutually exclusive properties.")
	}
	if err := checkTransformation(t, len(in.EmitSystemFieldDimensions)); err != nil {
		return nil, err
	}
	id := groupID(ctx, *in.LogGroupName)
	if _, err := a.group(ctx, id); err != nil {
		return nil, err
	}
	return nil, a.putFilter(ctx, &wick.LogFilter{
		Group: id, Kind: wick.MetricFilter, Name: *in.FilterName, Pattern: *in.FilterPattern, Created: a.o.Now(),
		MetricName: *t.MetricName, MetricNamespace: *t.MetricNamespace, MetricValue: *t.MetricValue,
		Unit: string(t.Unit), DefaultValue: t.DefaultValue, Dimensions: t.Dimensions,
		SystemFields: in.EmitSystemFieldDimensions, Selection: aws.ToString(in.FieldSelectionCriteria),
	}, maxMetricFilters)
}

var errTransformed = wick.Errorf(wick.NotBuilt, "Wick's log groups have no transformers, so that applyOnTransformedLogs has nothing to apply to")

// checkSystemFields checks what a filter says of records' system fields.
// Source: PutSubscriptionFilter, PutMetricFilter.
func checkSystemFields(parameter string, fields, known []string, criteria *string) error {
	for i, name := range fields {
		if !slices.Contains(known, name) || slices.Contains(fields[:i], name) {
			return invalid("%s takes each of %s once at most.", parameter, strings.Join(known, ", "))
		}
	}
	if _, err := filter.ParseSelection(aws.ToString(criteria)); err != nil {
		return invalid("%v", err)
	}
	return nil
}

// maxDimensions is how many a metric filter may have, system fields included. Source:
// MetricTransformation, PutMetricFilter.
const maxDimensions = 3

// checkTransformation finds what the model can't say.
func checkTransformation(t *types.MetricTransformation, systemFields int) error {
	if len(t.Dimensions)+systemFields > maxDimensions {
		return invalid("Invalid metric transformation: a maximum of %d dimensions is allowed.", maxDimensions)
	}
	for _, selector := range t.Dimensions {
		if !strings.HasPrefix(selector, "$") {
			return invalid("Invalid metric transformation: dimension value must be a field of the filter pattern, such as $.name or $name.")
		}
	}
	if strings.HasPrefix(*t.MetricValue, "$") {
		return nil
	}
	if n, err := strconv.ParseFloat(*t.MetricValue, 64); err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return invalid("Invalid metric transformation: metric value must be a number or a field of the filter pattern.")
	}
	return nil
}

// putFilter stores a filter and has it applied from now on.
func (a *API) putFilter(ctx context.Context, f *wick.LogFilter, limit int) error {
	if err := a.checkRegexes(ctx, f); err != nil {
		return err
	}
	// What was printed before is not the filter's.
	if err := a.settle(ctx); err != nil {
		return err
	}
	if err := a.o.Groups.PutLogFilter(ctx, *f, limit); err != nil {
		return err
	}
	return a.filtersChanged(ctx, f.Group)
}

// maxRegexFilters is how many filters of a group may have regular expressions in their
// patterns. Source: CloudWatch Logs quotas.
const maxRegexFilters = 5

// checkRegexes refuses a filter with a regular expression where there are enough.
func (a *API) checkRegexes(ctx context.Context, f *wick.LogFilter) error {
	has := func(pattern string) bool {
		p, err := filter.Parse(pattern)
		return err == nil && p.HasRegex()
	}
	if !has(f.Pattern) {
		return nil
	}
	n := 0
	for _, kind := range []wick.LogFilterKind{wick.MetricFilter, wick.SubscriptionFilter} {
		all, err := a.o.Groups.LogFilters(ctx, wick.LogFilterQuery{Group: f.Group, Kind: kind})
		if err != nil {
			return err
		}
		for i := range all {
			if (all[i].Kind != f.Kind || all[i].Name != f.Name) && has(all[i].Pattern) {
				n++
			}
		}
	}
	if n >= maxRegexFilters {
		return wick.Errorf(wick.TooManyRequests, "Resource limit exceeded.")
	}
	return nil
}

func (a *API) filtersChanged(ctx context.Context, id wick.LogGroupID) error {
	if a.o.Filters == nil {
		return nil
	}
	return a.o.Filters.Changed(context.WithoutCancel(ctx), id)
}

func (a *API) deleteFilter(ctx context.Context, group string, kind wick.LogFilterKind, name string) error {
	id := groupID(ctx, group)
	if err := a.o.Groups.DeleteLogFilter(ctx, id, kind, name); err != nil {
		return err
	}
	return a.filtersChanged(ctx, id)
}

func (a *API) describeMetricFilters(ctx context.Context, in *cloudwatchlogs.DescribeMetricFiltersInput) (*cloudwatchlogs.DescribeMetricFiltersOutput, error) {
	if (in.MetricName == nil) != (in.MetricNamespace == nil) {
		return nil, invalid("Both metricName and metricNamespace must be given, or neither.")
	}
	list, next, err := a.filters(ctx, wick.MetricFilter, in.LogGroupName, in.FilterNamePrefix, in.NextToken, in.Limit, func(f *wick.LogFilter) bool {
		return in.MetricName == nil || f.MetricName == *in.MetricName && f.MetricNamespace == *in.MetricNamespace
	})
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.DescribeMetricFiltersOutput{MetricFilters: make([]types.MetricFilter, len(list)), NextToken: next}
	for i := range list {
		f := &list[i]
		out.MetricFilters[i] = types.MetricFilter{
			CreationTime: millis(f.Created), FilterName: &f.Name, FilterPattern: &f.Pattern, LogGroupName: &f.Group.Name,
			MetricTransformations: []types.MetricTransformation{{
				MetricName: &f.MetricName, MetricNamespace: &f.MetricNamespace, MetricValue: &f.MetricValue,
				Unit: types.StandardUnit(f.Unit), DefaultValue: f.DefaultValue, Dimensions: f.Dimensions,
			}},
			EmitSystemFieldDimensions: f.SystemFields, FieldSelectionCriteria: given(f.Selection),
		}
	}
	return out, nil
}

// filterToken is where a list of filters goes on.
type filterToken struct {
	Skip int `json:"skip"`
}

// filters returns a page of filters: of one group, or of all without a name.
func (a *API) filters(
	ctx context.Context, kind wick.LogFilterKind, group, prefix, next *string, limit *int32, wanted func(*wick.LogFilter) bool,
) (list []wick.LogFilter, more *string, err error) {
	var at filterToken
	if err := readToken(next, &at); err != nil {
		return nil, nil, err
	}
	id := groupID(ctx, aws.ToString(group))
	if group != nil {
		if _, err := a.group(ctx, id); err != nil {
			return nil, nil, err
		}
	}
	all, err := a.o.Groups.LogFilters(ctx, wick.LogFilterQuery{Group: id, Kind: kind, Prefix: aws.ToString(prefix)})
	if err != nil {
		return nil, nil, err
	}
	skip, n := max(at.Skip, 0), limitOf(limit, maxDescribed)
	seen := 0
	for i := range all {
		if !wanted(&all[i]) {
			continue
		}
		if seen++; seen <= skip {
			continue
		}
		if len(list) == n {
			return list, token(filterToken{skip + n}), nil
		}
		list = append(list, all[i])
	}
	return list, nil, nil
}

func (a *API) deleteMetricFilter(ctx context.Context, in *cloudwatchlogs.DeleteMetricFilterInput) (*cloudwatchlogs.DeleteMetricFilterOutput, error) {
	return nil, a.deleteFilter(ctx, *in.LogGroupName, wick.MetricFilter, *in.FilterName)
}

func (a *API) testMetricFilter(_ context.Context, in *cloudwatchlogs.TestMetricFilterInput) (*cloudwatchlogs.TestMetricFilterOutput, error) {
	pattern, err := filter.Parse(*in.FilterPattern)
	if err != nil {
		return nil, invalid("%v", err)
	}
	out := &cloudwatchlogs.TestMetricFilterOutput{Matches: []types.MetricFilterMatchRecord{}}
	for i := range in.LogEventMessages {
		if values, ok := pattern.Extract(in.LogEventMessages[i]); ok {
			out.Matches = append(out.Matches, types.MetricFilterMatchRecord{
				EventMessage: &in.LogEventMessages[i], EventNumber: int64(i + 1), ExtractedValues: values,
			})
		}
	}
	return out, nil
}
