package wick

import "testing"

func TestATraceparentIsTheSameTrace(t *testing.T) {
	const trace, parent = "6a1f0c3e0b5174261f6e9f6bc05b8672", "53995c3f42cd8ad8"
	const same = "Root=1-6a1f0c3e-0b5174261f6e9f6bc05b8672;Parent=53995c3f42cd8ad8;Sampled="
	for _, c := range []struct{ given, want string }{
		{"00-" + trace + "-" + parent + "-01", same + "1"},
		{"00-" + trace + "-" + parent + "-00", same + "0"},
		{"00-" + trace + "-" + parent + "-02", same + "0"},
		{"00-" + trace + "-" + parent + "-ff", same + "1"},
		{"cc-" + trace + "-" + parent + "-01-what-the-future-brings", same + "1"},
		{"cc-" + trace + "-" + parent + "-01.what", ""},
		{"00-" + trace + "-" + parent + "-01-more", ""},
		{"ff-" + trace + "-" + parent + "-01", ""},
		{"00-6A1F0C3E0b5174261f6e9f6bc05b8672-" + parent + "-01", ""},
		{"00-00000000000000000000000000000000-" + parent + "-01", ""},
		{"00-" + trace + "-0000000000000000-01", ""},
		{"00-" + trace + "-" + parent + "-0g", ""},
		{"00-" + trace + "-" + parent, ""},
		{"00_" + trace + "-" + parent + "-01", ""},
		{"", ""},
	} {
		got, ok := FromTraceparent(c.given)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%q became %q, %t; want %q", c.given, got, ok, c.want)
		}
	}
}

func FuzzATraceparentBecomesAHeaderThatCanBeRead(f *testing.F) {
	f.Add("00-6a1f0c3e0b5174261f6e9f6bc05b8672-53995c3f42cd8ad8-01")
	f.Fuzz(func(t *testing.T, given string) {
		header, ok := FromTraceparent(given)
		if !ok {
			return
		}
		if h := ParseTraceHeader(header); !ValidTraceID(h.Root) || !ValidSegmentID(h.Parent) || h.Rest != "" {
			t.Errorf("%q became %q", given, header)
		}
	})
}
