package main

import "testing"

func TestMemoryIsGivenBackOnceWhenABurstIsOver(t *testing.T) {
	of := thrift{last: heap{0, 30 << 20}, least: 30 << 20}
	for _, c := range []struct {
		what string
		now  heap
		want bool
	}{
		{"nothing happens", heap{1 << 20, 31 << 20}, false},
		{"a burst", heap{500 << 20, 130 << 20}, false},
		{"it goes on", heap{900 << 20, 170 << 20}, false},
		{"it is over", heap{901 << 20, 170 << 20}, true},
	} {
		if got := of.worthwhile(c.now); got != c.want {
			t.Fatalf("%s: %t", c.what, got)
		}
	}
	of.least = 90 << 20 // what is left then
	for _, c := range []struct {
		what string
		now  heap
		want bool
	}{
		{"nothing happens", heap{902 << 20, 91 << 20}, false},
		{"a little happens", heap{950 << 20, 101 << 20}, false},
		{"nothing happens any more", heap{951 << 20, 101 << 20}, false},
		{"instances go", heap{960 << 20, 60 << 20}, false},
		{"others come", heap{990 << 20, 80 << 20}, false},
		{"those stay", heap{991 << 20, 80 << 20}, true},
	} {
		if got := of.worthwhile(c.now); got != c.want {
			t.Errorf("%s: %t", c.what, got)
		}
	}
}

func TestWhatGoHasOfMemoryIsKnown(t *testing.T) {
	before := readHeap()
	taken := make([]byte, 32<<20)
	after := readHeap()
	if after.allocated-before.allocated < uint64(len(taken)) || after.kept < uint64(len(taken)) {
		t.Errorf("from %+v to %+v by %d bytes", before, after, len(taken))
	}
}
