package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// message makes a DNS message: a header with flags and counts, and what follows it.
func message(flags uint16, counts [4]uint16, rest string) []byte {
	m := binary.BigEndian.AppendUint16([]byte{0x12, 0x34}, flags)
	for _, c := range counts {
		m = binary.BigEndian.AppendUint16(m, c)
	}
	return append(m, rest...)
}

const (
	questionA    = "\x07example\x03com\x00\x00\x01\x00\x01"
	questionAXFR = "\x07example\x03com\x00\x00\xfc\x00\x01"
	edns         = "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
)

var queries = []struct {
	name    string
	message []byte
	want    error // nil: passed on
}{
	{"a question", message(flagRecursionDesired, [4]uint16{1}, questionA), nil},
	{"a question with EDNS", message(flagRecursionDesired, [4]uint16{1, 0, 0, 1}, questionA+edns), nil},
	{"a question for the root", message(0, [4]uint16{1}, "\x00\x00\x02\x00\x01"), nil},
	{"nothing", nil, errNotDNS},
	{"half a header", []byte("\x12\x34\x01\x00\x00\x01"), errNotDNS},
	{"an HTTP request", []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), refusal{rcodeNotImplemented}},
	{"an answer", message(flagResponse, [4]uint16{1}, questionA), errNotDNS},
	{"an update", message(5<<11, [4]uint16{1}, questionA), refusal{rcodeNotImplemented}},
	{"no question", message(0, [4]uint16{}, ""), refusal{rcodeFormatError}},
	{"two questions", message(0, [4]uint16{2}, questionA+questionA), refusal{rcodeFormatError}},
	{"a question and an answer", message(0, [4]uint16{1, 1}, questionA+edns), refusal{rcodeFormatError}},
	{"a question cut short", message(0, [4]uint16{1}, questionA[:len(questionA)-1]), refusal{rcodeFormatError}},
	{"a name cut short", message(0, [4]uint16{1}, "\x07exam"), refusal{rcodeFormatError}},
	{"a name that points", message(0, [4]uint16{1}, "\xc0\x0c\x00\x01\x00\x01"), refusal{rcodeFormatError}},
	{"a label of 64", message(0, [4]uint16{1}, "\x40"+strings.Repeat("a", 64)+"\x00\x00\x01\x00\x01"), refusal{rcodeFormatError}},
	{"a name of 256", message(0, [4]uint16{1}, strings.Repeat("\x3f"+strings.Repeat("a", 63), 4)+"\x00\x00\x01\x00\x01"), refusal{rcodeFormatError}},
	{"more than the message", message(0, [4]uint16{1}, questionA+"and more"), refusal{rcodeFormatError}},
	{"EDNS cut short", message(0, [4]uint16{1, 0, 0, 1}, questionA+edns[:8]), refusal{rcodeFormatError}},
	{"EDNS longer than the message", message(0, [4]uint16{1, 0, 0, 1}, questionA+edns[:10]+"\xff"), refusal{rcodeFormatError}},
	{"records that aren't there", message(0, [4]uint16{1, 0, 0, 65535}, questionA), refusal{rcodeFormatError}},
	{"a zone transfer", message(0, [4]uint16{1}, questionAXFR), refusal{rcodeRefused}},
}

func TestOnlyQueriesArePassedOn(t *testing.T) {
	for _, q := range queries {
		t.Run(q.name, func(t *testing.T) {
			got, err := parseQuery(q.message)
			if !errors.Is(err, q.want) {
				t.Fatalf("got %v, want %v", err, q.want)
			}
			if err != nil {
				return
			}
			if !bytes.Equal(got.message, q.message) || len(got.question) == 0 {
				t.Errorf("message %q, question %q", got.message, got.question)
			}
		})
	}
}

func TestAFailureAnswersItsQuery(t *testing.T) {
	for _, q := range queries {
		parsed, err := parseQuery(q.message)
		if err != nil {
			continue
		}
		answer := failure(q.message, rcodeServerFailure)
		if !parsed.answers(answer) {
			t.Errorf("%s: %q is no answer", q.name, answer)
		}
		if got := responseCode(answer); got != rcodeServerFailure {
			t.Errorf("%s: code %d", q.name, got)
		}
	}
}

func TestAnAnswerMustBeToTheQuery(t *testing.T) {
	q, err := parseQuery(message(flagRecursionDesired, [4]uint16{1}, questionA))
	if err != nil {
		t.Fatal(err)
	}
	right := message(flagResponse, [4]uint16{1}, questionA)
	otherID := append([]byte{0xff, 0xff}, right[2:]...)
	for _, c := range []struct {
		name    string
		message []byte
		want    bool
	}{
		{"the answer", right, true},
		{"in other letters", message(flagResponse, [4]uint16{1}, strings.ToUpper(questionA)), true},
		{"another ID", otherID, false},
		{"a query", q.message, false},
		{"another question", message(flagResponse, [4]uint16{1}, questionAXFR), false},
		{"cut short", right[:len(right)-1], false},
		{"a code without the question", message(flagResponse|uint16(rcodeFormatError), [4]uint16{}, ""), true},
		{"success without the question", message(flagResponse, [4]uint16{}, ""), false},
		{"nothing", nil, false},
	} {
		if got := q.answers(c.message); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func FuzzQuery(f *testing.F) {
	for _, q := range queries {
		f.Add(q.message)
	}
	f.Fuzz(func(t *testing.T, m []byte) {
		before := bytes.Clone(m)
		q, err := parseQuery(m)
		if !bytes.Equal(m, before) {
			t.Fatal("parseQuery changed the message")
		}
		var refused refusal
		switch {
		case errors.Is(err, errNotDNS):
			return
		case errors.As(err, &refused):
			if answer := failure(m, refused.code); responseCode(answer) != refused.code || answer[0] != m[0] || answer[1] != m[1] {
				t.Fatalf("refused with %q", answer)
			}
			return
		case err != nil:
			t.Fatalf("neither a refusal nor errNotDNS: %v", err)
		}
		// What is passed on is a query of one question, nothing but records behind it.
		if binary.BigEndian.Uint16(m[2:])&(flagResponse|flagOpcode) != 0 || !bytes.Equal(m[4:10], []byte{0, 1, 0, 0, 0, 0}) {
			t.Fatalf("passed on with header %x", m[:dnsHeaderLen])
		}
		if n := len(q.question); n < 5 || n > dnsNameMax+4 || !bytes.Equal(m[dnsHeaderLen:dnsHeaderLen+n], q.question) {
			t.Fatalf("question %q", q.question)
		}
		if q.answers(m) {
			t.Fatal("a query answers itself")
		}
		if !q.answers(failure(m, rcodeServerFailure)) {
			t.Fatal("its failure doesn't answer it")
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(message(flagResponse, [4]uint16{1}, questionA))
	q, err := parseQuery(message(flagRecursionDesired, [4]uint16{1}, questionA))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, m []byte) {
		if q.answers(m) && responseCode(m) == rcodeSuccess && !bytes.EqualFold(m[dnsHeaderLen:dnsHeaderLen+len(q.question)], q.question) {
			t.Fatalf("an answer to another question: %q", m)
		}
	})
}
