package metrics

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick"
)

// pending is points that are being added up, in parts that don't wait for each other.
type pending struct {
	n      atomic.Int64 // points in all shards
	shards [shards]struct {
		mu     sync.Mutex // guards points
		points map[pointKey]*wick.MetricPoint
	}
}

const shards = 16

// pointKey is what makes two values parts of one point.
type pointKey struct {
	metric string // its names, with NULs between
	start  int64
	period time.Duration
}

var seed = maphash.MakeSeed()

// add adds a point's values; false when that would make more points than limit.
func (p *pending) add(v *wick.MetricPoint, limit int) bool {
	var b strings.Builder
	for _, s := range [...]string{v.Account, v.Region, v.Namespace, v.Name, v.Unit} {
		b.WriteString(s)
		b.WriteByte(0)
	}
	for _, d := range v.Dimensions {
		b.WriteString(d.Name)
		b.WriteByte(0)
		b.WriteString(d.Value)
		b.WriteByte(0)
	}
	k := pointKey{b.String(), v.Start.Unix(), v.Period}
	s := &p.shards[maphash.String(seed, k.metric)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if there := s.points[k]; there != nil {
		there.Values.Merge(&v.Values)
		return true
	}
	if p.n.Load() >= int64(limit) { // a few more, when several come together, do no harm
		return false
	}
	p.n.Add(1)
	if s.points == nil {
		s.points = map[pointKey]*wick.MetricPoint{}
	}
	c := *v
	c.Values = v.Values.Clone()
	s.points[k] = &c
	return true
}

// take appends all points to a list and leaves none.
func (p *pending) take(list []wick.MetricPoint) []wick.MetricPoint {
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		points := s.points
		s.points = nil
		s.mu.Unlock()
		p.n.Add(-int64(len(points)))
		for _, v := range points {
			list = append(list, *v)
		}
	}
	return list
}
