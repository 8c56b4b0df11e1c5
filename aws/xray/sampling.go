package xray

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/traces"
)

// maxAttributes is how many a rule may match. Source: X-Ray API, SamplingRule.
const maxAttributes = 5

func refuse(format string, args ...any) error {
	return invalid(wick.Errorf(wick.InvalidParameter, format, args...))
}

// ruleARN names a rule of the caller's account and region.
func ruleARN(call *protocol.Call, name string) string {
	return "arn:" + wick.Partition(call.Region) + ":xray:" + call.Region + ":" + call.Account + ":sampling-rule/" + name
}

// ruleName returns the name of a rule that a request names in one of two ways.
func ruleName(call *protocol.Call, name, arn *string) (string, error) {
	if (name == nil) == (arn == nil) {
		return "", refuse("Specify a sampling rule by either RuleName or RuleARN, but not both.")
	}
	if name != nil {
		return *name, nil
	}
	found, ok := strings.CutPrefix(*arn, ruleARN(call, ""))
	if !ok {
		return "", refuse("Invalid sampling rule ARN.")
	}
	return found, nil
}

func (a *API) record(call *protocol.Call, r *wick.SamplingRule) *types.SamplingRuleRecord {
	attributes := r.Attributes
	if attributes == nil {
		attributes = map[string]string{}
	}
	return &types.SamplingRuleRecord{CreatedAt: &r.Created, ModifiedAt: &r.Modified, SamplingRule: &types.SamplingRule{
		RuleName: &r.Name, RuleARN: aws.String(ruleARN(call, r.Name)), ResourceARN: &r.ResourceARN, Priority: aws.Int32(int32(r.Priority)),
		FixedRate: r.FixedRate, ReservoirSize: int32(r.ReservoirSize), ServiceName: &r.ServiceName, ServiceType: &r.ServiceType, Host: &r.Host,
		HTTPMethod: &r.HTTPMethod, URLPath: &r.URLPath, Version: aws.Int32(1), Attributes: attributes,
	}}
}

func (a *API) createSamplingRule(ctx context.Context, in *xray.CreateSamplingRuleInput) (*xray.CreateSamplingRuleOutput, error) {
	call, in2 := protocol.From(ctx), in.SamplingRule
	name, err := ruleName(call, in2.RuleName, in2.RuleARN)
	if err != nil {
		return nil, err
	}
	switch {
	case in2.SamplingRateBoost != nil:
		return nil, wick.Errorf(wick.NotBuilt, "Wick's sampling rules don't have SamplingRateBoost yet")
	case len(in2.Attributes) > maxAttributes:
		return nil, refuse("A sampling rule can match at most %d attributes.", maxAttributes)
	case *in2.Version != 1:
		return nil, refuse("Invalid sampling rule version.")
	}
	r, err := a.o.Traces.PutRule(ctx, call.Account, call.Region, name, func(before *wick.SamplingRule) (wick.SamplingRule, error) {
		if before != nil {
			return *before, refuse("Sampling rule already exists.")
		}
		return wick.SamplingRule{
			Priority: int(*in2.Priority), ReservoirSize: int(in2.ReservoirSize), FixedRate: in2.FixedRate, ServiceName: *in2.ServiceName,
			ServiceType: *in2.ServiceType, Host: *in2.Host, HTTPMethod: *in2.HTTPMethod, URLPath: *in2.URLPath, ResourceARN: *in2.ResourceARN,
			Attributes: in2.Attributes, Tags: tags(in.Tags),
		}, nil
	})
	if wick.KindOf(err) == wick.TooManyRequests {
		return nil, &types.RuleLimitExceededException{Message: aws.String("You have reached the maximum number of sampling rules.")}
	}
	if err != nil {
		return nil, err
	}
	return &xray.CreateSamplingRuleOutput{SamplingRuleRecord: a.record(call, &r)}, nil
}

func tags(list []types.Tag) map[string]string {
	m := make(map[string]string, len(list))
	for _, t := range list {
		m[*t.Key] = *t.Value
	}
	return m
}

func (a *API) updateSamplingRule(ctx context.Context, in *xray.UpdateSamplingRuleInput) (*xray.UpdateSamplingRuleOutput, error) {
	call, u := protocol.From(ctx), in.SamplingRuleUpdate
	name, err := ruleName(call, u.RuleName, u.RuleARN)
	if err != nil {
		return nil, err
	}
	if u.SamplingRateBoost != nil {
		return nil, wick.Errorf(wick.NotBuilt, "Wick's sampling rules don't have SamplingRateBoost yet")
	}
	r, err := a.o.Traces.PutRule(ctx, call.Account, call.Region, name, func(before *wick.SamplingRule) (wick.SamplingRule, error) {
		if before == nil {
			return wick.SamplingRule{}, refuse("Sampling rule does not exist.")
		}
		r := *before
		others := u.ResourceARN != nil || u.Priority != nil || u.Host != nil || u.ServiceName != nil || u.ServiceType != nil || u.HTTPMethod != nil || u.URLPath != nil || u.Attributes != nil
		switch {
		case name == traces.DefaultRule && others:
			return r, refuse("Only the fixed rate and the reservoir size of the default sampling rule can be changed.")
		case u.Priority != nil && (*u.Priority < 1 || *u.Priority > 9999):
			return r, refuse("Priority must be between 1 and 9999.")
		case u.FixedRate != nil && (*u.FixedRate < 0 || *u.FixedRate > 1):
			return r, refuse("FixedRate must be between 0 and 1.")
		case u.ReservoirSize != nil && *u.ReservoirSize < 0:
			return r, refuse("ReservoirSize must be at least 0.")
		case len(u.Attributes) > maxAttributes:
			return r, refuse("A sampling rule can match at most %d attributes.", maxAttributes)
		}
		change(&r.ResourceARN, u.ResourceARN)
		change(&r.Host, u.Host)
		change(&r.ServiceName, u.ServiceName)
		change(&r.ServiceType, u.ServiceType)
		change(&r.HTTPMethod, u.HTTPMethod)
		change(&r.URLPath, u.URLPath)
		change(&r.FixedRate, u.FixedRate)
		if u.Priority != nil {
			r.Priority = int(*u.Priority)
		}
		if u.ReservoirSize != nil {
			r.ReservoirSize = int(*u.ReservoirSize)
		}
		if u.Attributes != nil {
			r.Attributes = u.Attributes
		}
		return r, nil
	})
	if err != nil {
		return nil, err
	}
	return &xray.UpdateSamplingRuleOutput{SamplingRuleRecord: a.record(call, &r)}, nil
}

