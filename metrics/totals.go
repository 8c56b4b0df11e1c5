package metrics

import (
	"cmp"
	"slices"

	"github.com/wick-run/wick"
)

// FunctionTotals is what was counted of one function version since the server began.
type FunctionTotals struct {
	wick.FunctionID
	Version string

	Invocations, Errors, Throttles float64
	Waited                         float64           // events that had to wait for an instance
	Duration                       wick.Distribution // ms
	Memory                         wick.Distribution // MB: the most each invocation used
	Init                           wick.Distribution // ms, of cold starts
	Wait                           wick.Distribution // ms, of events that had to
	Concurrency                    int64             // events being worked on now

	LogRecordsDropped, LogBytesDropped float64
}

// Totals returns what was counted since the server began, by function and version.
func (m *Metrics) Totals() []FunctionTotals {
	var list []FunctionTotals
	for _, t := range m.lambda.all() {
		list = append(list, t.totals())
	}
	slices.SortFunc(list, func(a, b FunctionTotals) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return list
}

func (m *meter) totals() FunctionTotals {
	m.mu.Lock()
	var w window
	w.add(&m.total)
	for _, open := range m.windows {
		w.add(open)
	}
	m.mu.Unlock()
	return FunctionTotals{
		FunctionID: m.FunctionID, Version: m.name, Invocations: w.invocations, Errors: w.failed, Throttles: w.throttled,
		Waited: w.waited, Duration: w.duration, Memory: w.memory, Init: w.init, Wait: w.wait, Concurrency: m.busy.Load(),
		LogRecordsDropped: w.droppedRecords, LogBytesDropped: w.droppedBytes,
	}
}
