package xray

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"
	"github.com/aws/smithy-go"

	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/sqlstore"
	"github.com/wick-run/wick/traces"
)

func TestMain(m *testing.M) { leak.Main(m) }

const (
	testAccount = "111111111111"
	traceID     = "1-6a1f0c3e-0b5174261f6e9f6bc05b8672"
)

// keptBodies sends requests with bodies that stay when the SDK takes its own away.
type keptBodies struct{ next http.RoundTripper }

func (k keptBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	own := r.Clone(r.Context())
	own.Body = io.NopCloser(strings.NewReader(string(body)))
	return k.next.RoundTrip(own)
}

// open returns the SDK's client of the API on a real store, and the API's address.
func open(t *testing.T) (*xray.Client, string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	store, err := sqlstore.Open(ctx, filepath.Join(t.TempDir(), "wick.db"), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := traces.Open(ctx, traces.Options{Store: store, Rules: store})
	if err != nil {
		t.Fatal(err)
	}
	api := New(Options{Traces: tr})
	p := protocol.NewServer(protocol.Options{Services: []*protocol.Service{api.Service()}})
	server := httptest.NewServer(p)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		p.Close()
		if err := errors.Join(tr.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return xray.New(xray.Options{
		BaseEndpoint: &server.URL, Region: "us-east-1", HTTPClient: &http.Client{Transport: keptBodies{transport}}, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: testAccount, SecretAccessKey: "secret"}, nil
		}),
	}), server.URL
}

const document = `{"id":"53995c3f42cd8ad8","trace_id":"` + traceID + `","name":"shop","start_time":1780000000.5,"end_time":1780000001.75,` +
	`"user":"ada","fault":true,"http":{"request":{"url":"http://shop/"},"response":{"status":500}},` +
	`"annotations":{"text":"t","number":1.5,"flag":true},"subsegments":[{"id":"00000000000000aa","name":"S3","namespace":"aws","start_time":1780000001,"end_time":1780000001.5}]}`

var from, to = time.Unix(1780000000, 0), time.Unix(1780000010, 0)

