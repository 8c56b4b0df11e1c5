package instance_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance"
)

// received keeps what functions send to the X-Ray daemon.
type received struct {
	mu      sync.Mutex
	grown   *sync.Cond
	texts   []string
	from    []*wick.Source
	dropped int
}

func newReceived() *received {
	r := &received{}
	r.grown = sync.NewCond(&r.mu)
	return r
}

func (r *received) Datagram(src *wick.Source, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.texts, r.from = append(r.texts, string(b)), append(r.from, src)
	r.grown.Broadcast()
}

func (r *received) Drop(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped += n
	r.grown.Broadcast()
}

// await returns when done says so.
func (r *received) await(done func() bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !done() {
		r.grown.Wait()
	}
}

const sender = `
import os, socket
host, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].split(":")
assert os.environ["_AWS_XRAY_DAEMON_ADDRESS"] == host and os.environ["_AWS_XRAY_DAEMON_PORT"] == port
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def handler(event, context):
    for text in event["texts"] * event.get("times", 1):
        out.sendto(text.encode() * event.get("repeat", 1), (host, int(port)))
        os.sched_yield() # to who receives, or the socket is full
`

func TestWhatAFunctionSendsToTheXRayDaemonIsItsOwn(t *testing.T) {
	s, r := newStage(t), newReceived()
	s.host.Traces = r
	i := s.bring(t, s.function(t, "python3.12", "app.py", sender))
	s.invoke(t, i, "id-1", `{"texts":["one","","two"]}`)
	s.invoke(t, i, "id-2", `{"texts":["x"],"repeat":60000}`)
	r.await(func() bool { return len(r.texts) == 4 })
	if r.texts[0] != "one" || r.texts[1] != "" || r.texts[2] != "two" || len(r.texts[3]) != 60000 {
		t.Errorf("received %.100q", r.texts)
	}
	for _, src := range r.from {
		if src.Function.Name != "f" || src.InstanceID != i.ID() {
			t.Errorf("it is from %+v", src)
		}
	}
}

// How much of a flood arrives is the machine's affair: what it doesn't get to, it loses.
func TestAFloodOfDatagramsHoldsNothingUp(t *testing.T) {
	for name, flood := range map[string]string{
		"many":  `{"texts":["x"],"times":3000}`,
		"large": `{"texts":["x"],"times":300,"repeat":60000}`, // 18 MB
	} {
		t.Run(name, func(t *testing.T) {
			s, r := newStage(t), newReceived()
			s.host.Traces = r
			i := s.bring(t, s.function(t, "python3.12", "app.py", sender))
			s.invoke(t, i, "id", flood)
			r.await(func() bool { return len(r.texts)+r.dropped > 0 })
			if a := s.invoke(t, i, "id", `{"texts":[]}`); a.Failed {
				t.Errorf("it then answers %s", a.Payload)
			}
		})
	}
}

// stated keeps the events of one kind each.
type stated struct {
	mu     sync.Mutex
	done   wick.RuntimeDone
	report wick.Report
}

func (s *stated) Record(_ time.Time, _ *wick.Source, e wick.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := e.(type) {
	case wick.RuntimeDone:
		s.done = e
	case wick.Report:
		s.report = e
	}
}

func TestEventsOfASampledInvocationNameItsSegmentAndError(t *testing.T) {
	s, kept := newStage(t), &stated{}
	s.host.Recorder = kept
	f := s.function(t, "python3.12", "app.py", `
import os, time
def handler(event, context):
    if event == "fail": raise ValueError("no")
    if event == "exit": os._exit(3)
    if event == "sleep": time.sleep(60)
`)
	f.TimeoutSeconds = 6 // enough for a start on a busy machine
	i := s.bring(t, f)
	const sampled = "Root=1-6a1f0c3e-0b5174261f6e9f6bc05b8672;Parent=53995c3f42cd8ad8;Sampled=1"
	for _, c := range []struct{ event, trace, segment, object string }{
		{`"ok"`, sampled, "53995c3f42cd8ad8", ""},
		{`"fail"`, sampled, "53995c3f42cd8ad8", `"errorType": "ValueError"`},
		{`"exit"`, sampled, "53995c3f42cd8ad8", `"errorType":"Runtime.ExitError"`},
		{`"sleep"`, sampled, "53995c3f42cd8ad8", `"errorType":"Sandbox.Timedout"`},
		{`"fail"`, strings.Replace(sampled, "Sampled=1", "Sampled=0", 1), "", ""},
	} {
		if _, err := i.Invoke(&instance.Invocation{RequestID: "id", Payload: []byte(c.event), Trace: c.trace, Tail: true}); err != nil {
			t.Fatal(err)
		}
		<-s.freed
		kept.mu.Lock()
		if kept.done.Trace != c.trace || kept.report.Trace != c.trace || kept.report.SegmentID != c.segment {
			t.Errorf("%s: %+v, %+v", c.event, kept.done, kept.report)
		}
		if object := string(kept.done.Error); (object == "") != (c.object == "") || !strings.Contains(object, c.object) {
			t.Errorf("%s: the error object is %q", c.event, object)
		}
		kept.mu.Unlock()
	}
}
