package main

import (
	"bytes"
	"context"
	"io"

	"github.com/google/uuid"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/invoke"
	"github.com/wick-run/wick/logs/deliver"
)

// openDeliver begins to apply the filters of log groups: what they find goes to
// functions through the invoker, as an event of anyone's does.
func (s *server) openDeliver(ctx context.Context, filters wick.LogGroupStore, invoker *invoke.Invoker) (err error) {
	s.deliver, err = deliver.Open(ctx, deliver.Options{Logs: s.logs, Groups: filters, Invoke: deliverTo(invoker), Metrics: filtered{s.metrics}, Log: s.log})
	if err == nil {
		s.opened(s.deliver.Close)
	}
	return err
}

// deliverTo returns how a subscription's function is invoked.
func deliverTo(invoker *invoke.Invoker) deliver.Invoke {
	return func(ctx context.Context, function wick.FunctionID, qualifier string, event []byte) error {
		result, err := invoker.Invoke(ctx, &invoke.Request{
			Function: function, Qualifier: qualifier, InvokedARN: function.QualifiedARN(qualifier),
			RequestID: uuid.NewString(), Payload: bytes.NewReader(event), Size: int64(len(event)),
		})
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, result.Payload); err != nil {
			return err
		}
		if err := result.Payload.Close(); err != nil {
			return err
		}
		if result.FunctionError != "" {
			return deliver.ErrFunctionFailed
		}
		return nil
	}
}

// findFunction fails unless there is a function that can be invoked.
func (s *server) findFunction(ctx context.Context, function wick.FunctionID, qualifier string) error {
	_, err := s.control.Resolve(ctx, function, qualifier)
	return err
}
