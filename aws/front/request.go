package front

import (
	"bytes"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// maxNames bounds what a connection remembers of header names.
const maxNames = 64

// requests makes requests of heads, and remembers of the last one what is likely to
// come again: most clients send the same head all the time, but for a signature.
type requests struct {
	head   []byte // the last request's, to its empty line
	req    http.Request
	length int64
	target string
	names  map[string]string // as sent → canonical
}

// parse reads a head that ends with an empty line. ok is false for all that isn't
// plainly right and of the usual form; net/http then decides what it is. The request is
// good until the next call.
func (p *requests) parse(head []byte, here func(target []byte) bool) (r *http.Request, length int64, ok bool) {
	if p.head != nil && bytes.Equal(head, p.head) {
		return &p.req, p.length, true
	}
	p.head = p.head[:0]
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	method, line, ok1 := bytes.Cut(line, []byte(" "))
	target, proto, ok2 := bytes.Cut(line, []byte(" "))
	if !ok1 || !ok2 || string(proto) != "HTTP/1.1" || string(method) != http.MethodPost ||
		!bytes.HasPrefix(target, []byte("/")) || !here(target) {
		return nil, 0, false
	}
	if string(target) != p.target || p.req.URL == nil {
		p.target = string(target)
		u, err := url.ParseRequestURI(p.target)
		if err != nil || u.Host != "" {
			p.req.URL = nil
			return nil, 0, false
		}
		p.req.URL = u
	}
	p.req.Method, p.req.RequestURI, p.req.Proto, p.req.ProtoMajor, p.req.ProtoMinor = http.MethodPost, p.target, "HTTP/1.1", 1, 1
	p.length = 0
	if !p.header(string(rest)) {
		return nil, 0, false
	}
	p.head = append(p.head, head...)
	return &p.req, p.length, true
}

// header reads the fields of a head. Their values share one string.
func (p *requests) header(rest string) bool {
	h := p.req.Header
	if h == nil {
		h = make(http.Header, 16)
		p.req.Header = h
	}
	clear(h)
	p.req.Host, p.req.ContentLength = "", 0
	values := make([]string, 0, 16) // one array for all lists of values
	var hasHost, hasLength bool
	for rest != "\r\n" {
		line, after, found := strings.Cut(rest, "\r\n")
		colon := strings.IndexByte(line, ':')
		if !found || colon <= 0 {
			return false
		}
		rest = after
		name, value := line[:colon], strings.Trim(line[colon+1:], " \t")
		key, good := p.canonical(name)
		if !good || !validValue(value) {
			return false
		}
		switch key {
		case "Host":
			if hasHost {
				return false
			}
			hasHost = true
			if !validHost(value) {
				return false
			}
			p.req.Host = value
			continue // net/http keeps it out of the header too
		case "Content-Length":
			n, good := parseLength(value)
			if hasLength || !good {
				return false
			}
			hasLength, p.length = true, n
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return false
			}
		case "Transfer-Encoding", "Expect", "Upgrade", "Trailer", "Te", "Content-Encoding", "Pragma":
			return false // Pragma: net/http makes a Cache-Control of it
		}
		if list, more := h[key]; more {
			h[key] = append(list[:len(list):len(list)], value)
			continue
		}
		values = append(values, value)
		h[key] = values[len(values)-1 : len(values) : len(values)]
	}
	p.req.ContentLength = p.length
	return hasHost
}

// canonical returns a name in http.Header's form; good is false for one that isn't valid.
func (p *requests) canonical(name string) (key string, good bool) {
	if key, ok := p.names[name]; ok {
		return key, true
	}
	for i := range len(name) {
		if !isToken(name[i]) {
			return "", false
		}
	}
	key = textproto.CanonicalMIMEHeaderKey(name)
	if p.names == nil {
		p.names = make(map[string]string, 16)
	}
	if len(p.names) < maxNames {
		p.names[strings.Clone(name)] = strings.Clone(key) // not a part of the whole head
	}
	return key, true
}

// isToken says whether a byte may be in a field's name. Source: RFC 9110, 5.6.2.
func isToken(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

// validHost says whether Host is made of what may be in it. Source: RFC 3986, 3.2.2.
func validHost(v string) bool {
	for i := range len(v) {
		if b := v[i]; !isToken(b) && strings.IndexByte("%(),:;=[]", b) < 0 || strings.IndexByte("#^`|", b) >= 0 {
			return false
		}
	}
	return true
}

// validValue says whether a field's value has nothing that it must not: no control
// characters. Source: RFC 9110, 5.5.
func validValue(v string) bool {
	for i := range len(v) {
		if b := v[i]; b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return true
}

func parseLength(v string) (int64, bool) {
	if v == "" || len(v) > 18 {
		return 0, false
	}
	var n int64
	for i := range len(v) {
		if v[i] < '0' || v[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(v[i]-'0')
	}
	return n, true
}

// body is a request's body of a known length.
type body struct {
	c    *conn
	left int64
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.c.readBody(p)
	if b.left -= int64(n); b.left == 0 {
		b.c.gone.quiet()
	}
	if err == io.EOF { //nolint:errorlint // a connection's own
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close implements io.Closer; what is left is dealt with when the handler returns.
func (*body) Close() error { return nil }
