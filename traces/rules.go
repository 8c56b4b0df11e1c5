package traces

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wick-run/wick"
)

// The default sampling rule. Source: X-Ray developer guide, sampling rules; Lambda
// developer guide, X-Ray: the first request each second, and 5 % of the others.
const (
	DefaultRule     = wick.DefaultSamplingRule
	ReservoirSize   = 1
	FixedRate       = 0.05
	defaultPriority = 10_000
)

// MaxRules is how many rules of its own a region of an account can have.
// Source: X-Ray quotas.
const MaxRules = 25

// typeFunction is the service type that rules know functions by.
const typeFunction = "AWS::Lambda::Function"

// owner is whose rules count for an event.
type owner struct{ account, region string }

// rules are an owner's: its own in the order they are tried, and the default.
type rules struct {
	own      []*rule
	standard *rule
	changed  time.Time // the last change; zero for never
}

// rule is a rule with what was decided by it.
type rule struct {
	wick.SamplingRule
	reservoir reservoir // of an own rule; the default has one for each function
	statistics
	clients map[string]time.Time // who asked for targets lately
}

// reservoir counts what it has let through in a second.
type reservoir struct {
	second int64
	taken  int
}

// take says whether there is room in this second.
func (r *reservoir) take(now int64, size int) bool {
	if now > r.second {
		r.second, r.taken = now, 0
	}
	if r.taken >= size {
		return false
	}
	r.taken++
	return true
}

// standardRule is the default as long as nobody changes it.
func standardRule(o owner) *rule {
	return &rule{SamplingRule: wick.SamplingRule{
		Account: o.account, Region: o.region, Name: DefaultRule, Priority: defaultPriority, ReservoirSize: ReservoirSize, FixedRate: FixedRate,
		ServiceName: "*", ServiceType: "*", Host: "*", HTTPMethod: "*", URLPath: "*", ResourceARN: "*",
		Created: time.Unix(0, 0).UTC(), Modified: time.Unix(0, 0).UTC(),
	}}
}

// put takes a rule up; one of its name goes on with what it has.
func (s *sampler) put(r wick.SamplingRule) {
	rs := s.rulesOf(owner{r.Account, r.Region})
	if r.Modified.After(rs.changed) {
		rs.changed = r.Modified
	}
	if r.Name == DefaultRule {
		rs.standard.SamplingRule = r
		return
	}
	i := slices.IndexFunc(rs.own, func(o *rule) bool { return o.Name == r.Name })
	if i < 0 {
		rs.own = append(rs.own, &rule{SamplingRule: r})
	} else {
		rs.own[i].SamplingRule = r
	}
	slices.SortFunc(rs.own, func(a, b *rule) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), strings.Compare(a.Name, b.Name))
	})
}

// rulesOf returns an owner's rules, made if need be; s.mu is held.
func (s *sampler) rulesOf(o owner) *rules {
	rs := s.rules[o]
	if rs == nil {
		rs = &rules{standard: standardRule(o)}
		if s.rules == nil {
			s.rules = map[owner]*rules{}
		}
		s.rules[o] = rs
	}
	return rs
}

// all returns the rules in the order they are tried.
func (rs *rules) all() []*rule { return append(slices.Clone(rs.own), rs.standard) }

func (rs *rules) named(name string) *rule {
	for _, r := range rs.all() {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// matches says whether a rule is for a function's events: requests of Invoke to the
// Lambda service.
func (r *rule) matches(f *wick.Function) bool {
	return len(r.Attributes) == 0 && // an event has none before its function runs
		matchWildcard(r.ServiceName, f.Name) && matchWildcard(r.ServiceType, typeFunction) && matchWildcard(r.HTTPMethod, "POST") &&
		matchWildcard(r.Host, "lambda."+f.Region+".amazonaws.com") && matchWildcard(r.URLPath, "/2015-03-31/functions/"+f.Name+"/invocations") &&
		matchWildcard(r.ResourceARN, f.ARN())
}

// matchWildcard says whether text matches a pattern with * and ?, whatever their case.
func matchWildcard(pattern, text string) bool {
	if pattern == "*" {
		return true
	}
	pattern, text = strings.ToLower(pattern), strings.ToLower(text)
	star, after, i := -1, 0, 0 // the last * and what is behind it is tried from
	for p := 0; i < len(text); {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, after = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[i]):
			p++
			i++
		case star >= 0:
			after++
			p, i = star+1, after
		default:
			return false
		}
		if i == len(text) {
			return strings.Trim(pattern[p:], "*") == ""
		}
	}
	return strings.Trim(pattern, "*") == ""
}

