package cloudwatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"

	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/metrics"
	"github.com/wick-run/wick/sqlstore"
)

func TestMain(m *testing.M) { leak.Main(m) }

// noon is the time of every test.
var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// keptBodies sends requests with bodies that stay when the SDK takes its own away, which
// it does as soon as there is an answer.
type keptBodies struct{ next http.RoundTripper }

func (k keptBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	own := r.Clone(r.Context())
	own.Body = io.NopCloser(bytes.NewReader(body))
	return k.next.RoundTrip(own)
}

// open returns the SDK's client of the API on a real store.
func open(t *testing.T) *cloudwatch.Client {
	t.Helper()
	store, err := sqlstore.Open(context.WithoutCancel(t.Context()), filepath.Join(t.TempDir(), "wick.db"), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return noon }
	m := metrics.Open(metrics.Options{Store: store, Now: now, FlushEvery: time.Hour})
	server := httptest.NewServer(protocol.NewServer(protocol.Options{Services: []*protocol.Service{New(Options{Metrics: m, Now: now}).Service()}}))
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		if err := errors.Join(m.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return cloudwatch.New(cloudwatch.Options{
		BaseEndpoint: &server.URL, Region: "us-east-1", Retryer: aws.NopRetryer{}, HTTPClient: &http.Client{Transport: keptBodies{transport}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "111111111111", SecretAccessKey: "secret"}, nil
		}),
	})
}

func put(t *testing.T, c *cloudwatch.Client, data ...types.MetricDatum) {
	t.Helper()
	if _, err := c.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("App"), MetricData: data}); err != nil {
		t.Fatal(err)
	}
}

// datum is one value at so many minutes after noon, with dimensions in pairs.
func datum(name string, value float64, minute int, dims ...string) types.MetricDatum {
	d := types.MetricDatum{MetricName: &name, Value: &value, Timestamp: aws.Time(noon.Add(time.Duration(minute) * time.Minute)), Unit: types.StandardUnitCount}
	d.Dimensions = dimensionList(dims)
	return d
}

func dimensionList(dims []string) (list []types.Dimension) {
	for i := 0; i < len(dims); i += 2 {
		list = append(list, types.Dimension{Name: &dims[i], Value: &dims[i+1]})
	}
	return list
}

// said renders an error as CODE: MESSAGE.
func said(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return fmt.Sprint(err)
	}
	return api.ErrorCode() + ": " + api.ErrorMessage()
}

func TestMetricsAreListedByPages(t *testing.T) {
	c := open(t)
	data := make([]types.MetricDatum, 700)
	for i := range data {
		data[i] = datum("M", 1, 0, "N", fmt.Sprint(i))
	}
	put(t, c, data...)
	put(t, c, datum("Other", 1, -240, "N", "5", "Kind", "x"))
	seen := map[string]bool{}
	pages := 0
	p := cloudwatch.NewListMetricsPaginator(c, &cloudwatch.ListMetricsInput{Namespace: aws.String("App")})
	for p.HasMorePages() {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, m := range out.Metrics {
			seen[*m.MetricName+*m.Dimensions[len(m.Dimensions)-1].Value] = true
		}
	}
	if len(seen) != 701 || pages != 2 {
		t.Errorf("%d metrics on %d pages", len(seen), pages)
	}
	for _, test := range []struct {
		in   cloudwatch.ListMetricsInput
		want int
	}{
		{cloudwatch.ListMetricsInput{MetricName: aws.String("Other")}, 1},
		{cloudwatch.ListMetricsInput{Dimensions: []types.DimensionFilter{{Name: aws.String("N"), Value: aws.String("5")}}}, 2},
		{cloudwatch.ListMetricsInput{Dimensions: []types.DimensionFilter{{Name: aws.String("Kind")}}}, 1},
		{cloudwatch.ListMetricsInput{Namespace: aws.String("Nothing")}, 0},
		{cloudwatch.ListMetricsInput{MetricName: aws.String("Other"), RecentlyActive: types.RecentlyActivePt3h}, 0},
	} {
		out, err := c.ListMetrics(t.Context(), &test.in)
		if err != nil || len(out.Metrics) != test.want {
			t.Errorf("%+v lists %v (%v)", test.in, out, err)
		}
	}
	_, err := c.ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{NextToken: aws.String("made up")})
	if got := said(err); got != "InvalidParameterValue: Invalid nextToken" {
		t.Errorf("a wrong token says %s", got)
	}
}

