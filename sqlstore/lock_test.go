package sqlstore

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestADataDirectoryIsLockedOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	unlock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	// A lock belongs to an open file: a second one of this process conflicts as
	// another process's would.
	_, err = Lock(dir)
	if want := fmt.Sprintf("the data directory %s is in use by another wick (pid %d): stop it or choose another with --data-dir", dir, os.Getpid()); err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
	for range 2 {
		if err := unlock(); err != nil {
			t.Errorf("unlocking: %v", err)
		}
	}
	again, err := Lock(dir)
	if err != nil {
		t.Fatalf("locking again: %v", err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}

func TestALockThatCannotBeMadeSaysWhy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	if _, err := Lock(file); err == nil || err.Error() != fmt.Sprintf("the data directory %s can't be written (mkdir %s: not a directory): change its permissions or choose another with --data-dir", file, file) {
		t.Errorf("error %v", err)
	}
}
