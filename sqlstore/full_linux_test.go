package sqlstore

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wick-run/wick/internal/testkit/storetest"
)

func TestAFullDiskRefusesAndGoesOnWhenThereIsSpace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts a small tmpfs")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("needs the right to mount a tmpfs: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s := openAt(t, filepath.Join(dir, "wick.db"))
	create := func(name string, bytes int) error {
		f := storetest.NewFunction(name)
		f.Description = strings.Repeat("d", bytes)
		return s.CreateFunction(t.Context(), f)
	}
	if err := create("before", 10); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			break // the disk is full
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	checkFull(t, s, create)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := create("after", 100_000); err != nil {
		t.Errorf("with space again: %v", err)
	}
}
