package front_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick/aws/front"
	"github.com/wick-run/wick/internal/testkit/leak"
)

// here is the POSTs that are served without net/http in these tests.
func here(target []byte) bool { return bytes.HasPrefix(target, []byte("/here")) }

// served is a server under test and what its handlers saw.
type served struct {
	*front.Server
	address string
	ended   chan error

	mu   sync.Mutex
	seen []string // "here" or "net/http", in order
}

// start serves h for the requests that are served here and for all others.
func start(t *testing.T, h http.HandlerFunc) *served {
	t.Helper()
	leak.Check(t)
	s := &served{ended: make(chan error, 1)}
	noting := func(where string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			s.seen = append(s.seen, where)
			s.mu.Unlock()
			h(w, r)
		})
	}
	s.Server = front.New(front.Options{
		HTTP: &http.Server{Handler: noting("net/http"), ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute},
		Here: here, Handler: noting("here"),
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = ln.Addr().String()
	go func() { s.ended <- s.Serve(ln) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-s.ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
	return s
}

func (s *served) where() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.seen, " ")
}

// describe answers with what a handler gets to see of a request.
func describe(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("X-Two", "a\r\nb: c")
	w.Header()["X-Many"] = []string{"1", "2"}
	_, _ = fmt.Fprintf(w, "%s %s %s %s host=%q length=%d query=%q body=%q\n", // the client may be gone
		r.Method, r.URL.Path, r.URL.RawPath, r.Proto, r.Host, r.ContentLength, r.URL.Query(), body)
	_ = r.Header.Write(w)
}

// send sends text over a new connection.
func (s *served) send(t *testing.T, text string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() }) // a second close is harmless
	if _, err := io.WriteString(nc, text); err != nil {
		t.Fatal(err)
	}
	return nc
}

// exchange sends text over one connection and returns the answers to it.
func (s *served) exchange(t *testing.T, text string, answers int) string {
	t.Helper()
	nc := s.send(t, text)
	var all strings.Builder
	br := bufio.NewReader(nc)
	for range answers {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("after %q: %v", all.String(), err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Header.Del("Date")
		fmt.Fprintf(&all, "%s %v close=%v\n%s\n", resp.Status, resp.Header, resp.Close, body)
	}
	return all.String()
}

func TestARequestIsTheSameHereAndBehindNetHTTP(t *testing.T) {
	s := start(t, describe)
	plain := httptest.NewServer(http.HandlerFunc(describe))
	defer plain.Close()
	reference := &served{address: plain.Listener.Addr().String()}
	const host = "Host: h\r\n"
	for _, c := range []struct{ name, text, where string }{
		{"a body", "POST /here?a=1&b=%20 HTTP/1.1\r\n" + host + "Content-Length: 3\r\nX-A:  b \r\nx-a: c\r\n\r\n{} ", "here"},
		{"no body", "POST /here/x%2Fy HTTP/1.1\r\n" + host + "\r\n", "here"},
		{"keep-alive", "POST /here HTTP/1.1\r\n" + host + "Connection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", "here"},
		{"close", "POST /here HTTP/1.1\r\n" + host + "Connection: close\r\nContent-Length: 1\r\n\r\n1", "net/http"},
		{"another path", "POST /there HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\n1", "net/http"},
		{"another method", "GET /here HTTP/1.1\r\n" + host + "\r\n", "net/http"},
		{"a full URL", "POST http://h/here HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\n1", "net/http"},
		{"HTTP/1.0", "POST /here HTTP/1.0\r\n" + host + "Content-Length: 1\r\n\r\n1", "net/http"},
		{"chunked", "POST /here HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n", "net/http"},
		{"two lengths", "POST /here HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n1", "net/http"},
		{"bare line ends", "POST /here HTTP/1.1\n" + host + "Content-Length: 1\r\n\r\n1", "net/http"},
		{"a head typed by hand", "POST /here HTTP/1.1\nHost: h\nContent-Length: 1\n\n1", "net/http"},
		{"a head typed half by hand", "POST /here HTTP/1.1\nHost: h\r\nContent-Length: 1\n\r\n1", "net/http"},
		{"no cache", "POST /here HTTP/1.1\r\n" + host + "Pragma: no-cache\r\nContent-Length: 1\r\n\r\n1", "net/http"},
		{"a long head", "POST /here HTTP/1.1\r\n" + host + "X-Long: " + strings.Repeat("x", 9000) + "\r\nContent-Length: 1\r\n\r\n1", "net/http"},
		{"an encoding", "POST /here HTTP/1.1\r\n" + host + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\n1", "net/http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.mu.Lock()
			s.seen = nil
			s.mu.Unlock()
			got, want := s.exchange(t, c.text, 1), reference.exchange(t, c.text, 1)
			// net/http guesses a content type of what it sends; handlers here say theirs.
			want = strings.ReplaceAll(want, "Content-Type:[text/plain; charset=utf-8] ", "")
			got = strings.ReplaceAll(got, "Content-Type:[text/plain; charset=utf-8] ", "")
			if got != want {
				t.Errorf("answered\n%s\nnet/http\n%s", got, want)
			}
			if s.where() != c.where {
				t.Errorf("served by %s", s.where())
			}
		})
	}
	for _, text := range []string{
		"POST /here HTTP/1.1\r\nContent-Length: 1\r\n\r\n1",                    // no host
		"POST /here HTTP/1.1\r\nHost: h/i\r\nContent-Length: 1\r\n\r\n1",       // a host that isn't one
		"POST /here HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n1",        // no length
		"POST /here HTTP/1.1\r\nHost: h\r\nX A: b\r\n\r\n",                     // a name that isn't one
		"POST /here HTTP/1.1\r\nHost: h\r\nX-A: b\r\n folded\r\n\r\n",          // a continued line
		"POST /here HTTP/1.1\r\nHost: h\r\nX-A: \x01\r\n\r\n",                  // a value that isn't one
		"POST /here\r\nHost: h\r\n\r\n",                                        // no version
		"POST /here%zz HTTP/1.1\r\nHost: h\r\n\r\n",                            // a path that isn't one
		"POST /here HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n1\r", // an unknown encoding
	} {
		got, want := s.exchange(t, text, 1), reference.exchange(t, text, 1)
		if got != want {
			t.Errorf("%q answered\n%s\nnet/http\n%s", text, got, want)
		}
	}
}

