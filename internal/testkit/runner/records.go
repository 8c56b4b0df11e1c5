package runner

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"strings"
	"sync"
)

// Record is one log record: a frame's text, or a line.
type Record struct {
	Framed bool
	Text   string
}

// logs collects a process's output.
type logs struct {
	done chan struct{}

	mu      sync.Mutex // guards records
	records []Record
}

func (l *logs) all() []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Record(nil), l.records...)
}

// read cuts output into records until the last writer is gone.
func (l *logs) read(r *os.File) {
	defer close(l.done)
	defer r.Close() //nolint:errcheck // only read
	br := bufio.NewReaderSize(r, 1<<20)
	for {
		rec, ok := readRecord(br)
		if !ok {
			return
		}
		l.mu.Lock()
		l.records = append(l.records, rec)
		l.mu.Unlock()
	}
}

// readRecord reads a frame as instance knows them (16 bytes of head: a magic number that
// begins with a5 5a, then the length) or a line.
func readRecord(br *bufio.Reader) (rec Record, ok bool) {
	const headBytes = 16
	head, _ := br.Peek(headBytes) // what is shorter is a line
	if len(head) == headBytes && head[0] == 0xa5 && head[1] == 0x5a {
		payload := make([]byte, binary.BigEndian.Uint32(head[4:]))
		_, _ = br.Discard(headBytes) // it has been peeked
		_, err := io.ReadFull(br, payload)
		return Record{Framed: true, Text: string(payload)}, err == nil
	}
	line, err := br.ReadString('\n')
	if err != nil && line == "" {
		return Record{}, false
	}
	return Record{Text: strings.TrimSuffix(line, "\n")}, true
}
