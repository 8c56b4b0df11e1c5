//go:build linux

package fdtable_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/wick-run/wick/internal/fdtable"
)

func TestThereIsRoomForManyFiles(t *testing.T) {
	if err := fdtable.Reserve(); err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "FDSize:")
	line, _, _ := strings.Cut(rest, "\n")
	room, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the kernel doesn't say how much room there is: %v", err)
	}
	if room < 1024 {
		t.Errorf("there is room for %d", room)
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range open {
		if n, err := strconv.Atoi(f.Name()); err != nil || n >= 1000 {
			t.Errorf("file %s is still open", f.Name())
		}
	}
	if err := fdtable.Reserve(); err != nil {
		t.Error("a second time: ", err)
	}
}
