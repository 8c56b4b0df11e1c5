package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/spf13/cobra"
	"github.com/wick-run/wick/internal/client"
)

var _ = register(newInvokeCommand)

func newInvokeCommand() *cobra.Command {
	var (
		payload, qualifier string
		tail, asJSON       bool
	)
	cmd := &cobra.Command{
		Use:   "invoke NAME",
		Short: "Invoke a function and print its answer",
		Long: `Invoke a function and wait for its answer, which goes to standard output as it is.
What the function failed with, and with --tail its log, go to standard error.

Exit status: 0 when the function answered, 1 when it failed (an error, a time-out, a
crash) or could not be invoked, 2 when the command line is wrong.`,
		Example: `  wick invoke hello
  wick invoke hello --payload '{"name":"Ada"}'
  wick invoke hello --payload @event.json --tail
  generate-event | wick invoke hello --payload -`,
		Args:              one("the function"),
		ValidArgsFunction: completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			event, err := readPayload(payload, cmd.InOrStdin())
			if err != nil {
				return err
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			in := &lambda.InvokeInput{FunctionName: &args[0], Payload: event}
			if qualifier != "" {
				in.Qualifier = &qualifier
			}
			if tail || asJSON {
				in.LogType = types.LogTypeTail
			}
			out, err := c.Lambda.Invoke(cmd.Context(), in)
			if err != nil {
				return explainFunction(c, args[0], err)
			}
			log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
			if err != nil {
				return fmt.Errorf("the server sent a log tail that isn't base64: %w", err)
			}
			if asJSON {
				err = printInvocationJSON(cmd.OutOrStdout(), out, log)
			} else {
				err = printInvocation(cmd, args[0], out, log)
			}
			if err == nil && out.FunctionError != nil {
				return errSilent
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVarP(&payload, "payload", "p", "{}", "the event: JSON, @FILE, or - for standard input")
	f.StringVar(&qualifier, "qualifier", "", "version or alias to invoke (default $LATEST)")
	f.BoolVarP(&tail, "tail", "t", false, "print the last 4 KB of the invocation's log to standard error")
	f.BoolVar(&asJSON, "json", false, "print one JSON object: answer, function error, version, request ID, log")
	return cmd
}

// readPayload returns the event that --payload names.
func readPayload(payload string, stdin io.Reader) ([]byte, error) {
	event, from := []byte(payload), "the payload"
	var err error
	switch {
	case payload == "-":
		from = "standard input"
		event, err = io.ReadAll(stdin)
	case strings.HasPrefix(payload, "@"):
		from = payload[1:]
		event, err = os.ReadFile(from)
	}
	if err != nil {
		return nil, err
	}
	if !json.Valid(event) {
		hint := ""
		if from == "the payload" {
			hint = fmt.Sprintf(`; a string needs quotes of its own: --payload '"%s"'; a file, an @ before its name`, payload)
		}
		return nil, usagef("%s is not JSON%s", from, hint)
	}
	return event, nil
}

func printInvocation(cmd *cobra.Command, name string, out *lambda.InvokeOutput, log []byte) error {
	stdout, stderr := cmd.OutOrStdout(), cmd.ErrOrStderr()
	p := paintFor(stderr)
	if len(log) > 0 {
		if err := printLog(stderr, p, string(log)); err != nil {
			return err
		}
	}
	if _, err := stdout.Write(append(bytes.TrimRight(out.Payload, "\n"), '\n')); err != nil {
		return err
	}
	if out.FunctionError == nil {
		return nil
	}
	var e struct{ ErrorType, ErrorMessage string }
	what := "it failed"
	if json.Unmarshal(out.Payload, &e) == nil && e.ErrorType != "" {
		what = e.ErrorType
	}
	hint := ""
	if len(log) == 0 {
		hint = fmt.Sprintf("; its log: wick logs %s --request %s", name, requestID(out))
	}
	_, err := fmt.Fprintf(stderr, "%s %s (%s)%s\n", p.paint(red, "function error:"), what, *out.FunctionError, hint)
	return err
}

func printInvocationJSON(w io.Writer, out *lambda.InvokeOutput, log []byte) error {
	payload := json.RawMessage(out.Payload)
	if !json.Valid(payload) { // a function may answer with anything
		quoted, err := json.Marshal(string(out.Payload))
		if err != nil {
			return err
		}
		payload = quoted
	}
	return printJSON(w, struct {
		StatusCode      int32           `json:"statusCode"`
		FunctionError   string          `json:"functionError,omitempty"`
		ExecutedVersion string          `json:"executedVersion"`
		RequestID       string          `json:"requestId"`
		Payload         json.RawMessage `json:"payload"`
		Log             string          `json:"log"`
	}{out.StatusCode, aws.ToString(out.FunctionError), aws.ToString(out.ExecutedVersion), requestID(out), payload, string(log)})
}

// requestID returns the invocation's ID, "" when the server sent none.
func requestID(out *lambda.InvokeOutput) string {
	id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata) // its bool says what "" says
	return id
}

// explainFunction turns an error of an operation on one function into words.
func explainFunction(c *client.Client, name string, err error) error {
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return fmt.Errorf("%s has no function %s: `wick deploy DIR --name %s` makes one (ResourceNotFoundException)", c.Endpoint, name, name)
	}
	return c.Explain(err)
}
