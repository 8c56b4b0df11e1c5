package runtimeapi

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick/internal/quickio"
)

const (
	// maxHeadBytes lets X-Ray causes through, which clients send in a header of up to 1 MiB.
	maxHeadBytes = 1<<20 + 128<<10
	// inlineBytes is the largest event that is copied behind its headers, to leave in
	// one write; a longer one is written from where it is.
	inlineBytes = 64 << 10
	// maxConns is how many connections a runtime may have at once. AWS's own poll on up
	// to 64, with multi-concurrency.
	maxConns = 256
	// maxHeldBytes bounds what the heads and bodies of the requests that are arriving take
	// up together: no runtime posts more than a few of the largest at a time.
	maxHeldBytes = 4 * MaxResponseBytes
)

var (
	errMalformed = errors.New("malformed HTTP request")
	errHead      = fmt.Errorf("request head over %d bytes", maxHeadBytes)
	errHeld      = fmt.Errorf("requests over %d bytes together", maxHeldBytes)
)

// Conns owns connections and the goroutines that serve them. Its zero value is ready.
type Conns struct {
	held atomic.Int64 // bytes of requests that are arriving

	mu     sync.Mutex // guards what follows
	open   map[*Conn]struct{}
	closed bool
	until  time.Time     // when a Settle under way ends; zero without one
	empty  chan struct{} // closed when open runs empty; nil unless someone waits
}

// Go serves a connection in a goroutine of its own. A private one is the inherited
// socket of a bootstrap of ours and may ask for its assignment. Of others no more than
// maxConns are taken.
func (s *Conns) Go(nc net.Conn, rt Runtime, private bool) {
	quick := quickio.Wrap(nc)
	c := &Conn{nc: nc, quick: quick, rt: rt, conns: s, private: private, br: bufio.NewReaderSize(quick, 4096)}
	s.mu.Lock()
	if s.closed || len(s.open) >= maxConns && !private {
		s.mu.Unlock()
		_ = nc.Close() // nobody to tell
		return
	}
	if s.open == nil {
		s.open = make(map[*Conn]struct{})
	}
	s.open[c] = struct{}{}
	if !s.until.IsZero() {
		_ = nc.SetDeadline(s.until) // a closed one has no deadline to set
	}
	s.mu.Unlock()
	go func() {
		c.serve()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, c)
		if len(s.open) == 0 && s.empty != nil {
			close(s.empty)
			s.empty = nil
		}
	}()
}

// Settle serves what the clients of the open connections, all dead, had written
// before they died, and returns when the connections have ended; that is cut short
// after a while. New connections are taken again.
func (s *Conns) Settle(within time.Duration) {
	deadline := time.Now().Add(within)
	s.mu.Lock()
	s.until = deadline // for what is accepted late
	s.mu.Unlock()
	s.wait(func(c *Conn) { _ = c.nc.SetDeadline(deadline) }) // a closed one has no deadline to set
	s.mu.Lock()
	s.until = time.Time{}
	s.mu.Unlock()
}

// Close ends the connections, takes no more, and returns when they have ended.
func (s *Conns) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wait(func(c *Conn) { _ = c.nc.Close() }) // its goroutine sees it
}

