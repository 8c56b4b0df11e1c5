package protocol

import (
	"context"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"

	"github.com/wick-run/wick/aws/models"
)

// HandleEvents registers the handler of an operation that answers with a stream of
// events (StartLiveTail): the answer is under way until h returns. An error before the
// first event is an ordinary answer; one after it ends the stream, as an exception
// event if the model has it in the stream. ctx ends when the client hangs up.
// Source: Smithy specification, Amazon event stream; for RPC protocols the first event
// is initial-response.
func HandleEvents[In any](s *Service, name string, h func(ctx context.Context, in *In, out *Events) error) {
	op := s.vacant(name)
	input := sync.OnceValue(func() *inputPlan { return newInputPlan(op, reflect.TypeFor[In]()) })
	op.serve = func(w http.ResponseWriter, r *http.Request, call *Call) {
		in := new(In)
		if err := input().read(r, call, reflect.ValueOf(in).Elem()); err != nil {
			WriteError(w, call, err)
			return
		}
		out := &Events{
			w: w, control: http.NewResponseController(w), op: op, encoder: eventstream.NewEncoder(),
			codecs: codecs{rules: &s.rules, made: map[codecKey]*codec{}}, stream: streamOf(op),
		}
		err := h(context.WithValue(r.Context(), callKey{}, call), in, out)
		switch {
		case err == nil:
		case !out.began:
			WriteError(w, call, err)
		case r.Context().Err() == nil:
			out.fail(call, err)
		}
	}
}

// streamOf returns the shape of an operation's events. It panics when there is none.
func streamOf(op *operation) *models.Shape {
	for _, m := range op.Output.Members {
		if m.Shape.EventStream {
			return m.Shape
		}
	}
	panic("protocol: " + op.Name + " answers with no stream of events")
}

// Events is an answer under way. It belongs to one goroutine.
type Events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	op      *operation
	encoder *eventstream.Encoder
	codecs  codecs
	stream  *models.Shape
	began   bool
}

// eventTimeout is how long a client may take to accept an event: whoever doesn't read
// would hold its session for ever.
const eventTimeout = 30 * time.Second

// Send sends an event: name is its member's in the model ("sessionUpdate"), v the SDK's
// struct. Its error is the connection's.
func (e *Events) Send(name string, v any) error {
	m := e.stream.Member(name)
	if m == nil {
		panic("protocol: " + e.op.Name + " has no event " + name)
	}
	value := reflect.Indirect(reflect.ValueOf(v))
	body := appendStruct(make([]byte, 0, 1024), e.codecs.of(m.Shape, value.Type()), value)
	return e.send(eventstreamapi.EventMessageType, eventstreamapi.EventTypeHeader, name, body)
}

func (e *Events) send(messageType, typeHeader, name string, body []byte) error {
	if !e.began {
		e.began = true
		e.w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		e.w.WriteHeader(http.StatusOK)
		if v := e.op.service.model.JSONVersion; v != "" {
			if err := e.write(eventstreamapi.EventMessageType, eventstreamapi.EventTypeHeader, "initial-response", jsonType(v), []byte("{}")); err != nil {
				return err
			}
		}
	}
	return e.write(messageType, typeHeader, name, "application/json", body)
}

// write sends one message at once.
func (e *Events) write(messageType, typeHeader, name, contentType string, body []byte) error {
	var m eventstream.Message
	m.Headers.Set(eventstreamapi.MessageTypeHeader, eventstream.StringValue(messageType))
	m.Headers.Set(typeHeader, eventstream.StringValue(name))
	m.Headers.Set(eventstreamapi.ContentTypeHeader, eventstream.StringValue(contentType))
	m.Payload = body
	// A connection without deadlines has none: the write then lasts as long as it lasts.
	_ = e.control.SetWriteDeadline(time.Now().Add(eventTimeout))
	if err := e.encoder.Encode(e.w, m); err != nil {
		return err
	}
	return e.control.Flush()
}

// fail ends the stream with an error: an exception that the stream has, else the
// protocol's own kind of error, with its code and message.
func (e *Events) fail(call *Call, err error) {
	w := call.wire(err)
	call.logError(w, err)
	if m := e.stream.Member(w.code); m != nil {
		body := append(appendString([]byte(`{"message":`), w.message), '}')
		_ = e.send(eventstreamapi.ExceptionMessageType, eventstreamapi.ExceptionTypeHeader, w.code, body) // the client may have gone
		return
	}
	var m eventstream.Message
	m.Headers.Set(eventstreamapi.MessageTypeHeader, eventstream.StringValue(eventstreamapi.ErrorMessageType))
	m.Headers.Set(eventstreamapi.ErrorCodeHeader, eventstream.StringValue(w.code))
	m.Headers.Set(eventstreamapi.ErrorMessageHeader, eventstream.StringValue(w.message))
	if e.encoder.Encode(e.w, m) == nil {
		_ = e.control.Flush() // likewise
	}
}
