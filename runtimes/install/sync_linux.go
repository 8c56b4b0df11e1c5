package install

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncAll puts all that was written to a folder's file system on stable storage.
func syncAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}
