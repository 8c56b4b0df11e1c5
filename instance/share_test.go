package instance

import (
	"testing"
	"time"
)

func TestWhatAThreadWantedOfTheCPUIsRead(t *testing.T) {
	for text, want := range map[string][2]time.Duration{
		"1178546 9270532 3\n": {1178546, 9270532}, "5 0 1": {5, 0}, "": {}, "x 1 2": {}, "-1 5 2": {}, "1 -5 2": {},
	} {
		if ran, waited := parseSchedstat([]byte(text)); ran != want[0] || waited != want[1] {
			t.Errorf("%q: %d, %d", text, ran, waited)
		}
	}
}

func FuzzWhatAThreadWantedOfTheCPU(f *testing.F) {
	f.Add([]byte("1178546 9270532 3\n"))
	f.Fuzz(func(_ *testing.T, text []byte) { parseSchedstat(text) })
}
