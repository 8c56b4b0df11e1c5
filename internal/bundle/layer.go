package bundle

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
)

// Layer is the content of a layer's version.
type Layer struct {
	Zip        []byte
	CodeSHA256 string // base64, as CodeSha256 in AWS's answers
}

// MakeLayer zips the folder dir, whose files are to be in /opt as they are in it, or takes
// the zip of that name. Equal folders give equal bytes.
func MakeLayer(dir string) (*Layer, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	var l Layer
	if info.IsDir() {
		l.Zip, err = zipFolder(dir)
	} else {
		l.Zip, err = readZip(dir)
	}
	if err != nil {
		return nil, err
	}
	if len(l.Zip) > MaxZipBytes {
		return nil, fmt.Errorf("the layer %s is %d MB zipped and the limit is %d MB", dir, len(l.Zip)>>20, MaxZipBytes>>20)
	}
	sum := sha256.Sum256(l.Zip)
	l.CodeSHA256 = base64.StdEncoding.EncodeToString(sum[:])
	return &l, nil
}

func zipFolder(dir string) ([]byte, error) {
	files, err := collect(dir)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no files for a layer", dir)
	}
	zipped, _, err := archive(files)
	return zipped, err
}

func readZip(name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if _, err := zip.NewReader(bytes.NewReader(data), int64(len(data))); err != nil {
		return nil, fmt.Errorf("%s is neither a folder nor a zip file: %w", name, err)
	}
	return data, nil
}
