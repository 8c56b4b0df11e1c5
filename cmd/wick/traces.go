package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/client"
)

var _ = register(newTracesCommand)

// maxTraceAge is how far back one list can reach: X-Ray's own limit.
const maxTraceAge = 24 * time.Hour

func newTracesCommand() *cobra.Command {
	var (
		q        client.TraceQuery
		function string
		since    = age(time.Hour)
		asJSON   bool
	)
	cmd := &cobra.Command{
		Use:   "traces [ID]",
		Short: "List traces, or draw one",
		Long: `List the traces of sampled invocations, latest first; or, given a trace's ID (or a whole
X-Amzn-Trace-Id header), draw it as a waterfall: the service, the function with its
init, invocation and overhead, and the function's own subsegments.

Functions with TracingConfig Active are sampled: the first invocation each second and
5 % of the others. Whoever invokes can decide, too: X-Amzn-Trace-Id: Sampled=1.`,
		Example: `  wick traces
  wick traces --function hello --since 10m
  wick traces --filter 'fault OR responsetime > 1'
  wick traces 1-6a1f0c3e-0b5174261f6e9f6bc05b8672`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("one trace at a time, there are %d", len(args))
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if since == 0 || time.Duration(since) > maxTraceAge {
				return usagef("--since %s is not between 0 and 24h", since.String())
			}
			if q.Limit < 0 {
				return usagef("--limit is 0 or more, not %d", q.Limit)
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return showTrace(cmd, c, args[0], asJSON)
			}
			q.Since = time.Now().Add(-time.Duration(since))
			if function != "" {
				own := "service(" + strconv.Quote(function) + ")"
				if q.Filter != "" {
					own += " AND (" + q.Filter + ")"
				}
				q.Filter = own
			}
			list, err := c.Traces(cmd.Context(), q)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printTraces(cmd.OutOrStdout(), list)
		},
	}
	f := cmd.Flags()
	f.StringVar(&function, "function", "", "only traces this function is part of")
	f.StringVar(&q.Filter, "filter", "", "only what X-Ray's filter expression selects")
	f.Var(&since, "since", "only what is younger than this, at most 24h")
	f.IntVarP(&q.Limit, "limit", "n", 20, "only the newest N (0 for all)")
	f.BoolVar(&asJSON, "json", false, "print JSON: a list, or the trace with its segment documents")
	// The names come from the server; without one there are none.
	_ = cmd.RegisterFlagCompletionFunc("function", completeFunctions)
	return cmd
}

func showTrace(cmd *cobra.Command, c *client.Client, id string, asJSON bool) error {
	if h := wick.ParseTraceHeader(id); h.Root != "" {
		id = h.Root
	}
	if !wick.ValidTraceID(id) {
		return usagef("%q is no trace ID, such as 1-6a1f0c3e-0b5174261f6e9f6bc05b8672", id)
	}
	t, err := c.Trace(cmd.Context(), id)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), t)
	}
	return drawTrace(cmd.OutOrStdout(), t)
}

func printTraces(w io.Writer, list []client.TraceSummary) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "No traces: functions whose TracingConfig is Active have some.")
		return err
	}
	rows := make([][]string, len(list))
	for i, t := range list {
		rows[i] = []string{
			t.Start.Local().Format("15:04:05"), t.ID, millisText(t.DurationMS), traceResult(t.Error, t.Fault, t.Throttle), t.Entry,
		}
	}
	return printTable(w, []string{"TIME", "TRACE", "DURATION", "RESULT", "ENTRY"}, rows)
}

// traceResult puts what X-Ray's flags say into a word.
func traceResult(isError, isFault, throttled bool) string {
	switch {
	case throttled:
		return "throttle"
	case isFault:
		return "fault"
	case isError:
		return "error"
	}
	return "ok"
}

// millisText writes a duration of a trace: its parts can be short.
func millisText(ms float64) string {
	switch {
	case ms < 0.005:
		return "0 ms"
	case ms < 10:
		return strings.TrimSuffix(strconv.FormatFloat(ms, 'f', 2, 64), ".00") + " ms"
	case ms < 1000:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	case ms < 60_000:
		return strconv.FormatFloat(ms/1000, 'f', 2, 64) + " s"
	}
	return durationText(time.Duration(ms * float64(time.Millisecond)))
}
