//go:build linux

package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestAnImageIsCopiedWithItsHoles(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "from"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // read from now on
	const size = 10 << 20
	want := make([]byte, size)
	copy(want[100:], "near the start")
	copy(want[4096*3:], "a block of its own")
	copy(want[size-5:], "ended")
	// Zeros that were written are no holes, but are left out as well.
	for _, at := range []int64{0, 4096 * 3, 1 << 20, size - 4096} {
		if _, err := f.WriteAt(want[at:at+4096], at); err != nil {
			t.Fatal(err)
		}
	}
	tmpl, err := readTemplate(f, size)
	if err != nil {
		t.Fatal(err)
	}
	bytesKept := 0
	for _, p := range tmpl.pieces {
		bytesKept += len(p.data)
	}
	if bytesKept != 3*4096 {
		t.Errorf("%d bytes are kept", bytesKept)
	}
	image, err := tmpl.write(filepath.Join(dir, "to"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close() // read from now on
	if got, err := os.ReadFile(image.Name()); !bytes.Equal(got, want) || err != nil {
		t.Errorf("%d bytes that differ, %v", len(got), err)
	}
	if _, err := tmpl.write(image.Name()); err == nil {
		t.Error("it wrote over a file")
	}
}

func TestWhatIsNoExt4HasNoFreeBytes(t *testing.T) {
	if n, err := freeBytes(bytes.NewReader(make([]byte, 4096))); err == nil {
		t.Errorf("%d", n)
	}
	if n, err := freeBytes(bytes.NewReader(nil)); err == nil {
		t.Errorf("%d", n)
	}
}
