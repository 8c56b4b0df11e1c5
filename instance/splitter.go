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
}

// write takes the next piece of output and calls line for each record that is
// complete; at is zero unless the record says its own time.
func (s *splitter) write(p []byte, line func(at time.Time, text string)) {
	if len(s.rest) > 0 {
		s.rest = append(s.rest, p...)
		p = s.rest
	}
	kept := s.cut(p, line)
	if len(kept) == 0 {
		if cap(s.rest) > 64<<10 {
			s.rest = nil // don't keep a large buffer for the instance's whole life
		}
		s.rest = s.rest[:0]
		return
	}
	s.rest = append(s.rest[:0], kept...)
}

// cut calls line for the records in p and returns what is left of it.
func (s *splitter) cut(p []byte, line func(at time.Time, text string)) []byte {
	for len(p) > 0 {
		if len(p) >= len(frameMagic) && string(p[:len(frameMagic)]) == frameMagic {
			if len(p) < frameHeadBytes {
				return p
			}
			n := int(binary.BigEndian.Uint32(p[4:]))
			if n <= maxFramePayload {
				if len(p) < frameHeadBytes+n {
					return p
				}
				at := time.UnixMicro(int64(binary.BigEndian.Uint64(p[8:]))) //nolint:gosec // a time
				line(at, string(p[frameHeadBytes:frameHeadBytes+n]))
				p = p[frameHeadBytes+n:]
				continue
			}
			// Not ours: a program printed these four bytes. Take them as text.
		}
		end := bytes.IndexByte(p, '\n')
		from := 1 // a magic at the very start was looked at above
		limit := len(p)
		if end >= 0 {
			limit = end
		}
		if frame := indexFrame(p[:limit], from); frame >= 0 {
			line(time.Time{}, string(p[:frame]))
			p = p[frame:]
			continue
		}
		if end < 0 {
			if len(p) < maxLineBytes {
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

// indexFrame returns where, from an offset on, a frame's magic stands in p, or -1.
// The magic holds no line end, so it is whole within a line.
func indexFrame(p []byte, from int) int {
	if len(p) <= from {
		return -1
	}
	if i := bytes.Index(p[from:], []byte(frameMagic)); i >= 0 {
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
	s.rest = s.rest[:0]
	line(time.Time{}, text)
}

func isFrameStart(p []byte) bool {
	n := min(len(p), len(frameMagic))
	if string(p[:n]) != frameMagic[:n] {
		return false
	}
	return len(p) < 8 || int(binary.BigEndian.Uint32(p[4:])) <= maxFramePayload
}
