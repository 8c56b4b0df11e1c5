//go:build linux

package disk

import (
	"bytes"
	"os"
	"reflect"
	"testing"
)

func TestATemplateIsKeptForTheNextRun(t *testing.T) {
	dir := t.TempDir()
	if kept(dir, AheadMB) != nil {
		t.Error("there is one before any was made")
	}
	made := &template{size: 1 << 20, pieces: []piece{{1024, []byte("superblock")}, {1<<20 - 3, []byte("end")}}}
	if err := made.keep(dir, AheadMB); err != nil {
		t.Fatal(err)
	}
	if got := kept(dir, AheadMB); !reflect.DeepEqual(got, made) {
		t.Errorf("it is %+v", got)
	}
	text, err := os.ReadFile(keptPath(dir, AheadMB))
	if err != nil {
		t.Fatal(err)
	}
	for what, other := range map[string][]byte{
		"cut short": text[:len(text)-1], "empty": {}, "with a bit turned": append(bytes.Clone(text[:len(text)-1]), text[len(text)-1]^1),
	} {
		if parseKept(other, AheadMB) != nil {
			t.Errorf("one %s is taken", what)
		}
	}
	if parseKept(text, 2*AheadMB) != nil {
		t.Error("one of another size is taken")
	}
}

func TestDisksOfAKeptTemplateAreAsOthers(t *testing.T) {
	first := realPool(t, 0)
	dir := first.dir
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if kept(dir, AheadMB) == nil {
		t.Fatal("none was kept")
	}
	old := sbin
	sbin = nil
	t.Cleanup(func() { sbin = old })
	t.Setenv("PATH", t.TempDir()) // without mkfs.ext4
	d := take(t, openIn(t, dir, 1), AheadMB)
	if d.loop < 0 {
		t.Error("it is a tmpfs")
	}
	if n, err := d.Used(); n != 0 || err != nil {
		t.Errorf("it uses %d, %v", n, err)
	}
}

func FuzzAKeptTemplate(f *testing.F) {
	dir := f.TempDir()
	made := &template{size: 1 << 20, pieces: []piece{{1024, []byte("superblock")}}}
	if err := made.keep(dir, AheadMB); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(keptPath(dir, AheadMB))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := parseKept(text, AheadMB); got != nil {
			for _, p := range got.pieces {
				if p.at < 0 || p.at+int64(len(p.data)) > got.size {
					t.Errorf("a piece is outside: %d", p.at)
				}
			}
		}
	})
}