// wait does something to each open connection and waits until none is open.
func (s *Conns) wait(each func(*Conn)) {
	s.mu.Lock()
	if len(s.open) == 0 {
		s.mu.Unlock()
		return
	}
	for c := range s.open {
		each(c)
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	<-empty
}

// Conn is one connection of a runtime.
type Conn struct {
	nc      net.Conn
	quick   net.Conn // nc, for what is read and written all the time
	rt      Runtime
	conns   *Conns
	private bool
	br      *bufio.Reader
	held    int64 // what it counts for in Conns.held

	// wmu orders what is written: the serving goroutine's answers and the event that
	// another goroutine brings to a parked poll.
	wmu     sync.Mutex
	pending []byte // an accepted POST's answer held back for the poll pipelined behind it
	keep    bool   // the parked request's keep-alive
	parked  bool   // a poll waits for its answer
}

// serve reads and answers requests until the connection ends.
func (c *Conn) serve() {
	defer func() {
		_ = c.nc.Close() // a second close is harmless
		c.letGo()
		c.rt.Gone(c)
	}()
	for {
		c.letGo()
		q, err := c.readRequest()
		if err != nil {
			if errors.Is(err, errMalformed) || errors.Is(err, errHead) {
				_ = c.answer(&request{}, http.StatusBadRequest, nil, "") // the client may be gone
			}
			return
		}
		if q.method != http.MethodPost && c.awaitsAnswer() {
			// Answers come in order: a poll behind a poll could only wait, too. But a runtime
			// that has polled may yet report that its init failed.
			return
		}
		if err := c.route(q); err != nil || !q.keepAlive {
			if err == nil && q.parked {
				// A poll with Connection: close still waits for its event; the client
				// closes after it.
				_, _ = c.br.ReadByte()
			}
			return
		}
	}
}

// request is what the API needs of a request's head, and of its trailers.
type request struct {
	method, target    string
	http10            bool
	keepAlive         bool
	length            int64 // -1: chunked
	expectContinue    bool
	contentType       string
	errorType         string
	xrayCause         string
	streaming         bool
	trailerErrorType  string
	trailerErrorBody  string
	parked            bool // its answer is an event still to come
	continued         bool // 100 Continue was sent
	transferCodingBad bool
}

// park notes that the answer of q is an event still to come.
func (c *Conn) park(q *request) {
	q.parked = true
	c.wmu.Lock()
	c.keep, c.parked = q.keepAlive, true
	c.wmu.Unlock()
}

// awaitsAnswer says whether a poll is parked here.
func (c *Conn) awaitsAnswer() bool {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	return c.parked
}

// hold counts memory that a request takes up, before it takes it.
func (c *Conn) hold(n int64) error {
	c.held += n
	if c.conns.held.Add(n) > maxHeldBytes {
		return errHeld
	}
	return nil
}

// letGo says that a request has been dealt with.
func (c *Conn) letGo() {
	c.conns.held.Add(-c.held)
	c.held = 0
}

func (c *Conn) readRequest() (*request, error) {
	var total int
	line, err := c.readLine(&total)
	if err != nil {
		return nil, err
	}
	for len(line) == 0 { // a stray CRLF between requests is allowed: RFC 9112, 2.2
		if line, err = c.readLine(&total); err != nil {
			return nil, err
		}
	}
	method, rest, ok1 := bytes.Cut(line, []byte(" "))
	target, proto, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok1 || !ok2 || len(target) == 0 || !bytes.HasPrefix(proto, []byte("HTTP/1.")) {
		return nil, errMalformed
	}
	q := &request{method: internMethod(method), target: string(target), http10: proto[len(proto)-1] == '0'}
	q.keepAlive = !q.http10
	for {
		line, err = c.readLine(&total)
		if err != nil {
			return nil, unexpected(err)
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) == 0 || name[len(name)-1] == ' ' {
			return nil, errMalformed
		}
		if err := q.header(name, bytes.TrimSpace(value)); err != nil {
			return nil, err
		}
	}
	if q.transferCodingBad {
		return nil, errMalformed
	}
	return q, nil
}

func internMethod(b []byte) string {
	switch string(b) {
	case http.MethodGet:
		return http.MethodGet
	case http.MethodPost:
		return http.MethodPost
	}
	return string(b)
}

func (q *request) header(name, value []byte) error {
	switch {
	case equalFold(name, "content-length"):
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || n < 0 {
			return errMalformed
		}
		if q.length >= 0 { // chunked wins over a length: RFC 9112, 6.3
			q.length = n
		}
	case equalFold(name, "transfer-encoding"):
		if !equalFold(value, "chunked") {
			q.transferCodingBad = true
		}
		q.length = -1
	case equalFold(name, "connection"):
		switch {
		case equalFold(value, "close"):
			q.keepAlive = false
		case equalFold(value, "keep-alive"):
			q.keepAlive = true
		}
	case equalFold(name, "expect"):
		q.expectContinue = equalFold(value, "100-continue")
	case equalFold(name, "content-type"):
		q.contentType = string(value)
	case equalFold(name, "lambda-runtime-function-error-type"):
		q.errorType = string(value)
	case equalFold(name, "lambda-runtime-function-xray-error-cause"):
		q.xrayCause = string(value)
	case equalFold(name, "lambda-runtime-function-response-mode"):
		q.streaming = equalFold(value, "streaming")
	}
	return nil
}

func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, ch := range b {
		if 'A' <= ch && ch <= 'Z' {
			ch += 'a' - 'A'
		}
		if ch != lower[i] {
			return false
		}
	}
	return true
}

