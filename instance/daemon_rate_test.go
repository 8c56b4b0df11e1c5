package instance

import (
	"testing"
	"time"
)

func TestDatagramsAreBoundedByTheSecond(t *testing.T) {
	for name, c := range map[string]struct{ size, most int }{
		"many":  {1, maxDatagramsPerSecond},
		"large": {60_000, maxDatagramBytesPerSecond / 60_000},
	} {
		t.Run(name, func(t *testing.T) {
			var r datagramRate
			now := time.Now()
			for second := range 3 {
				taken := 0
				for n := range 2 * c.most { // all of them in half a second
					if r.takes(c.size, now.Add(time.Duration(n)*time.Second/time.Duration(4*c.most))) {
						taken++
					}
				}
				if taken != c.most {
					t.Errorf("in second %d it takes %d, not %d", second, taken, c.most)
				}
				now = now.Add(time.Second)
			}
		})
	}
}