func TestRequestsOfOneConnectionComeInTurnAndEachWithItsOwn(t *testing.T) {
	s := start(t, describe)
	request := func(path, extra, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\n%sContent-Length: %d\r\n\r\n%s", path, extra, len(body), body)
	}
	got := s.exchange(t, request("/here", "", "one")+request("/here", "", "two")+request("/here?q", "X-A: 1\r\n", "three")+
		request("/here?q", "X-A: 2\r\n", strings.Repeat("4", 20000))+request("/there", "", "five")+request("/here", "", "six"), 6)
	for _, want := range []string{`body="one"`, `body="two"`, `body="three"`, "X-A: 1", "X-A: 2", `body="444`, `body="five"`, `body="six"`} {
		if !strings.Contains(got, want) {
			t.Errorf("nothing of %s in\n%s", want, got)
		}
	}
	if strings.Count(got, "X-A: ") != 2 {
		t.Errorf("a header of another request in\n%s", got)
	}
	if where := s.where(); where != "here here here here net/http net/http" {
		t.Errorf("served by %s", where)
	}
}

func TestAnswers(t *testing.T) {
	large := strings.Repeat("x", 200<<10)
	unread := strings.Repeat("y", 1<<20)
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RawQuery {
		case "large":
			w.Header().Set("Content-Length", fmt.Sprint(len(large)))
			_, _ = io.WriteString(w, large[:1000]) // the client may be gone
			_, _ = io.WriteString(w, large[1000:])
		case "none":
			w.WriteHeader(http.StatusNoContent)
			if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("a body behind 204 came to %v", err)
			}
		case "short":
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "123")
		case "long":
			w.Header().Set("Content-Length", "1")
			if _, err := io.WriteString(w, "123"); !errors.Is(err, http.ErrContentLength) {
				t.Errorf("too long a body came to %v", err)
			}
			_, _ = io.WriteString(w, "1")
		case "panic":
			panic(http.ErrAbortHandler)
		case "unread":
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		}
	})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	post := func(query, body string) (string, error) {
		resp, err := client.Post("http://"+s.address+"/here?"+query, "text/plain", strings.NewReader(body))
		if err != nil {
			return "", err
		}
		defer resp.Body.Close() //nolint:errcheck // it is read to its end
		answer, err := io.ReadAll(resp.Body)
		return fmt.Sprint(resp.StatusCode, " ", resp.ContentLength, " ", string(answer)), err
	}
	for query, want := range map[string]string{
		"large": fmt.Sprint("200 ", len(large), " ", large), "none": "204 0 ", "long": "200 1 1", "": "200 0 ",
	} {
		if got, err := post(query, "{}"); got != want || err != nil {
			t.Errorf("%s answered %.60q (%v), not %.60q", query, got, err, want)
		}
	}
	for _, query := range []string{"short", "panic"} {
		if got, err := post(query, "{}"); err == nil {
			t.Errorf("%s answered %q, as if it were whole", query, got)
		}
	}
	if got, err := post("unread", unread); !strings.HasPrefix(got, "413 ") || err != nil {
		t.Errorf("a body that nobody reads answered %q (%v)", got, err)
	}
}

