package client

import (
	"context"
	"time"

	"github.com/wick-run/wick"
)

// Counts is what a server has counted since it began, and how it is.
type Counts struct {
	At               time.Time        `json:"at"`
	PID              int              `json:"pid"`      // another one has counted from nothing
	Recorded         bool             `json:"recorded"` // else the server doesn't count invocations
	Functions        []FunctionCounts `json:"functions"`
	Ahead            int              `json:"ahead"`    // instances of no function yet
	Waiting          int              `json:"waiting"`  // events without an instance
	Starting         int              `json:"starting"` // instances
	MemoryBytes      int64            `json:"memoryBytes"`
	MemoryLimitBytes int64            `json:"memoryLimitBytes"`
}

// FunctionCounts is that of one version of a function.
type FunctionCounts struct {
	Account     string       `json:"account"`
	Region      string       `json:"region"`
	Function    string       `json:"function"`
	Version     string       `json:"version"`
	Invocations float64      `json:"invocations"`
	Errors      float64      `json:"errors"`
	Throttles   float64      `json:"throttles"`
	ColdStarts  float64      `json:"coldStarts"`
	Concurrency int64        `json:"concurrency"` // events being worked on
	Duration    Distribution `json:"duration"`    // ms
	Instances   int          `json:"instances"`
	MemoryBytes int64        `json:"memoryBytes"` // of all of them
}

// Distribution is a wick.Distribution on the wire.
type Distribution struct {
	Count float64 `json:"count"`
	Sum   float64 `json:"sum"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
	Bins  []byte  `json:"bins"` // see wick.Distribution.AppendBins
}

// Values returns the distribution.
func (d *Distribution) Values() (wick.Distribution, error) {
	v := wick.Distribution{Count: d.Count, Sum: d.Sum, Min: d.Min, Max: d.Max}
	return v, v.SetBins(d.Bins)
}

// Counts asks the server what it has counted.
func (c *Client) Counts(ctx context.Context) (Counts, error) {
	var counts Counts
	err := c.getJSON(ctx, "/_wick/top", nil, &counts)
	return counts, err
}
