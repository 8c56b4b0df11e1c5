//go:build !linux

package install

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// syncAll puts a folder's files on stable storage.
func syncAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
