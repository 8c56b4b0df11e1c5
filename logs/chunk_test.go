package logs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

func testCodec(t testing.TB) *codec {
	t.Helper()
	k, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAChunkDecodesToWhatWasWritten(t *testing.T) {
	k := testCodec(t)
	type written struct {
		millis  int64
		request string
		text    string
	}
	var records []written
	c := &chunk{first: position{1_800_000_000_000, 7}, oldest: 1_800_000_000_000, ingested: 1_800_000_000_005}
	for i := range 1000 {
		w := written{c.first.millis + int64(i*i%17), "", fmt.Sprint("text ", i)}
		if i%3 > 0 {
			w.request = fmt.Sprint("request-", i/7%20)
		}
		if i == 500 {
			w.text = string(bytes.Repeat([]byte{0, 0xff}, 100_000))
		}
		if i == 501 {
			w.text = ""
		}
		records = append(records, w)
		c.append(w.millis, w.request, []byte(w.text))
	}
	data := k.encode(c)
	raw, first, ingested, err := k.decode(data)
	if err != nil || first != c.first.millis || ingested != c.ingested {
		t.Fatalf("decoded to %d, %d, %v", first, ingested, err)
	}
	i := 0
	if err := eachRecord(raw, first, func(r record) {
		if w := records[i]; r.millis != w.millis || string(r.request) != w.request || string(r.message) != w.text {
			t.Fatalf("record %d is %+v, want %+v", i, r, w)
		}
		i++
	}); err != nil || i != len(records) {
		t.Fatalf("%d records, %v", i, err)
	}
	ids := c.requestIDs()
	if len(ids) != 20 || !slices.IsSorted(ids) {
		t.Errorf("%d request IDs: %v", len(ids), ids)
	}
	if c.records != len(records) || c.oldest != c.first.millis || c.newest != c.first.millis+16 {
		t.Errorf("%d records from %d to %d", c.records, c.oldest, c.newest)
	}
}

func TestBrokenDataIsRefused(t *testing.T) {
	k := testCodec(t)
	c := &chunk{first: position{1000, 0}}
	c.append(1000, "request", []byte("text"))
	good := k.encode(c)
	for name, data := range map[string][]byte{
		"nothing":             nil,
		"a version to come":   append([]byte{2}, good[1:]...),
		"cut in the header":   good[:2],
		"cut in the text":     good[:len(good)-3],
		"no zstd frame":       append(slices.Clone(good[:5]), "abcdefghijk"...),
		"a changed byte":      append(slices.Clone(good[:len(good)-1]), good[len(good)-1]^0xff),
		"nothing but version": {1},
	} {
		if _, _, _, err := k.decode(data); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodingBrokenDataFailsWell(f *testing.F) {
	k := testCodec(f)
	c := &chunk{first: position{1000, 0}}
	c.append(1000, "request", []byte("text"))
	c.append(1001, "request", []byte("more"))
	f.Add(k.encode(c))
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if raw, first, _, err := k.decode(data); err == nil {
			_ = eachRecord(raw, first, func(record) {}) // any error will do, a panic won't
		}
	})
}

func FuzzRecordsOfAnyBytes(f *testing.F) {
	c := &chunk{first: position{1000, 0}}
	c.append(1000, "request", []byte("text"))
	c.append(1001, "other", []byte("more"))
	f.Add(c.raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		n := 0
		if err := eachRecord(raw, 0, func(r record) { n += len(r.message) }); n > len(raw) {
			t.Errorf("%d bytes of text from %d, %v", n, len(raw), err)
		}
	})
}
