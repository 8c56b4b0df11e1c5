//nolint:staticcheck // the operations that AWS calls deprecated are served too
package logs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"

	"github.com/wick-run/wick"
)

// events makes a batch: pairs of milliseconds from at and a message.
func events(at time.Time, pairs ...any) []types.InputLogEvent {
	var list []types.InputLogEvent
	for i := 0; i < len(pairs); i += 2 {
		ms := at.UnixMilli() + int64(pairs[i].(int)) //nolint:forcetypeassert // a test's
		message := aws.String(pairs[i+1].(string))   //nolint:forcetypeassert // a test's
		list = append(list, types.InputLogEvent{Timestamp: &ms, Message: message})
	}
	return list
}

func (h *harness) put(group, stream string, list []types.InputLogEvent) (*cloudwatchlogs.PutLogEventsOutput, error) {
	return h.client.PutLogEvents(h.ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: list})
}

func wantError(t *testing.T, err error, code, part string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), part) {
		t.Errorf("error %v, want %s with %q", err, code, part)
	}
}

func TestWhatPutLogEventsRefuses(t *testing.T) {
	h := newHarness(t)
	h.group("g", "s")
	now := time.Now()
	var many []any
	for range 10_001 {
		many = append(many, 0, "x")
	}
	for _, tt := range []struct {
		name, code, part string
		list             []types.InputLogEvent
	}{
		{"no order", "InvalidParameterException", "chronological order", events(now, 1, "a", 0, "b")},
		{"a day and more", "InvalidParameterException", "cannot span more than 24 hours", events(now, -25*3600_000, "a", 0, "b")},
		{"a byte too many", "InvalidParameterException", "Upload too large: 1048577 bytes exceeds limit of 1048576", events(now, 0, strings.Repeat("x", 1<<20-25))},
		{"the overhead of each event", "InvalidParameterException", "Upload too large", events(now, 0, strings.Repeat("x", 1<<20-52), 0, "y")},
		{"an event too many", "InvalidParameterException", "Member must have length less than or equal to 10000", events(now, many...)},
		{"no events", "InvalidParameterException", "Member must have length greater than or equal to 1", []types.InputLogEvent{}},
		{"an empty message", "InvalidParameterException", "Member must have length greater than or equal to 1", events(now, 0, "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := h.put("g", "s", tt.list)
			wantError(t, err, tt.code, tt.part)
		})
	}
	out := must[*cloudwatchlogs.GetLogEventsOutput](h)(h.client.GetLogEvents(h.ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s")}))
	if len(out.Events) != 0 {
		t.Errorf("of refused batches %d events are there", len(out.Events))
	}
	must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", "s", events(now, 0, strings.Repeat("x", 1<<20-26))))
}

func TestEventsThatAreTooOldOrTooNewAreRejectedAlone(t *testing.T) {
	h := newHarness(t)
	h.group("g", "s")
	must[*cloudwatchlogs.PutRetentionPolicyOutput](h)(h.client.PutRetentionPolicy(h.ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: aws.String("g"), RetentionInDays: aws.Int32(3)}))
	const day = 24 * 3600_000
	out := must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", "s",
		events(time.Now(), -15*day, "old", -4*day, "expired", -1000, "a", 0, "b", 3*3600_000, "new")))
	info := out.RejectedLogEventsInfo
	if info == nil || aws.ToInt32(info.TooOldLogEventEndIndex) != 1 || aws.ToInt32(info.ExpiredLogEventEndIndex) != 2 || aws.ToInt32(info.TooNewLogEventStartIndex) != 4 {
		t.Errorf("rejected: %+v", info)
	}
	got := must[*cloudwatchlogs.GetLogEventsOutput](h)(h.client.GetLogEvents(h.ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s")}))
	if len(got.Events) != 2 || *got.Events[0].Message != "a" || *got.Events[1].Message != "b" {
		t.Errorf("kept: %d events", len(got.Events))
	}
}

// page calls GetLogEvents and returns the messages.
func (h *harness) page(in cloudwatchlogs.GetLogEventsInput) ([]string, *cloudwatchlogs.GetLogEventsOutput) {
	h.t.Helper()
	in.LogGroupName, in.LogStreamName = aws.String("g"), aws.String("s")
	out := must[*cloudwatchlogs.GetLogEventsOutput](h)(h.client.GetLogEvents(h.ctx, &in))
	list := []string{}
	for _, e := range out.Events {
		list = append(list, *e.Message)
	}
	return list, out
}

func (h *harness) wantPage(in cloudwatchlogs.GetLogEventsInput, want ...string) *cloudwatchlogs.GetLogEventsOutput {
	h.t.Helper()
	got, out := h.page(in)
	if !slices.Equal(got, append([]string{}, want...)) {
		h.t.Errorf("got %v, want %v", got, want)
	}
	return out
}

func TestGetLogEventsGoesForwardAndBackwardAndItsTokensStayAtTheEnds(t *testing.T) {
	h := newHarness(t)
	h.group("g", "s")
	now := time.Now()
	// Several share a millisecond, and a later batch has an earlier time.
	must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", "s", events(now, 10, "2", 10, "3", 10, "4", 20, "5")))
	must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", "s", events(now, 0, "1", 30, "6")))

	first := h.wantPage(cloudwatchlogs.GetLogEventsInput{Limit: aws.Int32(3), StartFromHead: aws.Bool(true)}, "1", "2", "3")
	second := h.wantPage(cloudwatchlogs.GetLogEventsInput{Limit: aws.Int32(3), NextToken: first.NextForwardToken}, "4", "5", "6")
	third := h.wantPage(cloudwatchlogs.GetLogEventsInput{Limit: aws.Int32(3), NextToken: second.NextForwardToken})
	if *third.NextForwardToken != *second.NextForwardToken {
		t.Errorf("at the end the token is %s, after %s", *third.NextForwardToken, *second.NextForwardToken)
	}
	h.wantPage(cloudwatchlogs.GetLogEventsInput{Limit: aws.Int32(2), NextToken: third.NextBackwardToken}, "5", "6")
	h.wantPage(cloudwatchlogs.GetLogEventsInput{Limit: aws.Int32(3), NextToken: second.NextBackwardToken}, "1", "2", "3")

	last := h.wantPage(cloudwatchlogs.GetLogEventsInput{Limit: aws.Int32(4)}, "3", "4", "5", "6")
	before := h.wantPage(cloudwatchlogs.GetLogEventsInput{Limit: aws.Int32(4), NextToken: last.NextBackwardToken}, "1", "2")
	start := h.wantPage(cloudwatchlogs.GetLogEventsInput{Limit: aws.Int32(4), NextToken: before.NextBackwardToken})
	if *start.NextBackwardToken != *before.NextBackwardToken {
		t.Errorf("at the start the token is %s, after %s", *start.NextBackwardToken, *before.NextBackwardToken)
	}
	h.wantPage(cloudwatchlogs.GetLogEventsInput{Limit: aws.Int32(2), NextToken: start.NextForwardToken}, "1", "2")

	must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", "s", events(now, 40, "7")))
	h.wantPage(cloudwatchlogs.GetLogEventsInput{NextToken: third.NextForwardToken}, "7")

	at := now.UnixMilli()
	h.wantPage(cloudwatchlogs.GetLogEventsInput{StartTime: aws.Int64(at + 10), EndTime: aws.Int64(at + 20)}, "2", "3", "4")
	h.wantPage(cloudwatchlogs.GetLogEventsInput{StartTime: aws.Int64(at + 50)})
	for _, token := range []string{"x", "f/1/s", "g/" + strings.Repeat("0", 56) + "/s", "f/" + strings.Repeat("x", 56) + "/s", "f/" + strings.Repeat("9", 56) + "/s"} {
		_, err := h.client.GetLogEvents(h.ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s"), NextToken: &token})
		wantError(t, err, "InvalidParameterException", "The specified nextToken is invalid.")
	}
}

// search follows FilterLogEvents to its end and returns the messages.
func (h *harness) search(in cloudwatchlogs.FilterLogEventsInput) []string {
	h.t.Helper()
	in.LogGroupName = aws.String("g")
	list, ids := []string{}, map[string]bool{}
	for {
		out := must[*cloudwatchlogs.FilterLogEventsOutput](h)(h.client.FilterLogEvents(h.ctx, &in))
		if in.Limit != nil && len(out.Events) > int(*in.Limit) {
			h.t.Errorf("a page of %d events", len(out.Events))
		}
		for _, e := range out.Events {
			list = append(list, *e.LogStreamName+":"+*e.Message)
			if ids[*e.EventId] {
				h.t.Errorf("two events have ID %s", *e.EventId)
			}
			ids[*e.EventId] = true
		}
		if out.NextToken == nil {
			return list
		}
		in.NextToken = out.NextToken
	}
}

func TestFilterLogEventsInterleavesAndPages(t *testing.T) {
	h := newHarness(t)
	h.group("g", "a", "a2", "b")
	now := time.Now()
	must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", "a", events(now, 0, "ERROR 1", 20, "ERROR 3", 20, "INFO 4")))
	must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", "b", events(now, 10, "ERROR 2", 20, "ERROR 5")))
	must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", "a2", events(now, 30, "ERROR 6")))
	at := now.UnixMilli()
	all := []string{"a:ERROR 1", "b:ERROR 2", "a:ERROR 3", "b:ERROR 5", "a2:ERROR 6"}
	backward := slices.Clone(all)
	slices.Reverse(backward)
	for _, tt := range []struct {
		name string
		in   cloudwatchlogs.FilterLogEventsInput
		want []string
	}{
		{"a pattern", cloudwatchlogs.FilterLogEventsInput{FilterPattern: aws.String("ERROR")}, all},
		{"pages of one", cloudwatchlogs.FilterLogEventsInput{FilterPattern: aws.String("ERROR"), Limit: aws.Int32(1)}, all},
		{"pages of two, backward", cloudwatchlogs.FilterLogEventsInput{FilterPattern: aws.String("ERROR"), Limit: aws.Int32(2), StartFromHead: aws.Bool(false)}, backward},
		{"streams", cloudwatchlogs.FilterLogEventsInput{LogStreamNames: []string{"b", "a2"}}, []string{"b:ERROR 2", "b:ERROR 5", "a2:ERROR 6"}},
		{"a prefix", cloudwatchlogs.FilterLogEventsInput{LogStreamNamePrefix: aws.String("a")}, []string{"a:ERROR 1", "a:ERROR 3", "a:INFO 4", "a2:ERROR 6"}},
		{"no stream of the prefix", cloudwatchlogs.FilterLogEventsInput{LogStreamNamePrefix: aws.String("z")}, []string{}},
		{"a time", cloudwatchlogs.FilterLogEventsInput{StartTime: aws.Int64(at + 10), EndTime: aws.Int64(at + 20)}, []string{"b:ERROR 2"}},
		{"fields", cloudwatchlogs.FilterLogEventsInput{FilterPattern: aws.String("[level = ERROR, n >= 5]")}, []string{"b:ERROR 5", "a2:ERROR 6"}},
		{"nothing", cloudwatchlogs.FilterLogEventsInput{FilterPattern: aws.String("FATAL")}, []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := h.search(tt.in); !slices.Equal(got, tt.want) {
				t.Errorf("got %v\nwant %v", got, tt.want)
			}
		})
	}
	for _, tt := range []struct {
		in         cloudwatchlogs.FilterLogEventsInput
		code, part string
	}{
		{cloudwatchlogs.FilterLogEventsInput{FilterPattern: aws.String("{ broken")}, "InvalidParameterException", "Invalid filter pattern"},
		{cloudwatchlogs.FilterLogEventsInput{LogStreamNames: []string{"a"}, LogStreamNamePrefix: aws.String("a")}, "InvalidParameterException", "mutually exclusive"},
		{cloudwatchlogs.FilterLogEventsInput{LogStreamNames: []string{"z"}}, "ResourceNotFoundException", "The specified log stream does not exist."},
	} {
		tt.in.LogGroupName = aws.String("g")
		_, err := h.client.FilterLogEvents(h.ctx, &tt.in)
		wantError(t, err, tt.code, tt.part)
	}
}

func TestGroupsAndStreamsAreListedInPagesAndOrder(t *testing.T) {
	h := newHarness(t)
	for i := range 7 {
		h.group(fmt.Sprint("p/", i))
	}
	h.group("g", "s1", "s2", "s3", "t1")
	var names []string
	groups := cloudwatchlogs.NewDescribeLogGroupsPaginator(h.client, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("p/"), Limit: aws.Int32(3)})
	for groups.HasMorePages() {
		for _, g := range must[*cloudwatchlogs.DescribeLogGroupsOutput](h)(groups.NextPage(h.ctx)).LogGroups {
			names = append(names, *g.LogGroupName)
		}
	}
	if got := fmt.Sprint(names); got != "[p/0 p/1 p/2 p/3 p/4 p/5 p/6]" {
		t.Errorf("groups %s", got)
	}
	now := time.Now()
	for i, s := range []string{"s2", "s3", "s1"} {
		must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", s, events(now, 100*i, "x")))
	}
	list := func(in cloudwatchlogs.DescribeLogStreamsInput) string {
		t.Helper()
		in.LogGroupName = aws.String("g")
		var names []string
		pages := cloudwatchlogs.NewDescribeLogStreamsPaginator(h.client, &in)
		for pages.HasMorePages() {
			for _, s := range must[*cloudwatchlogs.DescribeLogStreamsOutput](h)(pages.NextPage(h.ctx)).LogStreams {
				names = append(names, *s.LogStreamName)
			}
		}
		return fmt.Sprint(names)
	}
	for _, tt := range []struct {
		in   cloudwatchlogs.DescribeLogStreamsInput
		want string
	}{
		{cloudwatchlogs.DescribeLogStreamsInput{}, "[s1 s2 s3 t1]"},
		{cloudwatchlogs.DescribeLogStreamsInput{Descending: aws.Bool(true), Limit: aws.Int32(2)}, "[t1 s3 s2 s1]"},
		{cloudwatchlogs.DescribeLogStreamsInput{LogStreamNamePrefix: aws.String("s"), Limit: aws.Int32(1)}, "[s1 s2 s3]"},
		{cloudwatchlogs.DescribeLogStreamsInput{OrderBy: types.OrderByLastEventTime, Descending: aws.Bool(true), Limit: aws.Int32(1)}, "[s1 s3 s2 t1]"},
		{cloudwatchlogs.DescribeLogStreamsInput{OrderBy: types.OrderByLastEventTime, Limit: aws.Int32(3)}, "[t1 s2 s3 s1]"},
	} {
		if got := list(tt.in); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.in, got, tt.want)
		}
	}
	_, err := h.client.DescribeLogStreams(h.ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: aws.String("g"), OrderBy: types.OrderByLastEventTime, LogStreamNamePrefix: aws.String("s")})
	wantError(t, err, "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
}

