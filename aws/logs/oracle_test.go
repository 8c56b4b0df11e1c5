//nolint:staticcheck // the operations that AWS calls deprecated are served too
package logs

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick/internal/testkit/oracle"
)

// The oracle is a set of recordings of the real service; see package oracle. The rules
// they teach are also in api_test.go.

// replay drives one recorded test's calls through the SDK.
type replay struct {
	*harness
	t        *testing.T
	recorded map[string]json.RawMessage
	compare  *oracle.Comparer
	seen     map[string]bool
}

// step compares what the last call answered with a recorded step.
func (r *replay) step(name string, err error) {
	r.t.Helper()
	r.wire.mu.Lock()
	body, status := r.wire.body, r.wire.status
	r.wire.mu.Unlock()
	var got any
	if len(body) > 0 {
		if err := json.Unmarshal(body, &got); err != nil {
			r.t.Fatalf("%s: %v: %q", name, err, body)
		}
	} else {
		got = map[string]any{}
	}
	r.value(name, got, status, err)
}

// value compares a value with a recorded step.
func (r *replay) value(name string, got any, status int, err error) {
	r.t.Helper()
	text, ok := r.recorded[name]
	if !ok {
		r.t.Fatalf("no step %s is recorded", name)
	}
	r.seen[name] = true
	var recorded any
	if err := json.Unmarshal(text, &recorded); err != nil {
		r.t.Fatal(err)
	}
	recorded = placeholders(recorded)
	if answer, ok := recorded.(map[string]any); ok {
		meta, _ := answer["ResponseMetadata"].(map[string]any) // absence is nil
		if want, ok := meta["HTTPStatusCode"].(float64); ok && int(want) != status {
			r.t.Errorf("%s: status %d, recorded %v", name, status, want)
		}
		delete(answer, "ResponseMetadata")
		if failure, ok := answer["Error"].(map[string]any); ok {
			answer = map[string]any{"__type": failure["Code"], "message": failure["Message"]}
			recorded = answer
		}
	}
	r.compare.Value("", recorded, got)
	for _, p := range r.compare.Problems {
		r.t.Errorf("%s: %s", name, p)
	}
	if len(r.compare.Problems) > 0 && err != nil {
		r.t.Logf("%s: the SDK says %v", name, err)
	}
	r.compare.Problems = nil
}

var anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// placeholders makes the words that stand for values in these recordings placeholders
// like the others.
func placeholders(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = placeholders(v[k])
		}
	case []any:
		for i := range v {
			v[i] = placeholders(v[i])
		}
	case string:
		switch v {
		case "timestamp", "create-time", "id", "too-old-log-event-end-index":
			return "<" + v + ">"
		}
		return anyUUID.ReplaceAllString(v, "<request-id>")
	}
	return v
}