func TestStatisticsOfAMetric(t *testing.T) {
	c := open(t)
	put(t, c, types.MetricDatum{MetricName: aws.String("Latency"), Values: []float64{1, 2, 3, 4}, Counts: []float64{1, 1, 1, 7}, Unit: types.StandardUnitMilliseconds, Timestamp: &noon},
		types.MetricDatum{MetricName: aws.String("Latency"), Unit: types.StandardUnitSeconds, Timestamp: &noon,
			StatisticValues: &types.StatisticSet{SampleCount: aws.Float64(2), Sum: aws.Float64(3), Minimum: aws.Float64(1), Maximum: aws.Float64(2)}})
	in := func() *cloudwatch.GetMetricStatisticsInput {
		return &cloudwatch.GetMetricStatisticsInput{
			Namespace: aws.String("App"), MetricName: aws.String("Latency"), Period: aws.Int32(60), Unit: types.StandardUnitMilliseconds,
			StartTime: aws.Time(noon.Add(-time.Hour)), EndTime: aws.Time(noon.Add(time.Hour)),
			Statistics: []types.Statistic{"SampleCount", "Average", "Sum", "Minimum", "Maximum"},
		}
	}
	out, err := c.GetMetricStatistics(t.Context(), in())
	if err != nil || len(out.Datapoints) != 1 || *out.Label != "Latency" {
		t.Fatalf("got %+v, %v", out, err)
	}
	d := out.Datapoints[0]
	if *d.SampleCount != 10 || *d.Average != 3.4 || *d.Sum != 34 || *d.Minimum != 1 || *d.Maximum != 4 || d.Unit != "Milliseconds" || !d.Timestamp.Equal(noon) {
		t.Errorf("it is %+v", d)
	}
	both := in()
	both.Unit, both.Statistics, both.ExtendedStatistics = "", []types.Statistic{"Sum"}, []string{"p50", "tm90"}
	out, err = c.GetMetricStatistics(t.Context(), both)
	if err != nil || len(out.Datapoints) != 2 {
		t.Fatalf("of both units there is %+v, %v", out, err)
	}
	for _, d := range out.Datapoints {
		if d.Unit == "Milliseconds" && (d.ExtendedStatistics["p50"] != 4 || math.Abs(d.ExtendedStatistics["tm90"]-30.0/9) > 1e-9) ||
			d.Unit == "Seconds" && d.ExtendedStatistics != nil {
			t.Errorf("%s has %v", d.Unit, d.ExtendedStatistics)
		}
	}
	for name, test := range map[string]struct {
		change func(*cloudwatch.GetMetricStatisticsInput)
		want   string
	}{
		"none":          {func(in *cloudwatch.GetMetricStatisticsInput) { in.Statistics = nil }, "MissingParameter: At least one of the parameters Statistics and ExtendedStatistics is required."},
		"unknown":       {func(in *cloudwatch.GetMetricStatisticsInput) { in.ExtendedStatistics = []string{"q5"} }, "InvalidParameterValue: The value q5 for parameter ExtendedStatistics is not supported."},
		"no time":       {func(in *cloudwatch.GetMetricStatisticsInput) { in.EndTime = in.StartTime }, "InvalidParameterValue: The parameter StartTime must not equal parameter EndTime."},
		"backwards":     {func(in *cloudwatch.GetMetricStatisticsInput) { in.EndTime = aws.Time(noon.Add(-2 * time.Hour)) }, "InvalidParameterValue: The parameter StartTime must be less than the parameter EndTime."},
		"odd period":    {func(in *cloudwatch.GetMetricStatisticsInput) { in.Period = aws.Int32(45) }, "InvalidParameterValue: The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60."},
		"too many":      {func(in *cloudwatch.GetMetricStatisticsInput) { in.StartTime = aws.Time(noon.Add(-25 * time.Hour)) }, "InvalidParameterCombination: You have requested up to 1560 datapoints, which exceeds the limit of 1440. You may reduce the datapoints requested by increasing Period, or decreasing the time range."},
		"not even one":  {func(in *cloudwatch.GetMetricStatisticsInput) { in.Period = aws.Int32(0) }, "ValidationError: 1 validation error detected: Value '0' at 'period' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		"no such thing": {func(in *cloudwatch.GetMetricStatisticsInput) { in.MetricName = aws.String("None") }, ""},
	} {
		in := in()
		test.change(in)
		out, err := c.GetMetricStatistics(t.Context(), in)
		if test.want == "" && err == nil && len(out.Datapoints) == 0 {
			continue
		}
		if got := said(err); got != test.want {
			t.Errorf("%s says %s", name, got)
		}
	}
}

func TestWhatIsPutIsChecked(t *testing.T) {
	c := open(t)
	value := aws.Float64(1)
	for name, test := range map[string]struct {
		data []types.MetricDatum
		want string
	}{
		"nothing":      {nil, "MissingParameter: The parameter MetricData is required."},
		"no value":     {[]types.MetricDatum{{MetricName: aws.String("M")}}, "MissingParameter: At least one of the parameters MetricData.member.1.Value, MetricData.member.1.Values and MetricData.member.1.StatisticValues is required."},
		"two ways":     {[]types.MetricDatum{{MetricName: aws.String("M"), Value: value, Values: []float64{1}}}, "InvalidParameterCombination: The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive and you have specified both."},
		"no number":    {[]types.MetricDatum{{MetricName: aws.String("M"), Value: aws.Float64(math.Inf(1))}}, "InvalidParameterValue: The value +Inf for parameter MetricData.member.1.Value is invalid."},
		"too large":    {[]types.MetricDatum{{MetricName: aws.String("M"), Value: aws.Float64(1e200)}}, "InvalidParameterValue: The value 1e+200 for parameter MetricData.member.1.Value must be between -2^360 and 2^360."},
		"counts":       {[]types.MetricDatum{{MetricName: aws.String("M"), Values: []float64{1, 2}, Counts: []float64{1}}}, "InvalidParameterValue: The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size."},
		"many values":  {[]types.MetricDatum{{MetricName: aws.String("M"), Values: make([]float64, 151)}}, "InvalidParameterValue: The collection MetricData.member.1.Values must not have a size greater than 150."},
		"resolution":   {[]types.MetricDatum{{MetricName: aws.String("M"), Value: value, StorageResolution: aws.Int32(5)}}, "InvalidParameterValue: The parameter MetricData.member.1.StorageResolution must be a value of 1 or 60."},
		"old, twice":   {[]types.MetricDatum{datum("M", 1, -30000), datum("M", 1, -30000)}, "InvalidParameterValue: The parameter MetricData.member.1.Timestamp must specify a time within the past two weeks.\nThe parameter MetricData.member.2.Timestamp must specify a time within the past two weeks."},
		"early":        {[]types.MetricDatum{datum("M", 1, 121)}, "InvalidParameterValue: The parameter MetricData.member.1.Timestamp must specify a time no more than two hours in the future."},
		"twice a name": {[]types.MetricDatum{datum("M", 1, 0, "A", "1", "A", "2")}, "InvalidParameterValue: The parameter MetricData.member.1.Dimensions must not have the same dimension name more than once: A."},
		"a bad set": {[]types.MetricDatum{{MetricName: aws.String("M"), StatisticValues: &types.StatisticSet{SampleCount: value, Sum: value, Minimum: aws.Float64(2), Maximum: value}}},
			"InvalidParameterValue: The parameter MetricData.member.1.StatisticValues.Maximum must be greater than or equal to MetricData.member.1.StatisticValues.Minimum."},
		"many dimensions": {[]types.MetricDatum{{MetricName: aws.String("M"), Value: value, Dimensions: make31()}}, "ValidationError: 1 validation error detected: Value '…' at 'metricData.1.member.dimensions' failed to satisfy constraint: Member must have length less than or equal to 30"},
		"too many":        {make([]types.MetricDatum, 1001), "InvalidParameterValue: The collection MetricData must not have a size greater than 1000."},
	} {
		for i := range test.data {
			if test.data[i].MetricName == nil {
				test.data[i].MetricName = aws.String("M")
			}
		}
		_, err := c.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("App"), MetricData: test.data})
		got := said(err)
		if before, rest, ok := strings.Cut(got, "Value '["); ok { // a list of 31
			_, after, _ := strings.Cut(rest, "]'")
			got = before + "Value '…'" + after
		}
		if got != test.want {
			t.Errorf("%s says %s", name, got)
		}
	}
	out, err := c.ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{})
	if err != nil || len(out.Metrics) != 0 {
		t.Errorf("of what was refused there is %v, %v", out.Metrics, err)
	}
}

func make31() []types.Dimension {
	list := make([]types.Dimension, 31)
	for i := range list {
		list[i] = types.Dimension{Name: aws.String(fmt.Sprint("D", i)), Value: aws.String("v")}
	}
	return list
}