func TestDeletingAGroupTakesItsStreamsAndText(t *testing.T) {
	h := newHarness(t)
	h.group("g", "s")
	must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", "s", events(time.Now(), 0, "before")))
	src := &wick.Source{Function: &wick.Function{FunctionID: wick.FunctionID{Account: testAccount, Region: testRegion, Name: "f"}}, LogGroup: "g", LogStream: "instance"}
	h.logs.Record(time.Now(), src, wick.InvokeStart{RequestID: "r1", Version: wick.Latest}) // in memory only
	must[*cloudwatchlogs.DeleteLogGroupOutput](h)(h.client.DeleteLogGroup(h.ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("g")}))
	_, err := h.client.DescribeLogStreams(h.ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: aws.String("g")})
	wantError(t, err, "ResourceNotFoundException", "The specified log group does not exist.")
	h.group("g", "s")
	if got := h.search(cloudwatchlogs.FilterLogEventsInput{}); len(got) != 0 {
		t.Errorf("a new group of the name has %v", got)
	}
	// The instance goes on: its stream is there again, with what is new.
	h.logs.Record(time.Now(), src, wick.InvokeStart{RequestID: "r2", Version: wick.Latest})
	if got := h.search(cloudwatchlogs.FilterLogEventsInput{}); len(got) != 1 || !strings.HasPrefix(got[0], "instance:START RequestId: r2") {
		t.Errorf("after the instance wrote again: %v", got)
	}
	must[*cloudwatchlogs.DeleteLogStreamOutput](h)(h.client.DeleteLogStream(h.ctx, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("instance")}))
	if got := h.search(cloudwatchlogs.FilterLogEventsInput{}); len(got) != 0 {
		t.Errorf("after its stream was deleted: %v", got)
	}
	_, err = h.client.DeleteLogStream(h.ctx, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("instance")})
	wantError(t, err, "ResourceNotFoundException", "The specified log stream does not exist.")
}

