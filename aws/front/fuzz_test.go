package front

import (
	"bufio"
	"bytes"
	"net/http"
	"reflect"
	"testing"
)

// FuzzParse compares what is taken of a head with what net/http makes of it, twice
// over: requests remembers the first.
func FuzzParse(f *testing.F) {
	for _, head := range []string{
		"POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n",
		"POST /f?Qualifier=1%20x HTTP/1.1\r\nHost: h:1\r\nX-A: 1\r\nx-a:2\r\nConnection: keep-alive\r\n\r\n",
		"POST http://x/f HTTP/1.1\r\nhost:\t\r\n\r\n",
		"POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"GET //x/../y;z HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST /f HTTP/1.1\r\nHost: h\r\nPragma: no-cache\r\n\r\n",
	} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		end := bytes.Index(head, []byte("\r\n\r\n"))
		if end < 0 {
			return
		}
		head = head[:end+4]
		p := new(requests)
		for range 2 {
			r, length, ok := p.parse(head, func([]byte) bool { return true })
			if !ok {
				continue
			}
			want, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
			if err != nil {
				t.Fatalf("%q was taken, but it is %v", head, err)
			}
			h := want.Header
			h.Del("Content-Length")
			got := r.Header.Clone()
			got.Del("Content-Length")
			if r.Method != want.Method || r.RequestURI != want.RequestURI || !reflect.DeepEqual(r.URL, want.URL) ||
				r.Host != want.Host || length != want.ContentLength || !reflect.DeepEqual(got, h) {
				t.Fatalf("%q is\n%+v\nnot\n%+v", head, r, want)
			}
		}
	})
}
