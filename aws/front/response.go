package front

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// largeBytes is the size from which a body isn't copied behind its head.
const largeBytes = 64 << 10

// response is the ResponseWriter of a connection, used for one request after another.
type response struct {
	c      *conn
	header http.Header
	status int    // 0 until WriteHeader
	length int64  // of the body, by Content-Length; -1 unknown
	sent   int64  // bytes of the body that were sent, or are in buf
	headed bool   // buf begins, or began, with the head
	buf    []byte // what is to be sent
	failed error  // of a write: the rest is thrown away
}

func (w *response) reset() {
	clear(w.header)
	w.status, w.length, w.sent, w.headed, w.failed = 0, -1, 0, false, nil
	if w.buf = w.buf[:0]; cap(w.buf) > 2*largeBytes {
		w.buf = nil
	}
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. Only final answers are sent.
func (w *response) WriteHeader(status int) {
	if w.status != 0 || status < 200 {
		return
	}
	w.status = status
	if v := w.header["Content-Length"]; len(v) > 0 {
		if n, ok := parseLength(v[0]); ok {
			w.length = n
		}
	}
}

func (w *response) bodyless() bool {
	return w.status == http.StatusNoContent || w.status == http.StatusNotModified
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	switch {
	case w.failed != nil:
		return 0, w.failed
	case w.bodyless():
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && w.sent+int64(len(p)) > w.length:
		return 0, http.ErrContentLength
	}
	w.sent += int64(len(p))
	if w.length >= 0 && !w.headed {
		w.headed = true
		w.buf = w.appendHead(w.buf)
	}
	if w.length < largeBytes { // small, or unknown: it leaves when all is there
		w.buf = append(w.buf, p...)
		return len(p), nil
	}
	if len(w.buf) > 0 {
		_, w.failed = w.c.nc.Write(w.buf)
		w.buf = w.buf[:0]
	}
	if w.failed == nil {
		_, w.failed = w.c.nc.Write(p)
	}
	if w.failed != nil {
		return 0, w.failed
	}
	return len(p), nil
}

// finish sends what wasn't sent yet. An error means that the connection is of no more use.
func (w *response) finish() error {
	if w.conclude(); w.failed == nil && len(w.buf) > 0 {
		_, w.failed = w.c.nc.Write(w.buf)
	}
	return w.failed
}

// conclude makes buf all that is still to be sent.
func (w *response) conclude() {
	w.WriteHeader(http.StatusOK)
	if w.failed == nil && w.length >= 0 && w.sent < w.length && !w.bodyless() {
		w.failed = http.ErrContentLength // a cut connection says so to the client
	}
	if w.failed == nil && !w.headed {
		w.length = w.sent
		body := w.buf
		w.buf = append(w.appendHead(make([]byte, 0, 512+len(body))), body...)
	}
}

// Detach lets a handler return before its answer is written. Whoever writes that, in any
// goroutine, then calls finish, once, which waits for nothing; the request's body must
// have been read. A body of over 64 KiB is written while Write is called, and can keep
// it waiting for the client.
func (w *response) Detach() (finish func()) {
	w.c.detached = true
	w.c.turn.Store(pending)
	return w.c.finish
}

// appendHead appends the status line and the header.
func (w *response) appendHead(b []byte) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(w.status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(w.status)...)
	b = append(b, "\r\nDate: "...)
	b = append(b, date()...)
	for name, values := range w.header {
		switch name {
		case "Content-Length", "Date", "Connection", "Transfer-Encoding":
			continue
		}
		for _, v := range values {
			b = append(b, "\r\n"...)
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, oneLine(v)...)
		}
	}
	if w.c.last = w.c.body.left > maxLeftOver || w.c.s.closing.Load(); w.c.last {
		b = append(b, "\r\nConnection: close"...)
	}
	if !w.bodyless() {
		b = append(b, "\r\nContent-Length: "...)
		b = strconv.AppendInt(b, w.length, 10)
	}
	return append(b, "\r\n\r\n"...)
}

var lineEnds = strings.NewReplacer("\r", " ", "\n", " ")

// oneLine makes sure that a value can't begin another field.
func oneLine(v string) string {
	if strings.IndexByte(v, '\n') < 0 && strings.IndexByte(v, '\r') < 0 {
		return v
	}
	return lineEnds.Replace(v)
}

// stamp is a moment as HTTP writes it.
type stamp struct {
	second int64
	text   string
}

var lastStamp atomic.Pointer[stamp]

// date returns the Date header's value, made once a second.
func date() string {
	now := time.Now()
	s := lastStamp.Load()
	if s == nil || s.second != now.Unix() {
		s = &stamp{now.Unix(), now.UTC().Format(http.TimeFormat)}
		lastStamp.Store(s)
	}
	return s.text
}