func TestSettingsOfAGroup(t *testing.T) {
	h := newHarness(t)
	h.group("g")
	name := aws.String("g")
	_, err := h.client.CreateLogGroup(h.ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: name})
	wantError(t, err, "ResourceAlreadyExistsException", "The specified log group already exists")
	_, err = h.client.CreateLogGroup(h.ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("a b")})
	wantError(t, err, "InvalidParameterException", `Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+`)
	_, err = h.client.PutRetentionPolicy(h.ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: name, RetentionInDays: aws.Int32(2)})
	wantError(t, err, "InvalidParameterException", "Value '2' at 'retentionInDays'")
	describe := func() types.LogGroup {
		t.Helper()
		out := must[*cloudwatchlogs.DescribeLogGroupsOutput](h)(h.client.DescribeLogGroups(h.ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: name}))
		return out.LogGroups[0]
	}
	must[*cloudwatchlogs.PutRetentionPolicyOutput](h)(h.client.PutRetentionPolicy(h.ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: name, RetentionInDays: aws.Int32(7)}))
	if got := describe(); aws.ToInt32(got.RetentionInDays) != 7 {
		t.Errorf("retention %v", aws.ToInt32(got.RetentionInDays))
	}
	must[*cloudwatchlogs.DeleteRetentionPolicyOutput](h)(h.client.DeleteRetentionPolicy(h.ctx, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: name}))
	if got := describe(); got.RetentionInDays != nil {
		t.Errorf("retention %v", *got.RetentionInDays)
	}
	must[*cloudwatchlogs.PutLogGroupDeletionProtectionOutput](h)(h.client.PutLogGroupDeletionProtection(h.ctx, &cloudwatchlogs.PutLogGroupDeletionProtectionInput{LogGroupIdentifier: name, DeletionProtectionEnabled: aws.Bool(true)}))
	_, err = h.client.DeleteLogGroup(h.ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: name})
	wantError(t, err, "ValidationException", "deletion protection")
	tags := map[string]string{}
	for i := range 50 {
		tags[fmt.Sprint("k", i)] = "v"
	}
	must[*cloudwatchlogs.TagLogGroupOutput](h)(h.client.TagLogGroup(h.ctx, &cloudwatchlogs.TagLogGroupInput{LogGroupName: name, Tags: tags}))
	_, err = h.client.TagLogGroup(h.ctx, &cloudwatchlogs.TagLogGroupInput{LogGroupName: name, Tags: map[string]string{"one": "more"}})
	wantError(t, err, "TooManyTagsException", "too many tags")
	_, err = h.client.AssociateKmsKey(h.ctx, &cloudwatchlogs.AssociateKmsKeyInput{KmsKeyId: name})
	wantError(t, err, "NotImplementedException", "Wick doesn't serve CloudWatch Logs's AssociateKmsKey yet")
}

