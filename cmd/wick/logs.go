package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/wick-run/wick/internal/client"
)

var _ = register(newLogsCommand)

func newLogsCommand() *cobra.Command {
	var (
		q      client.LogQuery
		since  time.Duration
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print a function's log",
		Long: `Print what a function and the platform logged, oldest first. With --follow the command
stays and prints what comes, until it is interrupted.`,
		Example: `  wick logs hello
  wick logs hello --since 5m --follow
  wick logs hello --filter '{ $.level = "ERROR" }'
  wick logs hello --request 8f0c9a4e-3b1d-4a54-9d3f-0f6f3f1f2a77
  wick logs hello --json | jq -r .message`,
		Args:              one("the function"),
		ValidArgsFunction: completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if since < 0 {
				return usagef("--since %s lies in the future", since)
			}
			if q.Limit < 0 {
				return usagef("--limit is 0 or more, not %d", q.Limit)
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			q.Function = args[0]
			if since > 0 {
				q.Since = time.Now().Add(-since)
			}
			print := logPrinter(cmd.OutOrStdout(), asJSON)
			return c.Logs(cmd.Context(), q, print)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&q.Follow, "follow", "f", false, "stay and print what comes")
	f.DurationVar(&since, "since", 0, "only what is younger than this, e.g. 30s, 5m, 24h (default everything)")
	f.StringVar(&q.RequestID, "request", "", "only the invocation with this request ID")
	f.StringVar(&q.Filter, "filter", "", "only what matches a filter pattern of CloudWatch Logs, e.g. 'ERROR -retry'")
	f.IntVarP(&q.Limit, "limit", "n", 0, "only the newest N records (default all)")
	f.BoolVar(&asJSON, "json", false, "print a JSON object a line: timestamp (ms), stream, requestId, message")
	return cmd
}

func logPrinter(w io.Writer, asJSON bool) func(client.LogRecord) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return func(r client.LogRecord) error { return e.Encode(r) }
	}
	p := paintFor(w)
	return func(r client.LogRecord) error { return printLog(w, p, r.Message) }
}

// printLog writes log text with a line end behind it. On a terminal the platform's own
// lines step back and what went wrong stands out.
func printLog(w io.Writer, p painter, text string) error {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if _, err := fmt.Fprintln(w, p.paint(lineStyle(line), line)); err != nil {
			return err
		}
	}
	return nil
}

func lineStyle(line string) style {
	switch {
	case strings.Contains(line, "Task timed out after "), strings.Contains(line, "\tERROR\t"), strings.HasPrefix(line, "[ERROR]"):
		return red
	case strings.Contains(line, "\tWARN\t"), strings.HasPrefix(line, "[WARNING]"):
		return yellow
	}
	for _, platform := range []string{"INIT_START ", "INIT_REPORT ", "START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "EXTENSION\t", "XRAY TraceId: "} {
		if strings.HasPrefix(line, platform) {
			return dim
		}
	}
	return ""
}
