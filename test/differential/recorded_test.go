package differential

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// recording is what a column's cases came to when both sides were run: a txtar archive in
// recorded/. Its comment's lines are the client and the interpreter. A case's file is the
// transcript of both sides; where they differ the official side's is followed by a file with
// ours, named CASE/wick.
type recording struct {
	client, interpreter string
	official, ours      map[string]string // ours only where it differs
}

func recordingPath(col column) string { return filepath.Join("recorded", col.name+".txtar") }

func readRecording(t testing.TB, col column) recording {
	t.Helper()
	rec := recording{official: map[string]string{}, ours: map[string]string{}}
	data, err := os.ReadFile(recordingPath(col))
	if errors.Is(err, os.ErrNotExist) {
		return rec
	}
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Parse(data)
	head := strings.Split(string(archive.Comment), "\n")
	if len(head) < 2 {
		t.Fatalf("%s names no client and interpreter", recordingPath(col))
	}
	rec.client, rec.interpreter = head[0], head[1]
	for _, f := range archive.Files {
		if name, ok := strings.CutSuffix(f.Name, "/wick"); ok {
			rec.ours[name] = string(f.Data)
		} else {
			rec.official[f.Name] = string(f.Data)
		}
	}
	return rec
}

func (r recording) write(t testing.TB, col column, cases []testCase) {
	t.Helper()
	archive := txtar.Archive{Comment: fmt.Appendf(nil, "%s\n%s\n", r.client, r.interpreter)}
	for _, c := range cases {
		if official, ok := r.official[c.name]; ok {
			archive.Files = append(archive.Files, txtar.File{Name: c.name, Data: []byte(official)})
		}
		if ours, ok := r.ours[c.name]; ok {
			archive.Files = append(archive.Files, txtar.File{Name: c.name + "/wick", Data: []byte(ours)})
		}
	}
	if err := os.WriteFile(recordingPath(col), txtar.Format(&archive), 0o644); err != nil { //nolint:gosec // of the repository
		t.Fatal(err)
	}
}

// expected is what our side is to come to.
func (r recording) expected(name string) (string, bool) {
	if ours, ok := r.ours[name]; ok {
		return ours, true
	}
	official, ok := r.official[name]
	return official, ok
}