func TestAQueryOfTwoGroups(t *testing.T) {
	h := newHarness(t)
	h.group("g", "s")
	h.group("h", "s")
	now := time.Now()
	must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", "s", events(now, 0, "user=a took 10 ms", 10, "user=b took 20 ms", 20, "x")))
	must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("h", "s", events(now, 5, "user=a took 30 ms")))
	out := must[*cloudwatchlogs.StartQueryOutput](h)(h.client.StartQuery(h.ctx, &cloudwatchlogs.StartQueryInput{
		LogGroupNames: []string{"g", "h"}, StartTime: aws.Int64(now.Unix() - 60), EndTime: aws.Int64(now.Unix() + 60),
		QueryString: aws.String(`parse @message "user=* took * ms" as user, ms | filter ispresent(user) | stats sum(ms) as total by user | sort total desc`),
	}))
	for {
		got := must[*cloudwatchlogs.GetQueryResultsOutput](h)(h.client.GetQueryResults(h.ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: out.QueryId}))
		if got.Status == types.QueryStatusRunning {
			continue
		}
		var rows []string
		for _, r := range got.Results {
			for _, f := range r {
				rows = append(rows, *f.Field+"="+*f.Value)
			}
		}
		if fmt.Sprint(rows) != "[user=a total=40 user=b total=20]" || got.Statistics.RecordsScanned != 4 || got.Statistics.RecordsMatched != 3 {
			t.Errorf("%v %v %+v", got.Status, rows, got.Statistics)
		}
		break
	}
	_, err := h.client.StartQuery(h.ctx, &cloudwatchlogs.StartQueryInput{LogGroupName: aws.String("g"), StartTime: aws.Int64(0), EndTime: aws.Int64(1), QueryString: aws.String("nonsense")})
	wantError(t, err, "MalformedQueryException", "unexpected symbol found n at position 0")
	_, err = h.client.StopQuery(h.ctx, &cloudwatchlogs.StopQueryInput{QueryId: out.QueryId})
	wantError(t, err, "InvalidParameterException", "has already ended")
	_, err = h.client.GetQueryResults(h.ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: aws.String("none")})
	wantError(t, err, "ResourceNotFoundException", "does not exist")
}

