package traces

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/wick-run/wick"
)

// sampler decides what is recorded and counts that.
type sampler struct {
	random func() float64 // nil: a real one

	mu    sync.Mutex // guards all below
	rules map[owner]*rules
	// reservoirs are the default rule's: on AWS each function has its own.
	reservoirs map[wick.FunctionID]*reservoir
}

// maxReservoirs is above how many reservoirs those are dropped that nobody drew from
// for a second: they are full again, as new ones are.
const maxReservoirs = 4096

// SamplingStatistics count the decisions by a rule in a minute.
// Source: GetSamplingStatisticSummaries.
type SamplingStatistics struct {
	Rule                       string
	Minute                     time.Time
	Requests, Sampled, Borrows int
}

// Sample says whether an event is recorded whose invoker left that open.
func (t *Traces) Sample(f *wick.Function, at time.Time) bool { return t.sampler.sample(f, at) }

func (s *sampler) sample(f *wick.Function, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	rs := s.rulesOf(owner{f.Account, f.Region})
	r, from := rs.standard, (*reservoir)(nil)
	for _, own := range rs.own {
		if own.matches(f) {
			r, from = own, &own.reservoir
			break
		}
	}
	if from == nil {
		from = s.reservoir(f.FunctionID, at.Unix())
	}
	first := from.take(at.Unix(), r.ReservoirSize)
	sampled := first || s.draw() < r.FixedRate
	count := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	r.add(at, 1, count(sampled), count(first))
	return sampled
}

// reservoir returns the one a function has under the default rule; s.mu is held.
func (s *sampler) reservoir(id wick.FunctionID, now int64) *reservoir {
	r := s.reservoirs[id]
	if r != nil {
		return r
	}
	if len(s.reservoirs) >= maxReservoirs {
		for k, old := range s.reservoirs {
			if old.second < now {
				delete(s.reservoirs, k)
			}
		}
	}
	r = &reservoir{}
	if s.reservoirs == nil {
		s.reservoirs = map[wick.FunctionID]*reservoir{}
	}
	if len(s.reservoirs) < maxReservoirs { // else too many functions work in one second
		s.reservoirs[id] = r
	}
	return r
}

func (s *sampler) draw() float64 {
	if s.random != nil {
		return s.random()
	}
	return rand.Float64() //nolint:gosec // nothing secret hangs on which request is sampled
}

// statistics are of the latest minute that had a decision.
type statistics struct{ latest SamplingStatistics }

func (s *statistics) add(at time.Time, requests, sampled, borrows int) {
	if minute := at.Truncate(time.Minute); minute.After(s.latest.Minute) {
		s.latest = SamplingStatistics{Minute: minute}
	}
	s.latest.Requests += requests
	s.latest.Sampled += sampled
	s.latest.Borrows += borrows
}

// SamplingStatistics returns the decisions by each rule in the latest minute that had any.
func (t *Traces) SamplingStatistics(account, region string) []SamplingStatistics {
	t.sampler.mu.Lock()
	defer t.sampler.mu.Unlock()
	var list []SamplingStatistics
	for _, r := range t.sampler.rulesOf(owner{account, region}).all() {
		if r.latest.Requests > 0 {
			one := r.latest
			one.Rule = r.Name
			list = append(list, one)
		}
	}
	return list
}