func TestReplayOfTheRealService(t *testing.T) {
	for _, file := range []string{"events", "filter_events", "groups", "metric_filters", "queries", "streams", "subscription_filters"} {
		entries, skip, err := oracle.Read("test_logs_" + file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if skip != "" {
			t.Skip(skip)
		}
		for _, entry := range slices.Sorted(maps.Keys(entries)) {
			script, reason := scripts[entry], reasons[entry]
			switch {
			case script == nil && reason == "":
				t.Errorf("%s is neither replayed nor has it a reason why not", entry)
			case script != nil && reason != "":
				t.Errorf("%s is replayed, and has a reason why not: %s", entry, reason)
			case script != nil:
				t.Run(entry, func(t *testing.T) {
					r := &replay{
						harness: newHarness(t), t: t, recorded: entries[entry].Content, seen: map[string]bool{},
						compare: oracle.NewComparer(map[string]string{"<partition>": "aws", "<region>": testRegion}),
					}
					script(r)
					for step := range r.recorded {
						if !r.seen[step] {
							t.Errorf("step %s was not replayed", step)
						}
					}
				})
			}
		}
	}
}

// reasons say why an entry isn't replayed.
var reasons = map[string]string{
	"TestSubscriptionFilters::test_put_subscription_filter_lambda": "AddPermission isn't built; test/journeys delivers to a function",
}

const (
	testGroup  = "test-group"
	testStream = "test-stream"
)

// scripts are the calls of each entry.
var scripts = map[string]func(*replay){
	"TestLogsEvents::test_put_log_events_to_invalid_stream": func(r *replay) {
		r.group(testGroup)
		r.step("error-invalid-stream", r.put(testGroup, "invalid", time.Now(), "x"))
	},
	"TestLogsEvents::test_put_log_events_too_old": func(r *replay) {
		r.group(testGroup, testStream)
		r.step("response-too-old", r.put(testGroup, testStream, time.Now().Add(-16*24*time.Hour), "x"))
	},
	"TestLogsEvents::test_get_log_events_invalid_token": func(r *replay) {
		r.group(testGroup, testStream)
		_, err := r.client.GetLogEvents(r.ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String(testGroup), LogStreamName: aws.String(testStream), NextToken: aws.String("invalid-token")})
		r.step("error-invalid-token", err)
	},
	"TestLogsEventsErrors::test_resource_does_not_exist": func(r *replay) {
		_, err := r.client.GetLogEvents(r.ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("none"), LogStreamName: aws.String(testStream)})
		r.step("error-log-group-does-not-exist", err)
		r.group(testGroup)
		_, err = r.client.GetLogEvents(r.ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String(testGroup), LogStreamName: aws.String("none")})
		r.step("error-log-stream-does-not-exist", err)
	},
	"TestFilterLogEvents::test_filter_log_events_unknown_token": func(r *replay) {
		r.group(testGroup, testStream)
		_, err := r.client.FilterLogEvents(r.ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(testGroup), NextToken: aws.String("wrong-token")})
		r.step("invalid-token", err)
	},
	"TestLogsGroups::test_create_log_group_with_kms_key": func(r *replay) {
		_, err := r.client.CreateLogGroup(r.ctx, &cloudwatchlogs.CreateLogGroupInput{
			LogGroupName: aws.String(testGroup), KmsKeyId: aws.String("arn:aws:kms:us-east-1:111111111111:key/0a1b"),
		})
		r.worked(err)
		r.describeGroups("describe-log-groups-with-kms", &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String(testGroup)})
	},
	"TestLogsGroups::test_describe_log_groups_with_prefix": func(r *replay) {
		for _, name := range []string{"p-1", "p-2", "p-3", "q"} {
			r.group(name)
		}
		r.describeGroups("describe-log-groups-prefix", &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("p-")})
	},
	"TestLogsGroups::test_describe_log_groups_with_pattern": func(r *replay) {
		r.group("one-name")
		r.group("another")
		r.describeGroups("describe-log-groups-pattern", &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePattern: aws.String("e-na")})
	},
	"TestLogsGroups::test_list_log_groups_with_pattern": func(r *replay) {
		r.group("one-name")
		r.describeGroups("list-log-groups-no-match", &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePattern: aws.String("no-such")})
		pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(r.client, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePattern: aws.String("one")})
		var all []any
		for pages.HasMorePages() {
			_, err := pages.NextPage(r.ctx)
			r.worked(err)
			var page struct {
				LogGroups []any `json:"logGroups"`
			}
			r.worked(json.Unmarshal(r.wire.body, &page))
			all = append(all, page.LogGroups...)
		}
		r.value("list-log-groups-match", all, 200, nil)
	},
	"TestLogsGroupsTags::test_create_log_group_with_tags": func(r *replay) {
		r.tagged(map[string]string{"env": "testing"})
		r.listTags("list-tags-after-create")
	},
	"TestLogsGroupsTags::test_tag_log_group": func(r *replay) {
		r.tagged(nil)
		_, err := r.client.TagLogGroup(r.ctx, &cloudwatchlogs.TagLogGroupInput{LogGroupName: aws.String(testGroup), Tags: map[string]string{"tag_key_1": "tag_value_1"}})
		r.worked(err)
		r.listTags("list-tags-after-tag")
	},
	"TestLogsGroupsTags::test_untag_log_group": func(r *replay) {
		r.tagged(map[string]string{"tag_key_1": "tag_value_1", "tag_key_2": "tag_value_2"})
		_, err := r.client.UntagLogGroup(r.ctx, &cloudwatchlogs.UntagLogGroupInput{LogGroupName: aws.String(testGroup), Tags: []string{"tag_key_1"}})
		r.worked(err)
		r.listTags("list-tags-after-untag")
	},
	"TestLogsGroupsTags::test_tag_resource_api": func(r *replay) {
		r.tagged(map[string]string{"env": "testing1"})
		arn := aws.String("arn:aws:logs:us-east-1:111111111111:log-group:" + testGroup)
		r.listTags("list-tags-after-create")
		_, err := r.client.TagResource(r.ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"test1": "val1", "test2": "val2"}})
		r.worked(err)
		r.listBothTags("after-tag-resource", arn)
		_, err = r.client.TagLogGroup(r.ctx, &cloudwatchlogs.TagLogGroupInput{LogGroupName: aws.String(testGroup), Tags: map[string]string{"test3": "val3"}})
		r.worked(err)
		r.listBothTags("after-tag-log-group", arn)
		_, err = r.client.UntagLogGroup(r.ctx, &cloudwatchlogs.UntagLogGroupInput{LogGroupName: aws.String(testGroup), Tags: []string{"test3"}})
		r.worked(err)
		_, err = r.client.UntagResource(r.ctx, &cloudwatchlogs.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"env", "test1"}})
		r.worked(err)
		r.listBothTags("after-untag", arn)
	},
	"TestMetricFilters::test_put_metric_filter_basic": func(r *replay) {
		r.metricFilter("filter", " ", aws.Float64(0))
		r.describeFilters("describe-metric-filters", &cloudwatchlogs.DescribeMetricFiltersInput{LogGroupName: aws.String(testGroup), FilterNamePrefix: aws.String("fil")})
	},
	"TestMetricFilters::test_put_metric_filter_json_pattern": func(r *replay) {
		r.metricFilter("filter", `{$.message = "test"}`, aws.Float64(0))
		r.describeFilters("describe-metric-filters-json", &cloudwatchlogs.DescribeMetricFiltersInput{LogGroupName: aws.String(testGroup)})
	},
	"TestMetricFilters::test_describe_metric_filters_by_metric_name": func(r *replay) {
		r.metricFilter("filter", "pattern", nil)
		r.describeFilters("describe-by-metric-name", &cloudwatchlogs.DescribeMetricFiltersInput{MetricName: aws.String("metric"), MetricNamespace: aws.String("namespace")})
	},
	"TestMetricFiltersValidation::test_put_metric_filter_invalid_filter_name": func(r *replay) {
		r.group(testGroup)
		_, err := r.client.PutMetricFilter(r.ctx, metricFilterInput(strings.Repeat("X", 513), "", nil))
		r.step("error-invalid-filter-name", err)
	},
	"TestMetricFiltersValidation::test_put_metric_filter_invalid_filter_pattern": func(r *replay) {
		r.group(testGroup)
		_, err := r.client.PutMetricFilter(r.ctx, metricFilterInput("filter", strings.Repeat("X", 1025), nil))
		r.step("error-invalid-filter-pattern", err)
	},
	"TestMetricFiltersValidation::test_put_metric_filter_too_many_transformations": func(r *replay) {
		r.group(testGroup)
		in := metricFilterInput("filter", "", nil)
		in.MetricTransformations = []types.MetricTransformation{
			{MetricName: aws.String("metric1"), MetricNamespace: aws.String("namespace1"), MetricValue: aws.String("1")},
			{MetricName: aws.String("metric2"), MetricNamespace: aws.String("namespace2"), MetricValue: aws.String("1")},
		}
		_, err := r.client.PutMetricFilter(r.ctx, in)
		r.step("error-too-many-transformations", err)
	},
	"TestMetricFiltersValidation::test_describe_metric_filters_invalid_parameters": func(r *replay) {
		r.group(testGroup)
		_, err := r.client.DescribeMetricFilters(r.ctx, &cloudwatchlogs.DescribeMetricFiltersInput{LogGroupName: aws.String(testGroup), FilterNamePrefix: aws.String(strings.Repeat("X", 513))})
		r.step("error-invalid-filter-prefix", err)
		_, err = r.client.DescribeMetricFilters(r.ctx, &cloudwatchlogs.DescribeMetricFiltersInput{MetricName: aws.String(strings.Repeat("X", 256)), MetricNamespace: aws.String("x")})
		r.step("error-invalid-metric-name", err)
	},
	"TestCloudWatchLogsInsightsQueries::test_start_query_basic": func(r *replay) {
		r.group(testGroup)
		_, err := r.query("fields @timestamp, @message | limit 10", testGroup)
		r.step("start-query", err)
	},
	"TestCloudWatchLogsInsightsQueries::test_start_query_log_group_not_found": func(r *replay) {
		_, err := r.query("fields @message", "nonexistent")
		r.step("error-log-group-not-found", err)
	},
	"TestCloudWatchLogsInsightsQueries::test_describe_queries": func(r *replay) {
		r.group(testGroup)
		r.finished(r.query("fields @message", testGroup))
		_, err := r.client.DescribeQueries(r.ctx, &cloudwatchlogs.DescribeQueriesInput{LogGroupName: aws.String(testGroup)})
		r.step("describe-queries", err)
	},
	"TestCloudWatchLogsInsightsQueries::test_describe_queries_with_status_filter": func(r *replay) {
		r.group(testGroup)
		r.finished(r.query("fields @message", testGroup))
		_, err := r.client.DescribeQueries(r.ctx, &cloudwatchlogs.DescribeQueriesInput{LogGroupName: aws.String(testGroup), Status: types.QueryStatusComplete})
		r.step("describe-queries-complete", err)
		_, err = r.client.DescribeQueries(r.ctx, &cloudwatchlogs.DescribeQueriesInput{LogGroupName: aws.String(testGroup), Status: types.QueryStatusScheduled})
		r.step("describe-queries-scheduled", err)
	},
	"TestLogsStreams::test_create_and_delete_log_stream": func(r *replay) {
		r.streams(testStream)
		r.describeStreams("describe-log-streams-after-create", &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: aws.String(testGroup)})
		_, err := r.client.DeleteLogStream(r.ctx, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: aws.String(testGroup), LogStreamName: aws.String(testStream)})
		r.worked(err)
	},
	"TestLogsStreams::test_create_log_stream_duplicate_error": func(r *replay) {
		r.streams(testStream)
		_, err := r.client.CreateLogStream(r.ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String(testGroup), LogStreamName: aws.String(testStream)})
		r.step("error-duplicate-log-stream", err)
	},
	"TestLogsStreams::test_describe_log_streams_with_log_group_identifier": func(r *replay) {
		r.streams(testStream)
		arn := "arn:aws:logs:us-east-1:111111111111:log-group:" + testGroup
		r.describeStreams("describe-streams-identifier-name", &cloudwatchlogs.DescribeLogStreamsInput{LogGroupIdentifier: aws.String(testGroup)})
		r.describeStreams("describe-streams-identifier-arn", &cloudwatchlogs.DescribeLogStreamsInput{LogGroupIdentifier: &arn})
		_, err := r.client.DescribeLogStreams(r.ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupIdentifier: &arn, LogGroupName: aws.String(testGroup)})
		r.step("error-both-name-and-identifier", err)
	},
	"TestLogsStreams::test_describe_log_streams_with_prefix": func(r *replay) {
		r.streams("p-1", "p-2", "p-3", "other")
		r.describeStreams("describe-streams-with-prefix", &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: aws.String(testGroup), LogStreamNamePrefix: aws.String("p-")})
	},
	"TestLogsStreams::test_log_stream_arn_format": func(r *replay) {
		r.streams(testStream)
		r.describeStreams("describe-log-streams-with-arn", &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: aws.String(testGroup), LogStreamNamePrefix: aws.String(testStream)})
	},
	"TestSubscriptionFilters::test_describe_subscription_filters_empty": func(r *replay) {
		r.group(testGroup)
		_, err := r.client.DescribeSubscriptionFilters(r.ctx, &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: aws.String(testGroup)})
		r.step("describe-subscription-filters-empty", err)
	},
	"TestSubscriptionFilters::test_describe_subscription_filters_log_group_not_found": func(r *replay) {
		_, err := r.client.DescribeSubscriptionFilters(r.ctx, &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: aws.String("none")})
		r.step("error-log-group-not-found", err)
	},
	"TestSubscriptionFilterUpdates::test_put_subscription_filter_update": func(r *replay) {
		r.group(testGroup)
		for _, pattern := range []string{"", "[]"} {
			_, err := r.client.PutSubscriptionFilter(r.ctx, &cloudwatchlogs.PutSubscriptionFilterInput{
				LogGroupName: aws.String(testGroup), FilterName: aws.String("test"), FilterPattern: &pattern,
				DestinationArn: aws.String("arn:aws:lambda:us-east-1:111111111111:function:f"),
			})
			r.worked(err)
		}
		_, err := r.client.DescribeSubscriptionFilters(r.ctx, &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: aws.String(testGroup)})
		r.step("updated-filter", err)
	},
	"TestSubscriptionFilterUpdates::test_put_subscription_filter_errors": func(r *replay) {
		subscribe := func(group, destination string) error {
			_, err := r.client.PutSubscriptionFilter(r.ctx, &cloudwatchlogs.PutSubscriptionFilterInput{
				LogGroupName: &group, FilterName: aws.String("test"), FilterPattern: aws.String("test"), DestinationArn: &destination,
			})
			return err
		}
		r.step("error-log-group-not-found", subscribe("none", "arn:aws:lambda:us-east-1:123456789012:function:test"))
		r.group(testGroup)
		r.step("error-lambda-not-found", subscribe(testGroup, "arn:aws:lambda:us-east-1:123456789012:function:none"))
		r.step("error-kinesis-not-found", subscribe(testGroup, "arn:aws:kinesis:us-east-1:111111111111:stream/none"))
	},
}