// hangUp sends a request and ends the connection when that has begun to be served.
func (s *served) hangUp(t *testing.T, began <-chan struct{}) {
	t.Helper()
	nc := s.send(t, "POST /here HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n1")
	<-began
	if err := nc.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAClientThatHangsUpIsSeenByWhoWaitsForIt(t *testing.T) {
	began, over := make(chan struct{}), make(chan error, 1)
	s := start(t, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		close(began)
		<-r.Context().Done()
		over <- r.Context().Err()
	})
	s.hangUp(t, began)
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("its context ended with %v", err)
	}
}

func TestAHangupIsSeenThoughItWasWaitedForBeforeTheBodyWasRead(t *testing.T) {
	waiting, sent, began := make(chan struct{}), make(chan struct{}), make(chan struct{})
	over := make(chan error, 1)
	s := start(t, func(_ http.ResponseWriter, r *http.Request) {
		done := r.Context().Done()
		close(waiting)
		<-sent
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		close(began)
		<-done
		over <- r.Context().Err()
	})
	nc := s.send(t, "POST /here HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n")
	<-waiting
	if _, err := io.WriteString(nc, "1"); err != nil {
		t.Fatal(err)
	}
	close(sent)
	<-began
	if err := nc.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("its context ended with %v", err)
	}
}

func TestAClosedServersHandlersDoNotWaitForTheirClients(t *testing.T) {
	began := make(chan struct{})
	s := start(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	})
	s.send(t, "POST /here HTTP/1.1\r\nHost: h\r\n\r\n")
	<-began
	if err := s.Close(); err != nil { // start's cleanup closes it again
		t.Error(err)
	}
}

func TestAConnectionIsUsedOnWhenItsHandlerHasWaitedForAHangup(t *testing.T) {
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		select {
		case <-ctx.Done():
			t.Error("it is taken for gone")
		default:
		}
		describe(w, r)
	})
	request := "POST /here HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n1"
	if got := s.exchange(t, request+request+request, 3); strings.Count(got, "200 OK") != 3 {
		t.Errorf("answered %s", got)
	}
}

func TestAShutdownWaitsForAnswersAndForNothingElse(t *testing.T) {
	began, finish := make(chan struct{}, 2), make(chan struct{})
	s := start(t, func(w http.ResponseWriter, _ *http.Request) {
		began <- struct{}{}
		<-finish
		_, _ = io.WriteString(w, "done")
	})
	idle, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close() //nolint:errcheck // a test's
	answers := make(chan string, 2)
	for _, path := range []string{"/here", "/there"} {
		go func() {
			resp, err := http.Post("http://"+s.address+path, "text/plain", strings.NewReader("x"))
			if err != nil {
				answers <- err.Error()
				return
			}
			defer resp.Body.Close() //nolint:errcheck // it is read to its end
			b, err := io.ReadAll(resp.Body)
			answers <- fmt.Sprint(string(b), " ", err)
		}()
		<-began
	}
	expired, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(expired); !errors.Is(err, context.Canceled) {
		t.Errorf("a shutdown without time came to %v", err)
	}
	shut := make(chan error, 1)
	go func() { shut <- s.Shutdown(context.Background()) }()
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("an idle connection came to %v", err)
	}
	close(finish)
	if err := <-shut; err != nil {
		t.Error(err)
	}
	for range 2 {
		if got := <-answers; got != "done <nil>" {
			t.Errorf("answered %s", got)
		}
	}
	if _, err := net.Dial("tcp", s.address); err == nil {
		t.Error("it still listens")
	}
}

