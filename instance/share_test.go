package instance

import (
	"testing"
	"time"
)

func TestWhatAThreadWantedOfTheCPUIsRead(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1178546 9270532 3\n": 10449078, "5 0 1": 5, "": 0, "x 1 2": 0, "-1 5 2": 0,
	} {
		if got := parseSchedstat([]byte(text)); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func FuzzWhatAThreadWantedOfTheCPU(f *testing.F) {
	f.Add([]byte("1178546 9270532 3\n"))
	f.Fuzz(func(_ *testing.T, text []byte) { parseSchedstat(text) })
}
