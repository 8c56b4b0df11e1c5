package main

import (
	"testing"
	"time"
)

func TestAnAgeHasDaysAndWeeks(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "1.5d": 36 * time.Hour, "1w": 7 * 24 * time.Hour, "0": 0,
		"yesterday": -1, "-5m": -1, "-1d": -1, "d": -1, "NaNd": -1, "1e9d": -1, "": -1,
	} {
		var a age
		if err := a.Set(text); (err != nil) != (want < 0) {
			t.Errorf("%q: %v", text, err)
		} else if err == nil && time.Duration(a) != want {
			t.Errorf("%q is %s, want %s", text, a.String(), want)
		}
	}
	if a := age(time.Hour); a.String() != "1h" {
		t.Errorf("an hour is %s", a.String())
	}
	if a := age(90 * time.Second); a.String() != "1m30s" {
		t.Errorf("a minute and a half is %s", a.String())
	}
}

func TestSizesAreReadable(t *testing.T) {
	for n, want := range map[int64]string{
		12: "12 B", 1536: "1.5 KB", 64 << 10: "64 KB", 3 << 19: "1.5 MB", 512 << 20: "512 MB", 10_239 << 20: "10239 MB", 20 << 30: "20 GB",
	} {
		if got := bytesText(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
