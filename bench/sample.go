package main

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// sample is how long something took, each time.
type sample []time.Duration

// quantile returns the smallest value that is not below a share q of all; 0 of none.
func (s sample) quantile(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	at := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[max(at, 0)]
}

func (s sample) median() time.Duration { return s.quantile(0.5) }

// over returns how many times b's median the median of s is.
func (s sample) over(b sample) float64 { return float64(s.median()) / float64(b.median()) }

// samples is a sample that several goroutines add to.
type samples struct {
	mu  sync.Mutex // guards all
	all sample
}

func (s *samples) add(d time.Duration) {
	s.mu.Lock()
	s.all = append(s.all, d)
	s.mu.Unlock()
}

func ms(d time.Duration) string {
	switch v := float64(d.Microseconds()) / 1000; {
	case v >= 100:
		return fmt.Sprintf("%.0f ms", v)
	case v >= 10:
		return fmt.Sprintf("%.1f ms", v)
	default:
		return fmt.Sprintf("%.2f ms", v)
	}
}