// readLine returns a line without its end, valid until the next read, and counts
// its bytes towards the head's limit.
func (c *Conn) readLine(total *int) ([]byte, error) {
	line, err := c.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := append([]byte(nil), line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			if len(long)+*total > maxHeadBytes {
				return nil, errHead
			}
			line, err = c.br.ReadSlice('\n')
			if err := c.hold(int64(len(line))); err != nil {
				return nil, err
			}
			long = append(long, line...)
		}
		line = long
	}
	if err != nil {
		return nil, err
	}
	if *total += len(line); *total > maxHeadBytes {
		return nil, errHead
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readBody returns a request's body; over says that it was longer than limit, in
// which case it was read and thrown away.
func (c *Conn) readBody(q *request, limit int64) (body []byte, over bool, err error) {
	if err := c.allowBody(q); err != nil {
		return nil, false, err
	}
	if q.length >= 0 {
		if q.length > limit {
			_, err := io.CopyN(io.Discard, c.br, q.length)
			return nil, true, unexpected(err)
		}
		if err := c.hold(q.length); err != nil {
			return nil, false, err
		}
		body = make([]byte, q.length)
		_, err := io.ReadFull(c.br, body)
		return body, false, unexpected(err)
	}
	for {
		n, err := c.chunkSize()
		if err != nil {
			return nil, false, err
		}
		if n == 0 {
			return body, over, c.readTrailers(q)
		}
		if over = over || int64(len(body))+n > limit; over {
			body = nil
			_, err = io.CopyN(io.Discard, c.br, n)
		} else {
			if err := c.hold(n); err != nil {
				return nil, false, err
			}
			at := len(body)
			body = append(body, make([]byte, n)...)
			_, err = io.ReadFull(c.br, body[at:])
		}
		if err != nil {
			return nil, false, unexpected(err)
		}
		var total int
		if line, err := c.readLine(&total); err != nil || len(line) != 0 {
			return nil, false, errMalformed
		}
	}
}

func (c *Conn) discardBody(q *request) error {
	if q.length == 0 {
		return nil
	}
	_, _, err := c.readBody(q, 0)
	return err
}

func (c *Conn) allowBody(q *request) error {
	if !q.expectContinue || q.continued || q.length == 0 {
		return nil
	}
	q.continued = true
	c.wmu.Lock()
	defer c.wmu.Unlock()
	return c.flushLocked([]byte("HTTP/1.1 100 Continue\r\n\r\n"), nil)
}

func (c *Conn) chunkSize() (int64, error) {
	var total int
	line, err := c.readLine(&total)
	if err != nil {
		return 0, unexpected(err)
	}
	size, _, _ := bytes.Cut(line, []byte(";"))
	n, err := strconv.ParseInt(string(bytes.TrimSpace(size)), 16, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return 0, errMalformed
	}
	return n, nil
}

func (c *Conn) readTrailers(q *request) error {
	var total int
	for {
		line, err := c.readLine(&total)
		if err != nil {
			return unexpected(err)
		}
		if len(line) == 0 {
			return nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return errMalformed
		}
		switch value = bytes.TrimSpace(value); {
		case equalFold(name, "lambda-runtime-function-error-type"):
			q.trailerErrorType = string(value)
		case equalFold(name, "lambda-runtime-function-error-body"):
			q.trailerErrorBody = string(value)
		}
	}
}

// decodeErrorBody undoes the trailer's base64; a client that sent it plain is believed.
func decodeErrorBody(s string) []byte {
	if b, err := base64.StdEncoding.DecodeString(s); err == nil {
		return b
	}
	return []byte(s)
}

const acceptedAnswer = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"OK\"}"

// answerAccepted answers a POST. When the client's next poll is already here, the
// answer waits for that poll's event, so that both leave in one write and wake the
// runtime once.
func (c *Conn) answerAccepted(q *request) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.polling(q) {
		c.pending = append(c.pending, acceptedAnswer...)
		return nil
	}
	return c.flushLocked([]byte(acceptedAnswer), nil)
}

