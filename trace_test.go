package wick

import "testing"

func TestATraceHeaderIsTakenApartAndPutTogether(t *testing.T) {
	for _, c := range []struct{ header, again string }{
		{"Root=1-6a1f0c3e-0b5174261f6e9f6bc05b8672;Parent=53995c3f42cd8ad8;Sampled=1", ""},
		{"Root=1-6a1f0c3e-0b5174261f6e9f6bc05b8672;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:a87bd80c:0", ""},
		{"Sampled=?; Root=1-6a1f0c3e-0b5174261f6e9f6bc05b8672", "Root=1-6a1f0c3e-0b5174261f6e9f6bc05b8672;Sampled=?"},
		{"Self=1-x;Root=r;Lineage=a:1;Custom=2", "Root=r;Lineage=a:1;Custom=2"},
		{"", ""},
		{";;", ""},
	} {
		want := c.again
		if want == "" && c.header != ";;" {
			want = c.header
		}
		if got := ParseTraceHeader(c.header).String(); got != want {
			t.Errorf("%q became %q, want %q", c.header, got, want)
		}
	}
}

func TestOnlyASampledHeaderOfTheRightFormIsRecorded(t *testing.T) {
	const root, parent = "1-6a1f0c3e-0b5174261f6e9f6bc05b8672", "53995c3f42cd8ad8"
	for _, c := range []struct {
		header string
		want   bool
	}{
		{"Root=" + root + ";Parent=" + parent + ";Sampled=1", true},
		{"Root=" + root + ";Parent=" + parent + ";Sampled=1;Lineage=1:a:0", true},
		{"Root=" + root + ";Parent=" + parent + ";Sampled=0", false},
		{"Root=" + root + ";Parent=" + parent + ";Sampled=10", false},
		{"Root=" + root + ";Parent=" + parent, false},
		{"Root=" + root + ";Sampled=1", false},
		{"Root=2-" + root[2:] + ";Parent=" + parent + ";Sampled=1", false},
		{"Root=" + root[:34] + "g;Parent=" + parent + ";Sampled=1", false},
		{"Root=" + root + "0;Parent=" + parent + ";Sampled=1", false},
		{"Root=" + root + ";Parent=" + parent[1:] + ";Sampled=1", false},
		{"", false},
	} {
		trace, segment, ok := SampledSegment(c.header)
		if ok != c.want || ok && (trace != root || segment != parent) || !ok && (trace != "" || segment != "") {
			t.Errorf("%q: %q, %q, %t", c.header, trace, segment, ok)
		}
	}
}

func TestLookingAtAHeaderThatIsNotSampledAllocatesNothing(t *testing.T) {
	header := "Root=1-6a1f0c3e-0b5174261f6e9f6bc05b8672;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:a87bd80c:0"
	if n := testing.AllocsPerRun(100, func() { SampledSegment(header) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRelatedSegmentsHaveTheirOwnIDs(t *testing.T) {
	a, b := RelatedSegmentID("53995c3f42cd8ad8", "Invocation"), RelatedSegmentID("53995c3f42cd8ad8", "Overhead")
	if !ValidSegmentID(a) || !ValidSegmentID(b) || a == b || a != RelatedSegmentID("53995c3f42cd8ad8", "Invocation") {
		t.Errorf("%s and %s", a, b)
	}
}