func TestWhatIsntKeptIsSaid(t *testing.T) {
	h := newHarness(t)
	h.group("g", "s")
	h.group("another")
	out := must[*cloudwatchlogs.PutLogEventsOutput](h)(h.client.PutLogEvents(h.ctx, &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: aws.String("g"), LogStreamName: aws.String("s"), LogEvents: events(time.Now(), 0, "x"), Entity: &types.Entity{KeyAttributes: map[string]string{"Name": "a", "Type": "Service"}},
	}))
	if out.RejectedEntityInfo == nil {
		t.Error("the entity was not rejected")
	}
	in := metricFilterInput("f", "x", nil)
	in.LogGroupName, in.ApplyOnTransformedLogs = aws.String("g"), true
	_, err := h.client.PutMetricFilter(h.ctx, in)
	wantError(t, err, "NotImplementedException", "applyOnTransformedLogs")
	_, err = h.client.ListLogGroups(h.ctx, &cloudwatchlogs.ListLogGroupsInput{FieldIndexNames: []string{"f"}})
	wantError(t, err, "NotImplementedException", "fieldIndexNames")
	_, err = h.client.PutSubscriptionFilter(h.ctx, &cloudwatchlogs.PutSubscriptionFilterInput{
		LogGroupName: aws.String("g"), FilterName: aws.String("f"), FilterPattern: aws.String(""), RoleArn: aws.String("arn:aws:iam::111111111111:role/r"),
		DestinationArn: aws.String("arn:aws:kinesis:us-east-1:111111111111:stream/s"),
	})
	wantError(t, err, "NotImplementedException", "Lambda functions only")
	listed := must[*cloudwatchlogs.ListLogGroupsOutput](h)(h.client.ListLogGroups(h.ctx, &cloudwatchlogs.ListLogGroupsInput{LogGroupNamePattern: aws.String("^another|^nothing")}))
	if len(listed.LogGroups) != 1 || *listed.LogGroups[0].LogGroupName != "another" {
		t.Errorf("listed: %d groups", len(listed.LogGroups))
	}
}