func TestManyClientsAtOnceGetTheirOwnAnswers(t *testing.T) {
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		_, _ = w.Write(b) // the client may be gone
	})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			for k := range 200 {
				sent := strings.Repeat(fmt.Sprint(n, ",", k, ";"), 1+k*k%3000)
				resp, err := client.Post("http://"+s.address+"/here", "text/plain", strings.NewReader(sent))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				if err := errors.Join(err, resp.Body.Close()); err != nil || string(got) != sent {
					t.Errorf("for %.40q came %.40q (%v)", sent, got, err)
					return
				}
			}
		})
	}
	group.Wait()
}

// detach has f called in a goroutine of its own when its handler has returned.
func detach(w http.ResponseWriter, group *sync.WaitGroup, f func()) {
	finish := w.(interface{ Detach() func() }).Detach()
	group.Go(func() {
		f()
		finish()
	})
}

func TestADetachedAnswerIsWrittenWhenItsHandlerHasReturned(t *testing.T) {
	var group sync.WaitGroup
	defer group.Wait()
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if !strings.HasPrefix(r.RequestURI, "/here") {
			_, _ = w.Write(body) // the client may be gone
			return
		}
		detach(w, &group, func() {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			_, _ = w.Write(body) // the client may be gone
		})
	})
	request := func(path, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	}
	// All at once: the next ones are here before the first is answered.
	got := s.exchange(t, request("/here", "one")+request("/here", "two")+request("/here", strings.Repeat("3", 30<<10))+
		request("/there", "four"), 4)
	if n := strings.Count(got, "200 OK"); n != 4 || !strings.Contains(got, "\none\n") || !strings.HasSuffix(got, "\nfour\n") {
		t.Errorf("answered %.300q … %.60q", got, got[max(0, len(got)-60):])
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for n := range 300 {
		sent := strings.Repeat("x", n*n)
		resp, err := client.Post("http://"+s.address+"/here", "text/plain", strings.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil || string(got) != sent {
			t.Fatalf("%d bytes came back as %d (%v)", len(sent), len(got), err)
		}
	}
}

func TestADetachedAnswerToASlowClientHoldsNobodyUp(t *testing.T) {
	var group sync.WaitGroup
	defer group.Wait()
	answer := strings.Repeat("x", 60<<10)
	const requests = 200 // more than the sockets between the two hold
	finished := make(chan struct{}, requests)
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		finish := w.(interface{ Detach() func() }).Detach()
		group.Go(func() {
			w.Header().Set("Content-Length", fmt.Sprint(len(answer)))
			_, _ = io.WriteString(w, answer) // the client may be gone
			finish()
			finished <- struct{}{}
		})
	})
	nc, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close() //nolint:errcheck // a test's
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(nc, strings.Repeat("POST /here HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n1", requests))
		sent <- err
	}()
	<-finished // though nothing of it has been read
	br := bufio.NewReader(nc)
	for range requests {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != answer {
			t.Fatalf("%d bytes came back (%v)", len(got), err)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestADetachedHandlersContextEndsWithItsClient(t *testing.T) {
	over := make(chan error, 1)
	var group sync.WaitGroup
	defer group.Wait()
	began := make(chan struct{})
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		ctx := r.Context()
		detach(w, &group, func() {
			<-ctx.Done()
			over <- ctx.Err()
		})
		close(began)
	})
	s.hangUp(t, began)
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("its context ended with %v", err)
	}
}

func TestAShutdownWaitsForDetachedAnswers(t *testing.T) {
	finish := make(chan struct{})
	began := make(chan struct{})
	var group sync.WaitGroup
	defer group.Wait()
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		detach(w, &group, func() {
			<-finish
			w.Header().Set("Content-Length", "4")
			_, _ = io.WriteString(w, "done") // the client may be gone
		})
		close(began)
	})
	answered := make(chan string, 1)
	go func() {
		resp, err := http.Post("http://"+s.address+"/here", "text/plain", strings.NewReader("x"))
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close() //nolint:errcheck // it is read to its end
		b, err := io.ReadAll(resp.Body)
		answered <- fmt.Sprint(string(b), " ", err)
	}()
	<-began
	expired, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(expired); !errors.Is(err, context.Canceled) {
		t.Errorf("a shutdown without time came to %v", err)
	}
	close(finish)
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if got := <-answered; got != "done <nil>" {
		t.Errorf("answered %s", got)
	}
}