// Rules returns the sampling rules of an account in a region in the order they are
// tried, the default last, and when one was changed last.
func (t *Traces) Rules(account, region string) (list []wick.SamplingRule, changed time.Time) {
	t.sampler.mu.Lock()
	defer t.sampler.mu.Unlock()
	rs := t.sampler.rulesOf(owner{account, region})
	for _, r := range rs.all() {
		list = append(list, r.SamplingRule)
	}
	return list, rs.changed
}

// PutRule makes a rule, or changes one: change gets the rule as it is, or nil when there
// is none of that name, and returns what it shall be. Its error, and LimitExceeded's for
// one rule too many, which is TooManyRequests, change nothing.
func (t *Traces) PutRule(ctx context.Context, account, region, name string, change func(*wick.SamplingRule) (wick.SamplingRule, error)) (wick.SamplingRule, error) {
	t.ruleChanges.Lock() // one after the other; decisions go on
	defer t.ruleChanges.Unlock()
	list, _ := t.Rules(account, region)
	var before *wick.SamplingRule
	for i := range list {
		if list[i].Name == name {
			before = &list[i]
		}
	}
	r, err := change(before)
	if err != nil {
		return r, err
	}
	if before == nil && len(list) > MaxRules {
		return r, wick.Errorf(wick.TooManyRequests, "You have reached the maximum number of sampling rules: %d.", MaxRules)
	}
	r.Account, r.Region, r.Name, r.Modified = account, region, name, t.o.Now().UTC()
	if before == nil {
		r.Created = r.Modified
	}
	if t.o.Rules != nil {
		if err := t.o.Rules.PutSamplingRule(ctx, r); err != nil {
			return r, err
		}
	}
	t.sampler.mu.Lock()
	t.sampler.put(r)
	t.sampler.mu.Unlock()
	return r, nil
}

// DeleteRule deletes a rule and returns it; NotFound when there is none.
func (t *Traces) DeleteRule(ctx context.Context, account, region, name string) (wick.SamplingRule, error) {
	t.ruleChanges.Lock()
	defer t.ruleChanges.Unlock()
	list, _ := t.Rules(account, region)
	i := slices.IndexFunc(list, func(r wick.SamplingRule) bool { return r.Name == name && name != DefaultRule })
	if i < 0 {
		return wick.SamplingRule{}, wick.Errorf(wick.NotFound, "Sampling rule does not exist.")
	}
	if t.o.Rules != nil {
		if err := t.o.Rules.DeleteSamplingRule(ctx, account, region, name); err != nil {
			return list[i], err
		}
	}
	t.sampler.mu.Lock()
	defer t.sampler.mu.Unlock()
	rs := t.sampler.rulesOf(owner{account, region})
	rs.own = slices.DeleteFunc(rs.own, func(r *rule) bool { return r.Name == name })
	rs.changed = t.o.Now().UTC()
	return list[i], nil
}

// Bounds of what is known of clients that sample themselves.
const (
	clientFor  = 30 * time.Second // after this without a word one is gone
	maxClients = 1000             // of a rule
)

// Target counts what a client decided by a rule, and returns the rule with the part of
// its reservoir that is the client's, until it asks again; ok is false when there is no
// such rule. Source: X-Ray API, GetSamplingTargets.
func (t *Traces) Target(account, region, name, client string, counts SamplingStatistics) (r wick.SamplingRule, quota int, ok bool) {
	s := &t.sampler
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.rulesOf(owner{account, region}).named(name)
	if found == nil {
		return r, 0, false
	}
	now := t.o.Now()
	found.add(now, counts.Requests, counts.Sampled, counts.Borrows)
	maps.DeleteFunc(found.clients, func(_ string, at time.Time) bool { return now.Sub(at) > clientFor })
	if _, known := found.clients[client]; known || len(found.clients) < maxClients {
		if found.clients == nil {
			found.clients = map[string]time.Time{}
		}
		found.clients[client] = now
	}
	n := max(len(found.clients), 1)
	quota = found.ReservoirSize / n
	if i, _ := slices.BinarySearch(slices.Sorted(maps.Keys(found.clients)), client); i < found.ReservoirSize%n {
		quota++
	}
	return found.SamplingRule, quota, true
}
