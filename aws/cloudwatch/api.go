package cloudwatch

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/models"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/metrics"
)

// Options configure the API. Metrics is needed.
type Options struct {
	Metrics *metrics.Metrics
	Now     func() time.Time // nil: the system's clock
}

// API serves CloudWatch's operations on metrics.
type API struct {
	o       Options
	service *protocol.Service
}

// New returns the API with every operation it has registered.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &API{o: o, service: protocol.NewService(models.CloudWatch())}
	s := a.service
	protocol.Handle(s, "PutMetricData", a.putMetricData)
	protocol.Handle(s, "ListMetrics", a.listMetrics)
	protocol.Handle(s, "GetMetricStatistics", a.getMetricStatistics)
	protocol.Handle(s, "GetMetricData", a.getMetricData)
	return a
}

// Service returns the API for a protocol server.
func (a *API) Service() *protocol.Service { return a.service }

// The errors that CloudWatch has for parameters.

func badValue(format string, args ...any) error {
	return &types.InvalidParameterValueException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func badCombination(format string, args ...any) error {
	return &types.InvalidParameterCombinationException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func missing(format string, args ...any) error {
	return &types.MissingRequiredParameterException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func invalid(format string, args ...any) error {
	return wick.Errorf(wick.Validation, format, args...)
}

// optional returns nil for what isn't set.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// dimensions reads a metric's dimensions.
func dimensions(list []types.Dimension) []wick.Dimension {
	var out []wick.Dimension
	for _, d := range list {
		out = append(out, wick.Dimension{Name: aws.ToString(d.Name), Value: aws.ToString(d.Value)})
	}
	wick.SortDimensions(out)
	return out
}

// listPage is how many metrics one answer has; listAge how long they may have been
// without values. Source: CloudWatch API, ListMetrics.
const (
	listPage  = 500
	listAge   = 14 * 24 * time.Hour
	recentAge = 3 * time.Hour
)

func (a *API) listMetrics(ctx context.Context, in *cloudwatch.ListMetricsInput) (*cloudwatch.ListMetricsOutput, error) {
	call := protocol.From(ctx)
	q := wick.MetricListQuery{
		Account: call.Account, Region: call.Region, Namespace: aws.ToString(in.Namespace), Name: aws.ToString(in.MetricName),
		Since: a.o.Now().Add(-listAge), Limit: listPage + 1,
	}
	if in.RecentlyActive != "" {
		q.Since = a.o.Now().Add(-recentAge)
	}
	for _, d := range in.Dimensions {
		q.Dimensions = append(q.Dimensions, wick.Dimension{Name: aws.ToString(d.Name), Value: aws.ToString(d.Value)})
	}
	if token := aws.ToString(in.NextToken); token != "" {
		after, err := readToken(token, "list")
		if err != nil {
			return nil, badValue("Invalid nextToken")
		}
		q.After = after[0]
	}
	if err := a.o.Metrics.Sync(ctx); err != nil {
		return nil, err
	}
	list, err := a.o.Metrics.List(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &cloudwatch.ListMetricsOutput{Metrics: []types.Metric{}}
	if len(list) > listPage {
		list = list[:listPage]
		out.NextToken = aws.String(token("list", list[listPage-1].ID))
	}
	for i := range list {
		m := types.Metric{Namespace: &list[i].Namespace, MetricName: &list[i].Name, Dimensions: []types.Dimension{}}
		for _, d := range list[i].Dimensions {
			m.Dimensions = append(m.Dimensions, types.Dimension{Name: aws.String(d.Name), Value: aws.String(d.Value)})
		}
		out.Metrics = append(out.Metrics, m)
	}
	return out, nil
}

// token makes a token for the next page of a place in a list.
func token(kind string, place ...int64) string {
	text := kind
	for _, n := range place {
		text += ":" + strconv.FormatInt(n, 10)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// readToken is the other way round.
func readToken(s, kind string) ([]int64, error) {
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(string(text), ":")
	if parts[0] != kind || len(parts) < 2 {
		return nil, fmt.Errorf("a token of another list")
	}
	place := make([]int64, len(parts)-1)
	for i, p := range parts[1:] {
		if place[i], err = strconv.ParseInt(p, 10, 64); err != nil {
			return nil, err
		}
	}
	return place, nil
}