func TestAGroupHasFiveFiltersWithRegularExpressions(t *testing.T) {
	h := newHarness(t)
	h.group("g")
	put := func(name, pattern string) error {
		_, err := h.client.PutMetricFilter(h.ctx, &cloudwatchlogs.PutMetricFilterInput{
			LogGroupName: aws.String("g"), FilterName: &name, FilterPattern: &pattern,
			MetricTransformations: []types.MetricTransformation{{MetricName: aws.String("m"), MetricNamespace: aws.String("n"), MetricValue: aws.String("1")}},
		})
		return err
	}
	for i := range maxRegexFilters {
		if err := put(fmt.Sprint(i), "%a|b%"); err != nil {
			t.Fatal(err)
		}
	}
	if err := put("0", "{ $.a = %c% }"); err != nil {
		t.Errorf("one that is there is changed: %v", err)
	}
	if err := put("plain", "ERROR"); err != nil {
		t.Errorf("one without: %v", err)
	}
	wantError(t, put("sixth", "%a%"), "LimitExceededException", "Resource limit exceeded.")
}

func TestMetricFilterIsTried(t *testing.T) {
	h := newHarness(t)
	out := must[*cloudwatchlogs.TestMetricFilterOutput](h)(h.client.TestMetricFilter(h.ctx, &cloudwatchlogs.TestMetricFilterInput{
		FilterPattern: aws.String("[level = ERROR, code]"), LogEventMessages: []string{"INFO 1", "ERROR 2"},
	}))
	if len(out.Matches) != 1 || out.Matches[0].EventNumber != 2 || out.Matches[0].ExtractedValues["$code"] != "2" {
		t.Errorf("%+v", out.Matches)
	}
}
