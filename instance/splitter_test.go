package instance

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"
)

func frame(at time.Time, text string) string {
	var b []byte
	b = append(b, frameMagic...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMicro()))
	return string(b) + text
}

type record struct {
	at   time.Time
	text string
}

func split(pieces ...string) []record {
	var s splitter
	var got []record
	line := func(at time.Time, text string) { got = append(got, record{at, text}) }
	for _, p := range pieces {
		s.write([]byte(p), line)
	}
	s.flush(line)
	return got
}

func TestOutputIsCutIntoLinesAndFramesWhereverItIsTorn(t *testing.T) {
	at := time.UnixMicro(1_700_000_000_123_456)
	whole := "plain\n" + frame(at, "two\nlines") + "\nopen" + frame(at, "") + "é\xa5\x5a no frame\n" +
		strings.Repeat("long", 100) + "\n" + frame(at, strings.Repeat("x", 5000)) + "end"
	want := []record{
		{time.Time{}, "plain"},
		{at, "two\nlines"},
		{time.Time{}, ""},
		{time.Time{}, "open"},
		{at, ""},
		{time.Time{}, "é\xa5\x5a no frame"},
		{time.Time{}, strings.Repeat("long", 100)},
		{at, strings.Repeat("x", 5000)},
		{time.Time{}, "end"},
	}
	same := func(a, b record) bool { return a.text == b.text && a.at.Equal(b.at) }
	if got := split(whole); !slices.EqualFunc(got, want, same) {
		t.Fatalf("in one piece: %+v", got)
	}
	for cut := 1; cut < len(whole); cut++ {
		if got := split(whole[:cut], whole[cut:]); !slices.EqualFunc(got, want, same) {
			t.Fatalf("torn at %d: %+v", cut, got)
		}
	}
	if got := split(strings.Split(whole, "")...); !slices.EqualFunc(got, want, same) {
		t.Fatalf("byte by byte: %+v", got)
	}
}

func TestALineWithoutAnEndIsCutAtTheLimit(t *testing.T) {
	got := split(strings.Repeat("a", maxLineBytes+10) + "\nnext\n")
	if len(got) != 2 || len(got[0].text) != maxLineBytes+10 {
		// A line that has its end is one record, whatever its length: the log decides.
		t.Fatalf("%d records, the first of %d bytes", len(got), len(got[0].text))
	}
	got = split(strings.Repeat("a", maxLineBytes+10))
	if len(got) != 2 || len(got[0].text) != maxLineBytes || len(got[1].text) != 10 {
		t.Fatalf("%d records, the first of %d bytes", len(got), len(got[0].text))
	}
}

func TestAFrameThatClaimsTooMuchIsText(t *testing.T) {
	var b []byte
	b = append(b, frameMagic...)
	b = binary.BigEndian.AppendUint32(b, maxFramePayload+1)
	text := string(b) + "12345678rest"
	got := split(text + "\nnext\n")
	if len(got) != 2 || got[0].text != text || got[1].text != "next" {
		t.Fatalf("%+v", got)
	}
}

func FuzzSplitter(f *testing.F) {
	f.Add([]byte("a\nb"), 1)
	f.Add([]byte(frame(time.UnixMicro(1), "x")+"y\n"), 3)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if cut < 0 || cut > len(data) {
			cut = len(data) / 2
		}
		var kept int
		var s splitter
		line := func(_ time.Time, text string) { kept += len(text) }
		s.write(data[:cut], line)
		s.write(data[cut:], line)
		s.flush(line)
		if kept+len(s.rest) > len(data) {
			t.Fatalf("%d bytes came out of %d", kept+len(s.rest), len(data))
		}
	})
}

func BenchmarkLongLineInSmallPieces(b *testing.B) {
	line := func(time.Time, string) {}
	for b.Loop() {
		var s splitter
		for range maxLineBytes / 64 {
			s.write([]byte("0123456789012345678901234567890123456789012345678901234567890123"), line)
		}
	}
}
