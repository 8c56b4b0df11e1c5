package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wick-run/wick"
)

// recordable is all that can be recorded of what instances state.
var recordable = []string{"logs", "traces", "metrics"}

// recordValue is a choice of what is recorded, as a flag: logs,traces or none.
type recordValue []string

// Set implements pflag.Value.
func (v *recordValue) Set(s string) error {
	if s == "none" {
		*v = recordValue{}
		return nil
	}
	chosen := recordValue{}
	for one := range strings.SplitSeq(s, ",") {
		if !slices.Contains(recordable, one) {
			return fmt.Errorf("%q is none of %s, or none", one, strings.Join(recordable, ", "))
		}
		if !slices.Contains(chosen, one) {
			chosen = append(chosen, one)
		}
	}
	*v = chosen
	return nil
}

// String implements pflag.Value.
func (v *recordValue) String() string {
	if len(*v) == 0 {
		return "none"
	}
	return strings.Join(*v, ",")
}

// Type implements pflag.Value.
func (v *recordValue) Type() string { return "WHAT" }

// has says whether something is recorded.
func (v *recordValue) has(what string) bool { return slices.Contains(*v, what) }

// recorder is where instances' events go: to those who record them. Their APIs are
// served all the same, with what clients put there and what was recorded before.
func (s *server) recorder() wick.Recorder {
	var to wick.Recorders
	if s.c.Record.has("logs") {
		to = append(to, s.logs)
		if s.otlp != nil {
			to = append(to, s.otlp)
		}
	}
	if s.c.Record.has("traces") {
		to = append(to, s.traces)
	}
	if s.c.Record.has("metrics") {
		to = append(to, s.metrics)
	}
	return to
}