// polling says whether a bootstrap of ours has written its next poll behind q.
func (c *Conn) polling(q *request) bool {
	return c.private && q.keepAlive && c.br.Buffered() > 0
}

func (c *Conn) answer(q *request, status int, body []byte, contentType string) error {
	b := make([]byte, 0, 160+len(body))
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	b = append(b, "\r\n"...)
	if contentType != "" {
		b = append(b, "Content-Type: "...)
		b = append(b, contentType...)
		b = append(b, "\r\n"...)
	}
	if !q.keepAlive {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\n\r\n"...)
	b = append(b, body...)
	c.wmu.Lock()
	defer c.wmu.Unlock()
	return c.flushLocked(b, nil)
}

// flushLocked writes what was held back, head, and body in as few writes as it takes.
func (c *Conn) flushLocked(head, body []byte) error {
	if len(c.pending) > 0 {
		head = append(c.pending, head...)
		c.pending = nil
	}
	if len(body) == 0 {
		_, err := c.quick.Write(head)
		return err
	}
	if len(body) <= inlineBytes {
		_, err := c.quick.Write(append(head, body...))
		return err
	}
	bufs := net.Buffers{head, body}
	_, err := bufs.WriteTo(c.nc)
	return err
}

// Event is one event for the runtime and what it is told beside it.
type Event struct {
	RequestID       string
	DeadlineMs      int64 // epoch, milliseconds
	InvokedARN      string
	Trace           string
	ClientContext   string
	CognitoIdentity string
	TenantID        string
	Payload         []byte
}

var headPool = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// SendEvent answers a parked poll. It is called once a poll, from any goroutine; an
// error means that the runtime hasn't got the event.
func (c *Conn) SendEvent(e *Event) error {
	bp := headPool.Get().(*[]byte)
	b := append((*bp)[:0], "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: "...)
	b = append(b, e.RequestID...)
	b = append(b, "\r\nLambda-Runtime-Deadline-Ms: "...)
	b = strconv.AppendInt(b, e.DeadlineMs, 10)
	b = append(b, "\r\nLambda-Runtime-Invoked-Function-Arn: "...)
	b = append(b, e.InvokedARN...)
	for _, h := range [...]struct{ name, value string }{
		{"\r\nLambda-Runtime-Trace-Id: ", e.Trace},
		{"\r\nLambda-Runtime-Client-Context: ", e.ClientContext},
		{"\r\nLambda-Runtime-Cognito-Identity: ", e.CognitoIdentity},
		{"\r\nLambda-Runtime-Aws-Tenant-Id: ", e.TenantID},
	} {
		if h.value != "" {
			b = append(b, h.name...)
			b = append(b, h.value...)
		}
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.parked = false
	if !c.keep {
		b = append(b, "\r\nConnection: close"...)
	}
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(e.Payload)), 10)
	b = append(b, "\r\n\r\n"...)
	err := c.flushLocked(b, e.Payload)
	if cap(b) <= 4096 {
		*bp = b
		headPool.Put(bp)
	}
	return err
}

// SendAssignment answers a booted runtime's GET /wick/assign with a JSON document.
func (c *Conn) SendAssignment(doc []byte) error {
	c.wmu.Lock()
	c.parked = false
	c.wmu.Unlock()
	return c.answer(&request{keepAlive: true}, http.StatusOK, doc, "application/json")
}
