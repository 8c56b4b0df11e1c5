package instance

import (
	"bytes"
	"encoding/binary"
	"time"
)

// A frame is a log record that the bootstraps write into the same pipe as plain
// output: magic, payload length, microseconds since the epoch, payload; numbers are
// big-endian. It keeps records of several lines whole and their time exact.
const (
	frameMagic      = "\xa5\x5a\x00\x03"
	frameHeadBytes  = 16
	maxFramePayload = 8 << 20
	// maxLineBytes is where a line without an end is cut, to bound what is kept.
	// Source: CloudWatch Logs quotas, log event size.
	maxLineBytes = 1 << 20
)

// splitter cuts a process's output into records: frames, and lines between them.
type splitter struct {
	rest []byte // a line or a frame that hasn't ended yet
	// seen is how much of rest is known to hold neither a line's end nor a frame's
	// beginning, so that a long line that comes in small pieces is looked at once.
	seen int
}

// write takes the next piece of output and calls line for each record that is
// complete; at is zero unless the record says its own time.
func (s *splitter) write(p []byte, line func(at time.Time, text string)) {
	if len(s.rest) > 0 {
		s.rest = append(s.rest, p...)
		p = s.rest
	}
	kept := s.cut(p, line)
	switch {
	case len(kept) == 0:
		s.reset()
	case len(kept) == len(s.rest): // nothing was cut off
	default:
		s.rest = append(s.rest[:0], kept...)
	}
}

// reset forgets what was kept.
func (s *splitter) reset() {
	s.seen = 0
	if cap(s.rest) > maxKeptBuffer {
		s.rest = nil
	}
	s.rest = s.rest[:0]
}

// cut calls line for the records in p and returns what is left of it.
func (s *splitter) cut(p []byte, line func(at time.Time, text string)) []byte {
	for ; len(p) > 0; s.seen = 0 {
		if len(p) >= len(frameMagic) && string(p[:len(frameMagic)]) == frameMagic {
			if len(p) < frameHeadBytes {
				return p
			}
			n := int(binary.BigEndian.Uint32(p[4:]))
			if n <= maxFramePayload {
				if len(p) < frameHeadBytes+n {
					return p
				}
				line(frameTime(p), string(p[frameHeadBytes:frameHeadBytes+n]))
				p = p[frameHeadBytes+n:]
				continue
			}
			// Not ours: a program printed these four bytes. Take them as text.
		}
		from := max(s.seen, 1) // a magic at the very start was looked at above
		end := indexFrom(p, from-1, "\n")
		limit := len(p)
		if end >= 0 {
			limit = end
		}
		if frame := indexFrom(p[:limit], from, frameMagic); frame >= 0 {
			line(time.Time{}, string(p[:frame]))
			p = p[frame:]
			continue
		}
		if end < 0 {
			if len(p) < maxLineBytes {
				s.seen = max(len(p)-len(frameMagic)+1, 0) // a magic may have begun
				return p
			}
			line(time.Time{}, string(p[:maxLineBytes]))
			p = p[maxLineBytes:]
			continue
		}
		line(time.Time{}, string(p[:end]))
		p = p[end+1:]
	}
	return nil
}

func frameTime(head []byte) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(head[8:]))) //nolint:gosec // a time
}

// indexFrom returns where, from an offset on, what stands in p, or -1.
func indexFrom(p []byte, from int, what string) int {
	if len(p) <= from {
		return -1
	}
	if i := bytes.Index(p[from:], []byte(what)); i >= 0 {
		return from + i
	}
	return -1
}

// flush ends an open line. A frame that was cut off is kept: its rest may follow.
func (s *splitter) flush(line func(at time.Time, text string)) {
	if len(s.rest) == 0 || isFrameStart(s.rest) {
		return
	}
	text := string(s.rest)
	s.reset()
	line(time.Time{}, text)
}

// end ends an open line or frame: whoever wrote it is gone.
func (s *splitter) end(line func(at time.Time, text string)) {
	s.flush(line)
	if rest := s.rest; len(rest) > frameHeadBytes {
		line(frameTime(rest), string(rest[frameHeadBytes:]))
	}
	s.reset()
}

func isFrameStart(p []byte) bool {
	n := min(len(p), len(frameMagic))
	if string(p[:n]) != frameMagic[:n] {
		return false
	}
	return len(p) < 8 || int(binary.BigEndian.Uint32(p[4:])) <= maxFramePayload
}
