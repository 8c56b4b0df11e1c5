package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/wick-run/wick/internal/client"
)

var _ = register(newLogsCommand)

func newLogsCommand() *cobra.Command {
	var (
		q      client.LogQuery
		since  age
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "logs NAME...",
		Short: "Print functions' logs",
		Long: `Print what functions and the platform logged, oldest first. With --follow the command
stays and prints what comes, until it is interrupted.

Lines of several functions have the function's name before them. On a terminal the bar
at the left has a colour of its own for each invocation.`,
		Example: `  wick logs hello
  wick logs hello --since 5m --follow
  wick logs orders payments --follow
  wick logs hello --filter '{ $.level = "ERROR" }'
  wick logs hello --request 8f0c9a4e-3b1d-4a54-9d3f-0f6f3f1f2a77
  wick logs hello --json | jq -r .message`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("name the function, or several")
			}
			return nil
		},
		ValidArgsFunction: completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.Limit < 0 {
				return usagef("--limit is 0 or more, not %d", q.Limit)
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			if since > 0 {
				q.Since = time.Now().Add(-time.Duration(since))
			}
			print := logPrinter(cmd.OutOrStdout(), asJSON, args)
			if len(args) == 1 {
				q.Function = args[0]
				err = c.Logs(cmd.Context(), q, func(r client.LogRecord) error { return print(args[0], r) })
			} else {
				err = severalLogs(cmd.Context(), c, q, args, print)
			}
			return suggestFunctions(cmd.Context(), c, err)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&q.Follow, "follow", "f", false, "stay and print what comes")
	f.Var(&since, "since", "only what is younger than this, e.g. 30s, 5m, 24h, 7d (default everything)")
	f.StringVar(&q.RequestID, "request", "", "only the invocation with this request ID")
	f.StringVar(&q.Filter, "filter", "", "only what matches a filter pattern of CloudWatch Logs, e.g. 'ERROR -retry'")
	f.IntVarP(&q.Limit, "limit", "n", 0, "only the newest N records (default all)")
	f.BoolVar(&asJSON, "json", false, "print a JSON object a line: timestamp (ms), stream, requestId, message; of several also function")
	return cmd
}

// logPrinter returns what prints a record of one of the functions.
func logPrinter(w io.Writer, asJSON bool, functions []string) func(function string, r client.LogRecord) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		if len(functions) == 1 {
			return func(_ string, r client.LogRecord) error { return e.Encode(r) }
		}
		return func(function string, r client.LogRecord) error {
			return e.Encode(struct {
				Function string `json:"function"`
				client.LogRecord
			}{function, r})
		}
	}
	width := 0
	for _, f := range functions {
		width = max(width, len(f))
	}
	p := paintFor(w)
	if p { // names take a quarter of a terminal at most, but can be told apart
		width = min(width, max(columnsOf(w)/4, 12))
	}
	return func(function string, r client.LogRecord) error {
		before := ""
		if p {
			before = p.paint(requestStyle(r.RequestID), "▌")
		}
		if len(functions) > 1 {
			before += p.paint(bold, fit(function, width)) + "  "
		}
		return printLines(w, p, before, r.Message)
	}
}

// requestStyle is an invocation's colour.
func requestStyle(requestID string) style {
	if requestID == "" {
		return dim
	}
	colours := [...]style{green, yellow, "\x1b[34m", "\x1b[35m", "\x1b[36m", "\x1b[95m", "\x1b[94m", "\x1b[96m"}
	h := fnv.New32a()
	_, _ = h.Write([]byte(requestID)) // a hash takes everything
	return colours[h.Sum32()%uint32(len(colours))]
}

// printLog writes log text with a line end behind it. On a terminal the platform's own
// lines step back and what went wrong stands out.
func printLog(w io.Writer, p painter, text string) error { return printLines(w, p, "", text) }

// printLines is printLog with something before each line.
func printLines(w io.Writer, p painter, before, text string) error {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if _, err := fmt.Fprintln(w, before+p.paint(lineStyle(line), line)); err != nil {
			return err
		}
	}
	return nil
}

// severalLogs prints the logs of several functions: what there is in order of time, and
// what comes as it comes.
func severalLogs(ctx context.Context, c *client.Client, q client.LogQuery, functions []string, print func(string, client.LogRecord) error) error {
	type record struct {
		client.LogRecord
		function string
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all, ctx := errgroup.WithContext(ctx)
	sources := make([]chan record, len(functions))
	came := make(chan record)
	for i, function := range functions {
		of := q
		of.Function = function
		to := came
		if !q.Follow {
			sources[i] = make(chan record)
			to = sources[i]
		}
		all.Go(func() error {
			if !q.Follow {
				defer close(to)
			}
			return c.Logs(ctx, of, func(r client.LogRecord) error {
				select {
				case to <- record{r, function}:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		})
	}
	if q.Follow {
		go func() { _ = all.Wait(); close(came) }() // Wait below has the error
		var err error
		for r := range came {
			if err == nil {
				if err = print(r.function, r.LogRecord); err != nil {
					cancel()
				}
			}
		}
		return errors.Join(err, ignoreCanceled(all.Wait()))
	}
	// Each source is in order of time: the earliest of their first records is next.
	heads := make([]*record, len(functions))
	next := func(i int) {
		if r, ok := <-sources[i]; ok {
			heads[i] = &r
		} else {
			heads[i] = nil
		}
	}
	for i := range sources {
		next(i)
	}
	var kept []record
	for {
		first := -1
		for i, h := range heads {
			if h != nil && (first < 0 || h.Timestamp < heads[first].Timestamp) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		r := *heads[first]
		next(first)
		if q.Limit > 0 { // of all functions together
			if kept = append(kept, r); len(kept) > 2*q.Limit {
				kept = append(kept[:0], kept[len(kept)-q.Limit:]...)
			}
			continue
		}
		if err := print(r.function, r.LogRecord); err != nil {
			cancel()
			return errors.Join(err, ignoreCanceled(all.Wait()))
		}
	}
	if err := all.Wait(); err != nil {
		return err
	}
	for _, r := range kept[max(0, len(kept)-q.Limit):] {
		if err := print(r.function, r.LogRecord); err != nil {
			return err
		}
	}
	return nil
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// suggestFunctions adds to the refusal of an unknown function which ones there are.
func suggestFunctions(ctx context.Context, c *client.Client, err error) error {
	if err == nil || !strings.Contains(err.Error(), "there is no function ") {
		return err
	}
	out, listErr := c.Lambda.ListFunctions(ctx, &lambda.ListFunctionsInput{MaxItems: aws.Int32(10)})
	if listErr != nil {
		return err
	}
	if len(out.Functions) == 0 {
		return fmt.Errorf("%w: there are none yet; wick deploy makes one", err)
	}
	names := make([]string, len(out.Functions))
	for i, f := range out.Functions {
		names[i] = aws.ToString(f.FunctionName)
	}
	more := ""
	if out.NextMarker != nil {
		more = ", …"
	}
	return fmt.Errorf("%w; there are %s%s", err, strings.Join(names, ", "), more)
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