func (r *replay) worked(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *replay) put(group, stream string, at time.Time, message string) error {
	_, err := r.client.PutLogEvents(r.ctx, &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: &group, LogStreamName: &stream, LogEvents: []types.InputLogEvent{{Timestamp: aws.Int64(at.UnixMilli()), Message: &message}},
	})
	return err
}

func (r *replay) describeGroups(step string, in *cloudwatchlogs.DescribeLogGroupsInput) {
	r.t.Helper()
	_, err := r.client.DescribeLogGroups(r.ctx, in)
	r.step(step, err)
}

func (r *replay) tagged(tags map[string]string) {
	r.t.Helper()
	_, err := r.client.CreateLogGroup(r.ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(testGroup), Tags: tags})
	r.worked(err)
}

func (r *replay) listTags(step string) {
	r.t.Helper()
	_, err := r.client.ListTagsLogGroup(r.ctx, &cloudwatchlogs.ListTagsLogGroupInput{LogGroupName: aws.String(testGroup)})
	r.step(step, err)
}

func (r *replay) listBothTags(when string, arn *string) {
	r.t.Helper()
	r.listTags("list-tags-log-group-" + when)
	_, err := r.client.ListTagsForResource(r.ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: arn})
	r.step("list-tags-for-resource-"+when, err)
}

