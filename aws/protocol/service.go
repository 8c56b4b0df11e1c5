package protocol

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/models"
)

// Service is one AWS service as the server speaks it. Register every handler before
// the first request; after that it is read only.
type Service struct {
	model      *models.Service
	operations map[string]*operation
	router     router
	rules      ruleBook
}

// operation is one API call with what serves it.
type operation struct {
	*models.Operation
	service *Service
	// serve answers a request; nil when Wick hasn't the operation.
	serve func(w http.ResponseWriter, r *http.Request, call *Call)
}

// NewService makes a service that has no handlers yet.
func NewService(model *models.Service) *Service {
	s := &Service{model: model, operations: make(map[string]*operation, len(model.Operations))}
	for name, m := range model.Operations {
		op := &operation{Operation: m, service: s}
		s.operations[name] = op
		if model.TargetPrefix == "" {
			s.router.add(op)
		}
	}
	return s
}

// Handle registers the handler of an operation. The name is AWS's ("CreateFunction")
// and In and Out are the SDK's structs; the handler gets an input that satisfies the
// model's constraints, and its Call through From(ctx). A nil output is an empty one.
// It panics for a name the model hasn't or one that is taken.
func Handle[In, Out any](s *Service, name string, h func(ctx context.Context, in *In) (*Out, error)) {
	s.handle(name, reflect.TypeFor[In](), reflect.TypeFor[Out](), func(ctx context.Context, in any) (any, error) {
		out, err := h(ctx, in.(*In))
		if out == nil {
			out = new(Out)
		}
		return out, err
	})
}

// handle is Handle without type parameters: h gets a pointer to an in and returns
// one to an out.
func (s *Service) handle(name string, in, out reflect.Type, h func(ctx context.Context, in any) (any, error)) {
	op := s.vacant(name)
	// Compiled at the first request: a start shouldn't pay for 88 of them.
	input := sync.OnceValue(func() *inputPlan { return newInputPlan(op, in) })
	output := sync.OnceValue(func() *outputPlan { return newOutputPlan(op, out) })
	op.serve = func(w http.ResponseWriter, r *http.Request, call *Call) {
		request := reflect.New(in)
		if err := input().read(r, call, request.Elem()); err != nil {
			WriteError(w, call, err)
			return
		}
		answer, err := h(context.WithValue(r.Context(), callKey{}, call), request.Interface())
		if err != nil {
			WriteError(w, call, err)
			return
		}
		if err := output().write(w, call, reflect.ValueOf(answer).Elem()); err != nil {
			call.log.Debug("answer not sent", "request", call.RequestID, "operation", call.Operation, "error", err)
		}
	}
}

// HandleRaw registers an operation whose request and response bypass the codec
// (Invoke, InvokeWithResponseStream). What travels outside the body (labels, query,
// headers) is still held to the model's constraints before h is called; the body is
// h's alone, limits included. From(r.Context()) gives the same Call.
func (s *Service) HandleRaw(name string, h func(w http.ResponseWriter, r *http.Request, call *Call)) {
	op := s.vacant(name)
	check := sync.OnceValue(func() *headCheck { return newHeadCheck(op) })
	op.serve = func(w http.ResponseWriter, r *http.Request, call *Call) {
		if err := check().check(r, call); err != nil {
			WriteError(w, call, err)
			return
		}
		h(w, r.WithContext(context.WithValue(r.Context(), callKey{}, call)), call)
	}
}

func (s *Service) vacant(name string) *operation {
	op := s.operations[name]
	switch {
	case op == nil:
		panic(fmt.Sprintf("protocol: %s has no operation %s", s.model.ID, name))
	case op.serve != nil:
		panic(fmt.Sprintf("protocol: %s.%s has two handlers", s.model.ID, name))
	}
	return op
}

// serve answers a request that is the service's.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, call *Call) {
	call.service = s
	op, labels, err := s.find(r, call)
	if err != nil {
		WriteError(w, call, err)
		return
	}
	call.Operation, call.PathLabels, call.op = op.Name, labels, op
	call.localize()
	if op.serve == nil {
		WriteError(w, call, wick.Errorf(wick.NotBuilt, "Wick doesn't serve %s's %s yet", s.model.ID, op.Name))
		return
	}
	if err := decodeTransfer(r); err != nil {
		WriteError(w, call, err)
		return
	}
	op.serve(w, r, call)
}

// find returns the operation a request names, by its X-Amz-Target where the service's
// protocol has that, else by method and path with the path's labels.
func (s *Service) find(r *http.Request, call *Call) (*operation, map[string]string, error) {
	if s.model.Protocols != nil {
		op, err := s.findInDialect(r, call)
		return op, nil, err
	}
	if s.model.TargetPrefix == "" {
		if op, labels := s.router.match(r); op != nil {
			return op, labels, nil
		}
		return nil, nil, &wireError{
			code: "UnknownOperationException", status: http.StatusNotFound,
			message: fmt.Sprintf("%s %s is not an operation of %s.", r.Method, r.URL.EscapedPath(), s.model.ID),
		}
	}
	target := r.Header.Get("X-Amz-Target")
	name, ours := strings.CutPrefix(target, s.model.TargetPrefix+".")
	if op := s.operations[name]; op != nil && ours && r.Method == http.MethodPost {
		return op, nil, nil
	}
	return nil, nil, &wireError{
		code: "UnknownOperationException", status: http.StatusBadRequest,
		message: fmt.Sprintf("%s with X-Amz-Target %q is not an operation of %s.", r.Method, target, s.model.ID),
	}
}
