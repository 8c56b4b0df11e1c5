package wickserver

import (
	"fmt"
	"regexp"
	"sync"
	"time"
)

// Transcript keeps what a process prints and lets a test wait for a line of it. It is an
// io.Writer; its methods can be called from several goroutines.
type Transcript struct {
	mu      sync.Mutex // guards text and changed
	text    []byte
	changed chan struct{} // closed, and replaced, with every write
}

// NewTranscript returns an empty one.
func NewTranscript() *Transcript { return &Transcript{changed: make(chan struct{})} }

// Write implements io.Writer. It never fails.
func (tr *Transcript) Write(p []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.text = append(tr.text, p...)
	close(tr.changed)
	tr.changed = make(chan struct{})
	return len(p), nil
}

// String returns all that was printed so far.
func (tr *Transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return string(tr.text)
}

// WaitFor returns the first match of pattern, with its groups, once it was printed. It
// fails when exited is closed first, or after Patience.
func (tr *Transcript) WaitFor(pattern *regexp.Regexp, exited <-chan struct{}) ([]string, error) {
	deadline := time.After(Patience)
	ended := false
	for {
		tr.mu.Lock()
		match, changed := pattern.FindSubmatch(tr.text), tr.changed
		tr.mu.Unlock()
		if match != nil {
			groups := make([]string, len(match))
			for i, g := range match {
				groups[i] = string(g)
			}
			return groups, nil
		}
		if ended {
			return nil, fmt.Errorf("it ended before it printed %s", pattern)
		}
		select {
		case <-changed:
		case <-exited: // with one more look at its last words
			ended = true
		case <-deadline:
			return nil, fmt.Errorf("it never printed %s", pattern)
		}
	}
}
