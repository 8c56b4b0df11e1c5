package protocol

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wick-run/wick"
)

// readBody reads a request's body up to its operation's limit.
func readBody(r *http.Request, op *operation) ([]byte, error) {
	limit := op.MaxBody
	if r.ContentLength > limit {
		return nil, tooLarge(op)
	}
	if r.Body == nil {
		return nil, nil
	}
	var body []byte
	var err error
	if r.ContentLength > 0 {
		// The whole size is known: no growing, which for a package would be copying
		// tens of megabytes several times.
		body = make([]byte, r.ContentLength)
		if _, err = io.ReadFull(r.Body, body); err == nil {
			err = atEnd(r.Body)
		}
	} else {
		body, err = io.ReadAll(io.LimitReader(r.Body, limit+1))
	}
	if int64(len(body)) > limit {
		return nil, tooLarge(op)
	}
	return body, bodyError(err)
}

// atEnd reads the end of a body, which is where one that checks itself says so.
func atEnd(body io.Reader) error {
	var more [1]byte
	switch n, err := body.Read(more[:]); {
	case n > 0:
		return errChunk
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}

// bodyError makes what reading a body ran into an answer.
func bodyError(err error) error {
	if err == nil {
		return nil
	}
	var wire answerer
	if errors.As(err, &wire) {
		return err
	}
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, errChunk) {
		return serialization(err.Error())
	}
	return &wireError{code: "RequestAbortedException", status: http.StatusBadRequest, message: "The request's body ended early."}
}

// tooLarge answers a body over its operation's limit. Recorded:
// test_oversized_request_create_lambda.
func tooLarge(op *operation) error {
	return wick.Errorf(wick.RequestTooLarge, "Request must be smaller than %d bytes for the %s operation", op.MaxBody, op.Name)
}

// drainLimit bounds what is read of a body only so that its sender reads the answer
// before the connection closes under it.
const drainLimit = 256 << 20

// drain reads what is left of a refused request's body, before the answer: a client
// that is still sending when the connection closes reports a broken pipe, not the
// answer.
func (c *Call) drain() {
	if c.body != nil && !c.waits {
		_, _ = io.CopyN(io.Discard, c.body, drainLimit) // its errors end the connection, no more
	}
}

// waitDrain is how long one that asked for 100 Continue is listened to after its answer.
const waitDrain = 2 * time.Second

// drainAfter does the same for a client that waits for 100 Continue: the answer goes
// first, because reading would invite the body. Most send nothing then; some don't
// wait.
func (c *Call) drainAfter(w http.ResponseWriter) {
	if c.body == nil || !c.waits {
		return
	}
	rc := http.NewResponseController(w)
	if rc.Flush() != nil || rc.SetReadDeadline(time.Now().Add(waitDrain)) != nil {
		return // no connection of net/http's
	}
	_, _ = io.CopyN(io.Discard, c.body, drainLimit) // its errors end the connection, no more
}

// decodeTransfer undoes the encodings a client may have put on a body.
func decodeTransfer(r *http.Request) error {
	if len(r.Header["Content-Encoding"]) == 0 {
		return nil
	}
	encodings := strings.Split(strings.ToLower(strings.Join(r.Header.Values("Content-Encoding"), ",")), ",")
	for i := len(encodings) - 1; i >= 0; i-- {
		switch e := strings.TrimSpace(encodings[i]); e {
		case "", "identity":
			continue
		case "aws-chunked":
			r.Body = &chunkedBody{in: bufio.NewReader(r.Body), close: r.Body}
			r.ContentLength = -1
			if n, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64); err == nil && n >= 0 {
				r.ContentLength = n
			}
		case "gzip":
			r.Body = &gzipBody{in: r.Body}
			r.ContentLength = -1
		default:
			return &wireError{
				code: "UnsupportedMediaTypeException", status: http.StatusUnsupportedMediaType,
				message: fmt.Sprintf("Content-Encoding %s is not supported.", e),
			}
		}
	}
	r.Header.Del("Content-Encoding")
	return nil
}

// gzipBody opens the stream at the first read, so that a refusal needn't.
type gzipBody struct {
	in  io.ReadCloser
	out *gzip.Reader
}

func (b *gzipBody) Read(p []byte) (int, error) {
	if b.out == nil {
		out, err := gzip.NewReader(b.in)
		if err != nil {
			return 0, err
		}
		b.out = out
	}
	return b.out.Read(p)
}

func (b *gzipBody) Close() error { return b.in.Close() }

var errChunk = errors.New("malformed aws-chunked body")

// chunkedBody reads the aws-chunked encoding: SIZE[;chunk-signature=…]CRLF, the
// bytes, CRLF, until a chunk of size 0 and its trailers.
// Source: Signature Version 4, "Transferring payload in multiple chunks".
type chunkedBody struct {
	in    *bufio.Reader
	close io.Closer
	left  int64 // of the current chunk
	begun bool
	done  bool
}

func (b *chunkedBody) Read(p []byte) (int, error) {
	for b.left == 0 {
		if b.done {
			return 0, io.EOF
		}
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.in.Read(p)
	b.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next reads a chunk's header, and the line end of the one before.
func (b *chunkedBody) next() error {
	if b.begun {
		if line, err := b.line(); err != nil || line != "" {
			return errChunk
		}
	}
	b.begun = true
	line, err := b.line()
	if err != nil {
		return errChunk
	}
	size, _, _ := strings.Cut(line, ";")
	n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
	if err != nil || n < 0 {
		return errChunk
	}
	b.left = n
	if n > 0 {
		return nil
	}
	b.done = true
	for { // trailers, such as checksums, up to an empty line or the end
		if line, err := b.line(); err != nil || line == "" {
			return nil //nolint:nilerr // a missing last line end is common and harmless
		}
	}
}

func (b *chunkedBody) line() (string, error) {
	line, err := b.in.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

func (b *chunkedBody) Close() error { return b.close.Close() }
