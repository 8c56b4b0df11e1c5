package logs

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick/aws/models"
)

func TestTooManyRequestsAreThrottled(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.Rates = Rates{"DescribeLogGroups": 0.01, "CreateLogGroup": 1} })
	describe := func() error {
		_, err := h.client.DescribeLogGroups(h.ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
		return err
	}
	var throttled *types.ThrottlingException
	if err := describe(); !errors.As(err, &throttled) || throttled.ErrorMessage() != "Rate exceeded" { // not even one in ten seconds
		t.Errorf("over the rate: %v", err)
	}
	for i := range burst {
		h.group(string(rune('a' + i)))
	}
	if _, err := h.client.CreateLogGroup(h.ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("z")}); err != nil && !errors.As(err, &throttled) {
		t.Errorf("one more than the burst: %v", err)
	}
	if _, err := h.client.DescribeMetricFilters(h.ctx, &cloudwatchlogs.DescribeMetricFiltersInput{}); err != nil {
		t.Errorf("an operation without a rate: %v", err)
	}
}

func TestABucketFillsAgain(t *testing.T) {
	l := &limiter{rates: Rates{"x": 2}}
	now := time.Unix(1000, 0)
	taken := func(at time.Time) (n int) {
		for l.take(bucketKey{operation: "x"}, at) == nil {
			n++
		}
		return n
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 20}, {0, 0}, {time.Second, 2}, {500 * time.Millisecond, 1}, {time.Hour, 20}, {-time.Minute, 0}} {
		now = now.Add(c.after)
		if got := taken(now); got != c.want {
			t.Errorf("after %s %d requests were taken, want %d", c.after, got, c.want)
		}
	}
}

func TestRatesAreOfOperationsThereAre(t *testing.T) {
	for name := range DefaultRates() {
		if models.Logs().Operations[name] == nil {
			t.Errorf("there is no operation %s", name)
		}
	}
	for text, ok := range map[string]bool{"FilterLogEvents=100": true, "*=0": true, "*=0,PutLogEvents=5.5": true, "None=1": false, "FilterLogEvents": false, "FilterLogEvents=-1": false, "": false} {
		r := DefaultRates()
		if err := r.Set(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	r := DefaultRates()
	if err := r.Set("FilterLogEvents=100,StartQuery=10"); err != nil || r.String() != "FilterLogEvents=100" {
		t.Errorf("it is %s, %v", r.String(), err)
	}
}