func metricFilterInput(name, pattern string, value *float64) *cloudwatchlogs.PutMetricFilterInput {
	return &cloudwatchlogs.PutMetricFilterInput{
		LogGroupName: aws.String(testGroup), FilterName: &name, FilterPattern: &pattern,
		MetricTransformations: []types.MetricTransformation{{
			MetricName: aws.String("metric"), MetricNamespace: aws.String("namespace"), MetricValue: aws.String("1"), DefaultValue: value,
		}},
	}
}

func (r *replay) metricFilter(name, pattern string, value *float64) {
	r.t.Helper()
	r.group(testGroup)
	_, err := r.client.PutMetricFilter(r.ctx, metricFilterInput(name, pattern, value))
	r.worked(err)
}

func (r *replay) describeFilters(step string, in *cloudwatchlogs.DescribeMetricFiltersInput) {
	r.t.Helper()
	_, err := r.client.DescribeMetricFilters(r.ctx, in)
	r.step(step, err)
}

func (r *replay) streams(names ...string) {
	r.t.Helper()
	r.compare.Bound["<log-group>"] = testGroup
	r.group(testGroup, names...)
}

func (r *replay) describeStreams(step string, in *cloudwatchlogs.DescribeLogStreamsInput) {
	r.t.Helper()
	_, err := r.client.DescribeLogStreams(r.ctx, in)
	r.step(step, err)
}

func (r *replay) query(text, group string) (*cloudwatchlogs.StartQueryOutput, error) {
	now := time.Now().Unix()
	return r.client.StartQuery(r.ctx, &cloudwatchlogs.StartQueryInput{
		LogGroupName: &group, QueryString: &text, StartTime: aws.Int64(now - 3600), EndTime: aws.Int64(now + 3600),
	})
}

// finished waits for a query's end.
func (r *replay) finished(out *cloudwatchlogs.StartQueryOutput, err error) {
	r.t.Helper()
	r.worked(err)
	for {
		results, err := r.client.GetQueryResults(r.ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: out.QueryId})
		r.worked(err)
		if results.Status == types.QueryStatusComplete {
			return
		}
	}
}
