package metrics

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lines are log records that may be in the embedded metric format, on their way to be
// read in the background.
type lines struct {
	metrics *Metrics
	queue   chan line
	bytes   atomic.Int64 // in the queue
	reading sync.WaitGroup
	stop    chan struct{}
	once    sync.Once
}

type line struct {
	at              time.Time
	account, region string
	text            string
	seen            chan<- struct{} // closed instead of reading anything
}

// Bounds of the lines that wait.
const (
	maxLines     = 8192
	maxLineBytes = 16 << 20
)

func (l *lines) open(m *Metrics) {
	l.metrics, l.queue, l.stop = m, make(chan line, maxLines), make(chan struct{})
	l.reading.Go(l.run)
}

// close reads what waits and ends.
func (l *lines) close() {
	l.once.Do(func() { close(l.stop) })
	l.reading.Wait()
}

// mayBeEmbedded says whether a record can be in the embedded metric format: a JSON object
// with the member that makes it one. For most lines it looks at one byte. Of the member's
// name it looks for what begins with the rarest one.
func mayBeEmbedded(text string) bool {
	return len(text) > 0 && (text[0] == '{' || text[0] == ' ') && strings.Contains(text, `_aws"`)
}

// Embedded looks for metrics in a record that a client put into a log, as CloudWatch
// does. It doesn't wait: what comes too fast is dropped and counted.
func (m *Metrics) Embedded(at time.Time, account, region, text string) {
	if mayBeEmbedded(text) {
		m.lines.add(at, account, region, text)
	}
}

// add queues a line, or drops it.
func (l *lines) add(at time.Time, account, region, text string) {
	n := int64(len(text))
	if l.bytes.Add(n) > maxLineBytes {
		l.bytes.Add(-n)
		l.metrics.lost.Lines.Add(1)
		return
	}
	select {
	case l.queue <- line{at: at, account: account, region: region, text: strings.Clone(text)}:
	default:
		l.bytes.Add(-n)
		l.metrics.lost.Lines.Add(1)
	}
}

// drain returns when the lines that wait have been read.
func (l *lines) drain() {
	seen := make(chan struct{})
	select {
	case l.queue <- line{seen: seen}:
		<-seen
	case <-l.stop:
	}
}

func (l *lines) run() {
	for {
		select {
		case one := <-l.queue:
			l.read(one)
		case <-l.stop:
			for {
				select {
				case one := <-l.queue:
					l.read(one)
				default:
					return
				}
			}
		}
	}
}

// read puts the metrics of a line.
func (l *lines) read(one line) {
	if one.seen != nil {
		close(one.seen)
		return
	}
	l.bytes.Add(-int64(len(one.text)))
	batches, err := parseEmbedded([]byte(one.text), one.at)
	if err != nil {
		l.metrics.lost.Malformed.Add(1)
	}
	for _, b := range batches {
		l.metrics.put(one.account, one.region, b.namespace, b.data)
	}
}
