package journeys

import (
	"archive/zip"
	"bytes"
	"maps"
	"os"
	"slices"
	"testing"
)

// pythonSource is a function that tells its edition and the event it got.
func pythonSource(edition string) string {
	return `
def handler(event, context):
    if event.get("fail"):
        raise ValueError("as asked")
    print("edition ` + edition + `")
    return {"edition": ` + edition + `, "event": event}
`
}

// zipped makes a package of files, all executable.
func zipped(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(0o755)
		entry, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func writeZip(t *testing.T, path string, files map[string]string) {
	t.Helper()
	if err := os.WriteFile(path, zipped(t, files), 0o600); err != nil {
		t.Fatal(err)
	}
}
