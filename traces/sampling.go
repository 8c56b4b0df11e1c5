package traces

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick"
)

// The default sampling rule. Source: X-Ray developer guide, sampling rules; Lambda
// developer guide, X-Ray: the first request each second, and 5 % of the others.
const (
	DefaultRule   = "Default"
	ReservoirSize = 1
	FixedRate     = 0.05
)

// sampler decides what is recorded and counts that.
type sampler struct {
	random     func() float64 // nil: a real one
	reservoirs sync.Map       // wick.FunctionID → *atomic.Int64: the second that had its first
	statistics SamplingStatistics
	mu         sync.Mutex // guards statistics
}

// SamplingStatistics count decisions in a minute. Source: GetSamplingStatisticSummaries.
type SamplingStatistics struct {
	Minute                     time.Time
	Requests, Sampled, Borrows int
}

// Sample says whether an event is recorded whose invoker left that open.
func (t *Traces) Sample(f *wick.Function, at time.Time) bool { return t.sampler.sample(f, at) }

func (s *sampler) sample(f *wick.Function, at time.Time) bool {
	v, ok := s.reservoirs.Load(f.FunctionID)
	if !ok {
		v, _ = s.reservoirs.LoadOrStore(f.FunctionID, new(atomic.Int64))
	}
	second, _ := v.(*atomic.Int64) // nothing else is in there
	now := at.Unix()
	last := second.Load()
	first := last < now && second.CompareAndSwap(last, now)
	sampled := first || s.draw() < FixedRate
	s.count(at, sampled, first)
	return sampled
}

func (s *sampler) draw() float64 {
	if s.random != nil {
		return s.random()
	}
	return rand.Float64() //nolint:gosec // nothing secret hangs on which request is sampled
}

func (s *sampler) count(at time.Time, sampled, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if minute := at.Truncate(time.Minute); minute.After(s.statistics.Minute) {
		s.statistics = SamplingStatistics{Minute: minute}
	}
	s.statistics.Requests++
	if sampled {
		s.statistics.Sampled++
	}
	if first {
		s.statistics.Borrows++
	}
}

// SamplingStatistics returns the decisions of the latest minute that had any.
func (t *Traces) SamplingStatistics() SamplingStatistics {
	t.sampler.mu.Lock()
	defer t.sampler.mu.Unlock()
	return t.sampler.statistics
}
