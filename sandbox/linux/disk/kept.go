//go:build linux

package disk

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
)

// The template of the usual size is kept from one run to the next: making it, which takes
// mkfs.ext4 some times, is most of what a server's first sandbox would wait for.

// keptTemplate is a template in its file, behind a checksum of the rest.
type keptTemplate struct {
	Made   string // how; another way makes another template
	Size   int64
	Pieces []keptPiece
}

type keptPiece struct {
	At   int64
	Data []byte
}

// madeBy names how templates are made now.
func madeBy(sizeMB int) string {
	return fmt.Sprintf("1 %d %d %s", sizeMB, bytesPerInode, features)
}

func keptPath(dir string, sizeMB int) string {
	return filepath.Join(dir, "template-"+strconv.Itoa(sizeMB))
}

// keep writes a template to its file. It is there whole or not at all.
func (t *template) keep(dir string, sizeMB int) (err error) {
	k := keptTemplate{Made: madeBy(sizeMB), Size: t.size}
	for _, p := range t.pieces {
		k.Pieces = append(k.Pieces, keptPiece{p.at, p.data})
	}
	var text bytes.Buffer
	if err := gob.NewEncoder(&text).Encode(k); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "tmp*.kept") // swept when it is left behind
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = fmt.Fprintf(f, "%08x", crc32.ChecksumIEEE(text.Bytes()))
	if err == nil {
		_, err = f.Write(text.Bytes())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), keptPath(dir, sizeMB))
}

// kept reads what keep wrote; nil when there is none, or none that is made as now.
func kept(dir string, sizeMB int) *template {
	text, err := os.ReadFile(keptPath(dir, sizeMB))
	if err != nil {
		return nil
	}
	return parseKept(text, sizeMB)
}

func parseKept(text []byte, sizeMB int) *template {
	const sum = 8
	if len(text) < sum || fmt.Sprintf("%08x", crc32.ChecksumIEEE(text[sum:])) != string(text[:sum]) {
		return nil
	}
	var k keptTemplate
	if gob.NewDecoder(bytes.NewReader(text[sum:])).Decode(&k) != nil || k.Made != madeBy(sizeMB) {
		return nil
	}
	t := &template{size: k.Size}
	for _, p := range k.Pieces {
		if p.At < 0 || p.At > k.Size-int64(len(p.Data)) {
			return nil
		}
		t.pieces = append(t.pieces, piece{p.At, p.Data})
	}
	return t
}
