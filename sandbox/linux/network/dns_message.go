package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Parts of a DNS message. Source: RFC 1035, section 4.
const (
	dnsHeaderLen = 12
	dnsNameMax   = 255
	dnsLabelMax  = 63

	flagResponse           = 1 << 15
	flagRecursionDesired   = 1 << 8
	flagRecursionAvailable = 1 << 7
	flagOpcode             = 0xf << 11
	flagRcode              = 0xf

	typeIXFR = 251
	typeAXFR = 252
)

// rcode is a DNS response code.
type rcode uint16

// Response codes. Source: RFC 1035, section 4.1.1.
const (
	rcodeSuccess        rcode = 0
	rcodeFormatError    rcode = 1
	rcodeServerFailure  rcode = 2
	rcodeNotImplemented rcode = 4
	rcodeRefused        rcode = 5
)

// errNotDNS: bytes that aren't a DNS query at all and deserve no answer.
var errNotDNS = errors.New("not a DNS query")

// refusal is why a query isn't passed on, as its answer says it.
type refusal struct{ code rcode }

func (r refusal) Error() string { return fmt.Sprintf("DNS query refused with code %d", r.code) }

// query is a DNS message that may be passed on to a resolver.
type query struct {
	message  []byte
	question []byte // its part of message: name, type and class
}

// parseQuery checks that a message from a sandbox is a query and nothing else: one
// question, no answers, and no byte that doesn't belong to it, so that a relay of
// queries is of no use for talking to anything but a resolver. It fails with
// errNotDNS or a refusal.
func parseQuery(m []byte) (query, error) {
	if len(m) < dnsHeaderLen {
		return query{}, errNotDNS
	}
	flags := binary.BigEndian.Uint16(m[2:])
	if flags&flagResponse != 0 {
		return query{}, errNotDNS // answering answers would make a loop
	}
	if flags&flagOpcode != 0 {
		return query{}, refusal{rcodeNotImplemented} // NOTIFY, UPDATE, …
	}
	questions, answers := binary.BigEndian.Uint16(m[4:]), binary.BigEndian.Uint16(m[6:])
	authority, additional := binary.BigEndian.Uint16(m[8:]), binary.BigEndian.Uint16(m[10:])
	if questions != 1 || answers != 0 || authority != 0 {
		return query{}, refusal{rcodeFormatError}
	}
	end, ok := skipName(m, dnsHeaderLen, false)
	if !ok || end+4 > len(m) {
		return query{}, refusal{rcodeFormatError}
	}
	kind := binary.BigEndian.Uint16(m[end:])
	end += 4
	q := query{message: m, question: m[dnsHeaderLen:end]}
	for range additional { // EDNS, TSIG
		if end, ok = skipRecord(m, end); !ok {
			return query{}, refusal{rcodeFormatError}
		}
	}
	if end != len(m) {
		return query{}, refusal{rcodeFormatError}
	}
	if kind == typeAXFR || kind == typeIXFR {
		return query{}, refusal{rcodeRefused} // zone transfers aren't for resolvers
	}
	return q, nil
}

// skipName returns where the name at offset ends. A question's name is the first in
// its message, so there is nothing a compression pointer in it could point to.
func skipName(m []byte, offset int, pointers bool) (end int, ok bool) {
	length := 1
	for offset < len(m) {
		switch c := m[offset]; {
		case c == 0:
			return offset + 1, true
		case c <= dnsLabelMax:
			offset += 1 + int(c)
			if length += 1 + int(c); length > dnsNameMax {
				return 0, false
			}
		case c >= 0xc0 && pointers && offset+2 <= len(m):
			return offset + 2, true
		default:
			return 0, false
		}
	}
	return 0, false
}

// skipRecord returns where the resource record at offset ends.
func skipRecord(m []byte, offset int) (end int, ok bool) {
	offset, ok = skipName(m, offset, true)
	if !ok || offset+10 > len(m) {
		return 0, false
	}
	end = offset + 10 + int(binary.BigEndian.Uint16(m[offset+8:]))
	return end, end <= len(m)
}

// answers reports whether m is an answer to q.
func (q query) answers(m []byte) bool {
	if len(m) < dnsHeaderLen || m[0] != q.message[0] || m[1] != q.message[1] {
		return false
	}
	flags := binary.BigEndian.Uint16(m[2:])
	if flags&flagResponse == 0 || flags&flagOpcode != 0 {
		return false
	}
	if binary.BigEndian.Uint16(m[4:]) == 0 {
		return responseCode(m) != rcodeSuccess // some servers don't repeat what they can't answer
	}
	end := dnsHeaderLen + len(q.question)
	return len(m) >= end && bytes.EqualFold(m[dnsHeaderLen:end], q.question)
}

// responseCode returns the code of an answer that has a header.
func responseCode(m []byte) rcode { return rcode(binary.BigEndian.Uint16(m[2:]) & flagRcode) }

// failure makes the answer to a query that says only a code. The query must have a
// header; its question is repeated if it can be read.
func failure(message []byte, code rcode) []byte {
	flags := binary.BigEndian.Uint16(message[2:])&(flagOpcode|flagRecursionDesired) | flagResponse | flagRecursionAvailable | uint16(code)
	answer := make([]byte, dnsHeaderLen, dnsHeaderLen+dnsNameMax+4)
	copy(answer, message[:2])
	binary.BigEndian.PutUint16(answer[2:], flags)
	if binary.BigEndian.Uint16(message[4:]) == 0 {
		return answer
	}
	if end, ok := skipName(message, dnsHeaderLen, false); ok && end+4 <= len(message) {
		binary.BigEndian.PutUint16(answer[4:], 1)
		answer = append(answer, message[dnsHeaderLen:end+4]...)
	}
	return answer
}