// change sets v where there is something to set it to.
func change[T any](v, to *T) {
	if to != nil {
		*v = *to
	}
}

func (a *API) deleteSamplingRule(ctx context.Context, in *xray.DeleteSamplingRuleInput) (*xray.DeleteSamplingRuleOutput, error) {
	call := protocol.From(ctx)
	name, err := ruleName(call, in.RuleName, in.RuleARN)
	if err != nil {
		return nil, err
	}
	if name == traces.DefaultRule {
		return nil, refuse("The default sampling rule can't be deleted.")
	}
	r, err := a.o.Traces.DeleteRule(ctx, call.Account, call.Region, name)
	var e *wick.Error
	if errors.As(err, &e) && e.Kind == wick.NotFound {
		return nil, refuse("%s", e.Message)
	}
	if err != nil {
		return nil, err
	}
	return &xray.DeleteSamplingRuleOutput{SamplingRuleRecord: a.record(call, &r)}, nil
}

func (a *API) getSamplingRules(ctx context.Context, _ *xray.GetSamplingRulesInput) (*xray.GetSamplingRulesOutput, error) {
	call := protocol.From(ctx)
	list, _ := a.o.Traces.Rules(call.Account, call.Region)
	out := &xray.GetSamplingRulesOutput{SamplingRuleRecords: []types.SamplingRuleRecord{}}
	for i := range list {
		out.SamplingRuleRecords = append(out.SamplingRuleRecords, *a.record(call, &list[i]))
	}
	return out, nil
}

// targetInterval is how often clients shall ask for their share of the reservoir.
// Source: GetSamplingTargets, Interval.
const targetInterval = 10 * time.Second

func (a *API) getSamplingTargets(ctx context.Context, in *xray.GetSamplingTargetsInput) (*xray.GetSamplingTargetsOutput, error) {
	call := protocol.From(ctx)
	_, changed := a.o.Traces.Rules(call.Account, call.Region)
	if changed.IsZero() {
		changed = time.Unix(0, 0)
	}
	out := &xray.GetSamplingTargetsOutput{
		LastRuleModification:    &changed,
		SamplingTargetDocuments: []types.SamplingTargetDocument{}, UnprocessedStatistics: []types.UnprocessedStatistics{},
	}
	for _, d := range in.SamplingStatisticsDocuments {
		r, quota, ok := a.o.Traces.Target(call.Account, call.Region, *d.RuleName, *d.ClientID, traces.SamplingStatistics{
			Requests: int(d.RequestCount), Sampled: int(d.SampledCount), Borrows: int(d.BorrowCount),
		})
		if !ok {
			out.UnprocessedStatistics = append(out.UnprocessedStatistics, types.UnprocessedStatistics{
				RuleName: d.RuleName, ErrorCode: aws.String("400"), Message: aws.String("Unknown rule"),
			})
			continue
		}
		out.SamplingTargetDocuments = append(out.SamplingTargetDocuments, types.SamplingTargetDocument{
			RuleName: d.RuleName, FixedRate: r.FixedRate, ReservoirQuota: aws.Int32(int32(quota)),
			ReservoirQuotaTTL: aws.Time(a.o.Now().Add(targetInterval)), Interval: aws.Int32(int32(targetInterval / time.Second)),
		})
	}
	return out, nil
}

func (a *API) getSamplingStatisticSummaries(
	ctx context.Context, _ *xray.GetSamplingStatisticSummariesInput,
) (*xray.GetSamplingStatisticSummariesOutput, error) {
	call := protocol.From(ctx)
	out := &xray.GetSamplingStatisticSummariesOutput{SamplingStatisticSummaries: []types.SamplingStatisticSummary{}}
	for _, s := range a.o.Traces.SamplingStatistics(call.Account, call.Region) {
		out.SamplingStatisticSummaries = append(out.SamplingStatisticSummaries, types.SamplingStatisticSummary{
			RuleName: aws.String(s.Rule), Timestamp: aws.Time(s.Minute),
			RequestCount: int32(s.Requests), SampledCount: int32(s.Sampled), BorrowCount: int32(s.Borrows),
		})
	}
	return out, nil
}
