package logs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick/aws/models"
	"github.com/wick-run/wick/aws/protocol"
)

// Rates are how many requests of an operation an account may send a second in a region;
// 0 is no limit, and an operation that isn't there has none.
type Rates map[string]float64

// DefaultRates returns AWS's. Source: CloudWatch Logs quotas, of us-east-1.
func DefaultRates() Rates {
	return Rates{
		"CreateLogGroup": 10, "CreateLogStream": 50, "DeleteLogGroup": 10, "DeleteLogStream": 15, "DescribeLogGroups": 10, "DescribeLogStreams": 25,
		"PutLogEvents": 5000, "GetLogEvents": 25, "FilterLogEvents": 25, "PutRetentionPolicy": 10, "DeleteRetentionPolicy": 5,
		"PutMetricFilter": 5, "DescribeMetricFilters": 5, "DeleteMetricFilter": 5, "TestMetricFilter": 5,
		"PutSubscriptionFilter": 5, "DescribeSubscriptionFilters": 5, "DeleteSubscriptionFilter": 5,
		"TagLogGroup": 5, "UntagLogGroup": 5, "ListTagsLogGroup": 5, "TagResource": 5, "UntagResource": 5, "ListTagsForResource": 10,
		"StartQuery": 10, "StopQuery": 10, "GetQueryResults": 10, "DescribeQueries": 10, "StartLiveTail": 3,
	}
}

// Set implements pflag.Value: FilterLogEvents=100, or *=0 for all; several are separated
// by commas.
func (r *Rates) Set(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(one, "=")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || n < 0 || n > 1e9 {
			return fmt.Errorf("%q is not OPERATION=REQUESTS-A-SECOND, such as FilterLogEvents=100", one)
		}
		switch {
		case name == "*":
			for op := range DefaultRates() {
				(*r)[op] = n
			}
		case models.Logs().Operations[name] == nil:
			return fmt.Errorf("CloudWatch Logs has no operation %q", name)
		default:
			(*r)[name] = n
		}
	}
	return nil
}

// String implements pflag.Value.
func (r *Rates) String() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(*r)) {
		if n := (*r)[name]; n != DefaultRates()[name] {
			all = append(all, name+"="+strconv.FormatFloat(n, 'g', -1, 64))
		}
	}
	return strings.Join(all, ",")
}

// Type implements pflag.Value.
func (r *Rates) Type() string { return "OPERATION=N" }

// burst is for how many seconds' worth of requests there is room at once: AWS's buckets
// aren't documented, and are generous.
const burst = 10

// maxBuckets bounds those that are remembered: one that is forgotten is full again.
const maxBuckets = 10_000

// limiter holds requests to rates.
type limiter struct {
	rates Rates

	mu      sync.Mutex // guards buckets
	buckets map[bucketKey]*bucket
}

type bucketKey struct{ operation, account, region string }

// bucket is how many requests are left.
type bucket struct {
	left float64
	at   time.Time // when left was so
}

// take counts a request; it is refused when there are too many.
func (l *limiter) take(key bucketKey, now time.Time) error {
	rate := l.rates[key.operation]
	if rate == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) >= maxBuckets || l.buckets == nil {
			l.buckets = map[bucketKey]*bucket{}
		}
		b = &bucket{left: rate * burst, at: now}
		l.buckets[key] = b
	}
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.left, b.at = min(b.left+passed*rate, rate*burst), now
	}
	if b.left < 1 {
		return &types.ThrottlingException{Message: aws.String("Rate exceeded")}
	}
	b.left--
	return nil
}

// throttle counts a caller's request of an operation, which is refused when there are
// too many.
func (a *API) throttle(ctx context.Context, operation string) error {
	call := protocol.From(ctx)
	return a.limiter.take(bucketKey{operation, call.Account, call.Region}, time.Now())
}

// handle registers a handler that is held to the operation's rate.
func handle[In, Out any](a *API, name string, h func(ctx context.Context, in *In) (*Out, error)) {
	protocol.Handle(a.service, name, func(ctx context.Context, in *In) (*Out, error) {
		if err := a.throttle(ctx, name); err != nil {
			return nil, err
		}
		return h(ctx, in)
	})
}