func TestWhatIsPutIsReadBackThroughTheSDK(t *testing.T) {
	c, _ := open(t)
	put, err := c.PutTraceSegments(t.Context(), &xray.PutTraceSegmentsInput{TraceSegmentDocuments: []string{document, `{"id":"x"}`, "nonsense"}})
	if err != nil {
		t.Fatal(err)
	}
	if u := put.UnprocessedTraceSegments; len(u) != 2 || aws.ToString(u[0].Id) != "x" || aws.ToString(u[0].ErrorCode) != "InvalidId" ||
		u[1].Id != nil || aws.ToString(u[1].ErrorCode) != "ParseError" {
		t.Errorf("unprocessed are %+v", u)
	}
	part := `{"id":"%s","trace_id":"` + traceID + `","parent_id":"53995c3f42cd8ad8","type":"subsegment","name":"work","start_time":1780000001,"end_time":1780000001.2}`
	put, err = c.PutTraceSegments(t.Context(), &xray.PutTraceSegmentsInput{TraceSegmentDocuments: []string{
		" [" + fmt.Sprintf(part, "00000000000000b1") + "," + fmt.Sprintf(part, "00000000000000b2") + "," + fmt.Sprintf(part, "y") + "]",
	}})
	if err != nil || len(put.UnprocessedTraceSegments) != 1 || aws.ToString(put.UnprocessedTraceSegments[0].Id) != "y" {
		t.Errorf("of an array: %+v, %v", put, err)
	}
	got, err := c.BatchGetTraces(t.Context(), &xray.BatchGetTracesInput{TraceIds: []string{traceID, "1-00000000-000000000000000000000000"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Traces) != 1 || len(got.UnprocessedTraceIds) != 1 || aws.ToFloat64(got.Traces[0].Duration) != 1.25 || aws.ToBool(got.Traces[0].LimitExceeded) {
		t.Fatalf("got %+v", got)
	}
	if s := got.Traces[0].Segments; len(s) != 1 || aws.ToString(s[0].Id) != "53995c3f42cd8ad8" || !json.Valid([]byte(aws.ToString(s[0].Document))) ||
		!strings.Contains(*s[0].Document, "00000000000000b1") || !strings.Contains(*s[0].Document, "00000000000000b2") {
		t.Errorf("segments are %+v", s)
	}
}

func TestASummaryIsWhatTheSDKReads(t *testing.T) {
	c, _ := open(t)
	if _, err := c.PutTraceSegments(t.Context(), &xray.PutTraceSegmentsInput{TraceSegmentDocuments: []string{document}}); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetTraceSummaries(t.Context(), &xray.GetTraceSummariesInput{
		StartTime: &from, EndTime: &to, FilterExpression: aws.String(`service("shop") { fault }`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.TraceSummaries) != 1 || aws.ToInt64(got.TracesProcessedCount) != 1 || got.NextToken != nil {
		t.Fatalf("got %+v", got)
	}
	s := got.TraceSummaries[0]
	if aws.ToString(s.Id) != traceID || !aws.ToBool(s.HasFault) || aws.ToBool(s.HasError) || aws.ToFloat64(s.ResponseTime) != 1.25 ||
		aws.ToInt32(s.Http.HttpStatus) != 500 || aws.ToString(s.EntryPoint.Name) != "shop" || aws.ToString(s.Users[0].UserName) != "ada" ||
		!s.StartTime.Equal(time.UnixMilli(1780000000500)) {
		t.Errorf("got %+v", s)
	}
	for key, want := range map[string]types.AnnotationValue{
		"text":   &types.AnnotationValueMemberStringValue{Value: "t"},
		"number": &types.AnnotationValueMemberNumberValue{Value: 1.5},
		"flag":   &types.AnnotationValueMemberBooleanValue{Value: true},
	} {
		values := s.Annotations[key]
		if len(values) != 1 {
			t.Errorf("%s has %+v", key, values)
			continue
		}
		switch want := want.(type) {
		case *types.AnnotationValueMemberStringValue:
			if v, ok := values[0].AnnotationValue.(*types.AnnotationValueMemberStringValue); !ok || v.Value != want.Value {
				t.Errorf("%s is %+v", key, values[0].AnnotationValue)
			}
		case *types.AnnotationValueMemberNumberValue:
			if v, ok := values[0].AnnotationValue.(*types.AnnotationValueMemberNumberValue); !ok || v.Value != want.Value {
				t.Errorf("%s is %+v", key, values[0].AnnotationValue)
			}
		case *types.AnnotationValueMemberBooleanValue:
			if v, ok := values[0].AnnotationValue.(*types.AnnotationValueMemberBooleanValue); !ok || v.Value != want.Value {
				t.Errorf("%s is %+v", key, values[0].AnnotationValue)
			}
		}
	}
}

func TestGraphsNameServicesAndEdges(t *testing.T) {
	c, _ := open(t)
	if _, err := c.PutTraceSegments(t.Context(), &xray.PutTraceSegmentsInput{TraceSegmentDocuments: []string{document}}); err != nil {
		t.Fatal(err)
	}
	all, err := c.GetServiceGraph(t.Context(), &xray.GetServiceGraphInput{StartTime: &from, EndTime: &to})
	if err != nil {
		t.Fatal(err)
	}
	one, err := c.GetTraceGraph(t.Context(), &xray.GetTraceGraphInput{TraceIds: []string{traceID}})
	if err != nil {
		t.Fatal(err)
	}
	for what, services := range map[string][]types.Service{"of a time": all.Services, "of a trace": one.Services} {
		if len(services) != 3 {
			t.Fatalf("the graph %s is %+v", what, services)
		}
		shop := services[0]
		if aws.ToString(shop.Name) != "shop" || !aws.ToBool(shop.Root) || aws.ToInt64(shop.SummaryStatistics.FaultStatistics.TotalCount) != 1 ||
			aws.ToFloat64(shop.SummaryStatistics.TotalResponseTime) != 1.25 || len(shop.ResponseTimeHistogram) != 1 {
			t.Errorf("the graph %s has %+v", what, shop)
		}
		if len(shop.Edges) != 1 || aws.ToString(services[*shop.Edges[0].ReferenceId].Name) != "S3" {
			t.Errorf("the graph %s has edges %+v", what, shop.Edges)
		}
	}
}

func TestWithoutOtherRulesTheDefaultSamples(t *testing.T) {
	c, _ := open(t)
	rules, err := c.GetSamplingRules(t.Context(), &xray.GetSamplingRulesInput{})
	if err != nil {
		t.Fatal(err)
	}
	if r := rules.SamplingRuleRecords; len(r) != 1 || aws.ToString(r[0].SamplingRule.RuleName) != "Default" || r[0].SamplingRule.FixedRate != 0.05 ||
		aws.ToString(r[0].SamplingRule.RuleARN) != "arn:aws:xray:us-east-1:111111111111:sampling-rule/Default" {
		t.Errorf("rules are %+v", r)
	}
	statistics := types.SamplingStatisticsDocument{
		RuleName: aws.String("Default"), ClientID: aws.String("0123456789abcdef01234567"), Timestamp: &from, RequestCount: 1, SampledCount: 1,
	}
	unknown := statistics
	unknown.RuleName = aws.String("other")
	targets, err := c.GetSamplingTargets(t.Context(), &xray.GetSamplingTargetsInput{
		SamplingStatisticsDocuments: []types.SamplingStatisticsDocument{statistics, unknown},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(targets.SamplingTargetDocuments) != 1 || aws.ToInt32(targets.SamplingTargetDocuments[0].ReservoirQuota) != 1 || len(targets.UnprocessedStatistics) != 1 {
		t.Errorf("targets are %+v", targets)
	}
	if s, err := c.GetSamplingStatisticSummaries(t.Context(), &xray.GetSamplingStatisticSummariesInput{}); err != nil || len(s.SamplingStatisticSummaries) != 1 || s.SamplingStatisticSummaries[0].RequestCount != 1 {
		t.Errorf("statistics are %+v, %v", s, err)
	}
	if _, err := c.PutTelemetryRecords(t.Context(), &xray.PutTelemetryRecordsInput{TelemetryRecords: []types.TelemetryRecord{{Timestamp: &from}}}); err != nil {
		t.Error(err)
	}
}

func TestWrongQuestionsAreXRaysOwnErrors(t *testing.T) {
	c, _ := open(t)
	day := to.Add(-25 * time.Hour)
	six := to.Add(-7 * time.Hour)
	for _, q := range []struct {
		what, code, message string
		ask                 func() error
	}{
		{"a filter", "InvalidRequestException", "", func() error {
			_, err := c.GetTraceSummaries(t.Context(), &xray.GetTraceSummariesInput{StartTime: &from, EndTime: &to, FilterExpression: aws.String("nonsense")})
			return err
		}},
		{"a range backwards", "InvalidRequestException", "", func() error {
			_, err := c.GetServiceGraph(t.Context(), &xray.GetServiceGraphInput{StartTime: &to, EndTime: &from})
			return err
		}},
		{"a range too long", "InvalidRequestException", "Time range cannot be longer than 24 hours", func() error {
			_, err := c.GetTraceSummaries(t.Context(), &xray.GetTraceSummariesInput{StartTime: &day, EndTime: &to})
			return err
		}},
		{"a graph's range too long", "InvalidRequestException", "Time range cannot be longer than 6 hours", func() error {
			_, err := c.GetServiceGraph(t.Context(), &xray.GetServiceGraphInput{StartTime: &six, EndTime: &to})
			return err
		}},
		{"a group", "NotImplementedException", "", func() error {
			_, err := c.GetServiceGraph(t.Context(), &xray.GetServiceGraphInput{StartTime: &from, EndTime: &to, GroupName: aws.String("g")})
			return err
		}},
		{"too many traces", "InvalidRequestException", "Exceeding maximum query size: 5", func() error {
			_, err := c.BatchGetTraces(t.Context(), &xray.BatchGetTracesInput{TraceIds: slices.Repeat([]string{traceID}, 6)})
			return err
		}},
		{"a page", "InvalidRequestException", "NextToken is currently not supported", func() error {
			_, err := c.BatchGetTraces(t.Context(), &xray.BatchGetTracesInput{TraceIds: []string{traceID}, NextToken: aws.String("x")})
			return err
		}},
	} {
		var api smithy.APIError
		if err := q.ask(); !errors.As(err, &api) || api.ErrorCode() != q.code || !strings.Contains(api.ErrorMessage(), q.message) {
			t.Errorf("%s: %v", q.what, err)
		}
	}
	_, err := c.CreateGroup(t.Context(), &xray.CreateGroupInput{GroupName: aws.String("g")})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "NotImplementedException" {
		t.Errorf("what isn't built: %v", err)
	}
}

func TestARuleIsMadeChangedAndDeleted(t *testing.T) {
	c, _ := open(t)
	ctx := t.Context()
	rule := types.SamplingRule{
		RuleName: aws.String("checkout"), Priority: aws.Int32(10), FixedRate: 0.5, ReservoirSize: 4, ServiceName: aws.String("checkout-*"), ServiceType: aws.String("*"),
		Host: aws.String("*"), HTTPMethod: aws.String("POST"), URLPath: aws.String("*"), ResourceARN: aws.String("*"), Version: aws.Int32(1),
	}
	made, err := c.CreateSamplingRule(ctx, &xray.CreateSamplingRuleInput{SamplingRule: &rule})
	if err != nil {
		t.Fatal(err)
	}
	arn := made.SamplingRuleRecord.SamplingRule.RuleARN
	if aws.ToString(arn) != "arn:aws:xray:us-east-1:111111111111:sampling-rule/checkout" || made.SamplingRuleRecord.CreatedAt.IsZero() {
		t.Errorf("made %+v", made.SamplingRuleRecord)
	}
	refused := func(what string, err error) {
		t.Helper()
		var invalid *types.InvalidRequestException
		if !errors.As(err, &invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = c.CreateSamplingRule(ctx, &xray.CreateSamplingRuleInput{SamplingRule: &rule})
	refused("a rule twice", err)
	updated, err := c.UpdateSamplingRule(ctx, &xray.UpdateSamplingRuleInput{SamplingRuleUpdate: &types.SamplingRuleUpdate{RuleARN: arn, FixedRate: aws.Float64(1), Priority: aws.Int32(3)}})
	if err != nil {
		t.Fatal(err)
	}
	if r := updated.SamplingRuleRecord.SamplingRule; r.FixedRate != 1 || *r.Priority != 3 || r.ReservoirSize != 4 || *r.ServiceName != "checkout-*" {
		t.Errorf("updated to %+v", r)
	}
	_, err = c.UpdateSamplingRule(ctx, &xray.UpdateSamplingRuleInput{SamplingRuleUpdate: &types.SamplingRuleUpdate{RuleName: aws.String("none")}})
	refused("a change of no rule", err)
	_, err = c.UpdateSamplingRule(ctx, &xray.UpdateSamplingRuleInput{SamplingRuleUpdate: &types.SamplingRuleUpdate{RuleName: aws.String("Default"), Host: aws.String("x")}})
	refused("another host of the default", err)
	if _, err := c.UpdateSamplingRule(ctx, &xray.UpdateSamplingRuleInput{SamplingRuleUpdate: &types.SamplingRuleUpdate{RuleName: aws.String("Default"), FixedRate: aws.Float64(0.2)}}); err != nil {
		t.Error(err)
	}
	rules, err := c.GetSamplingRules(ctx, &xray.GetSamplingRulesInput{})
	if err != nil {
		t.Fatal(err)
	}
	if r := rules.SamplingRuleRecords; len(r) != 2 || *r[0].SamplingRule.RuleName != "checkout" || r[1].SamplingRule.FixedRate != 0.2 {
		t.Errorf("rules are %+v", r)
	}
	targets, err := c.GetSamplingTargets(ctx, &xray.GetSamplingTargetsInput{SamplingStatisticsDocuments: []types.SamplingStatisticsDocument{{
		RuleName: aws.String("checkout"), ClientID: aws.String("0123456789abcdef01234567"), Timestamp: &from, RequestCount: 10, SampledCount: 6, BorrowCount: 1,
	}}})
	if err != nil || len(targets.SamplingTargetDocuments) != 1 || *targets.SamplingTargetDocuments[0].ReservoirQuota != 4 || targets.LastRuleModification.Unix() == 0 {
		t.Errorf("targets are %+v, %v", targets, err)
	}
	_, err = c.DeleteSamplingRule(ctx, &xray.DeleteSamplingRuleInput{RuleName: aws.String("Default")})
	refused("deleting the default", err)
	if _, err := c.DeleteSamplingRule(ctx, &xray.DeleteSamplingRuleInput{RuleName: aws.String("checkout")}); err != nil {
		t.Error(err)
	}
	_, err = c.DeleteSamplingRule(ctx, &xray.DeleteSamplingRuleInput{RuleName: aws.String("checkout")})
	refused("deleting it twice", err)
}

func TestStatisticsAreByPeriod(t *testing.T) {
	c, _ := open(t)
	start := time.Now().Add(-time.Hour).Truncate(5 * time.Minute)
	var documents []string
	for i, at := range []time.Duration{0, 30 * time.Second, 90 * time.Second, 400 * time.Second} {
		documents = append(documents, fmt.Sprintf(`{"id":"%016x","trace_id":"1-%08x-%024x","name":"svc","start_time":%d,"end_time":%d,"fault":%t}`,
			i+1, start.Unix(), i+1, start.Add(at).Unix(), start.Add(at).Unix()+2, i == 1))
	}
	if out, err := c.PutTraceSegments(t.Context(), &xray.PutTraceSegmentsInput{TraceSegmentDocuments: documents}); err != nil || len(out.UnprocessedTraceSegments) > 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	show := func(period int32, expression string) (text string) {
		end := start.Add(time.Hour)
		in := &xray.GetTimeSeriesServiceStatisticsInput{StartTime: &start, EndTime: &end, Period: &period}
		if expression != "" {
			in.EntitySelectorExpression = &expression
		}
		out, err := c.GetTimeSeriesServiceStatistics(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range out.TimeSeriesServiceStatistics {
			n := s.ServiceSummaryStatistics
			text += fmt.Sprintf("%d:%d/%d ", int(s.Timestamp.Sub(start).Seconds()), *n.FaultStatistics.TotalCount, *n.TotalCount)
		}
		return text
	}
	for _, test := range []struct {
		period           int32
		expression, want string
	}{{60, "", "0:1/2 60:0/1 360:0/1 "}, {300, "", "0:1/3 300:0/1 "}, {60, "fault", "0:1/1 "}} {
		if got := show(test.period, test.expression); got != test.want {
			t.Errorf("by %d s %s: %s, want %s", test.period, test.expression, got, test.want)
		}
	}
}
