//go:build ignore

// Command generate compiles the Java bootstrap into wick-runtime.jar and classes/, and the
// functions that its stems rehearse with into lib/wick-rehearsal.jar: class files of Java 8,
// made by javac 17, that depend on nothing but the sources. go generate runs it. Where that
// javac is not on the machine it says so and leaves them as they are.
package main

import (
	"archive/zip"
	"compress/flate"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"
)

// part is one compilation: a folder of sources and those of others it may use.
type part struct {
	sources string
	uses    []string
}

// jars are what is built of which parts. The bootstrap loads a native library, which Java
// from 24 on wants to be told.
var jars = []struct {
	name, manifest string
	deflated       bool
	parts          []part
}{
	{
		"wick-runtime.jar", "Main-Class: run.wick.runtime.Main\r\nEnable-Native-Access: ALL-UNNAMED\r\n", false,
		[]part{{sources: "src"}},
	},
	{
		"lib/wick-rehearsal.jar", "", true,
		[]part{{sources: "core"}, {sources: "rehearsal", uses: []string{"core"}}},
	},
}

// bridge is in no jar: its classes are defined where they see a function's.
var bridge = part{sources: "bridge", uses: []string{"src", "core"}}

func main() {
	out := flag.String("o", ".", "the `folder` to write to")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	javac := find()
	if javac == "" {
		fmt.Fprintln(os.Stderr, "generate: javac 17 is not on this machine (Debian: openjdk-17-jdk-headless); the jar stays as it is")
		return nil
	}
	for _, j := range jars {
		if err := build(javac, filepath.Join(out, j.name), "Manifest-Version: 1.0\r\n"+j.manifest+"\r\n", j.deflated, j.parts); err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
	}
	content := map[string][]byte{}
	if err := compile(javac, bridge, content); err != nil {
		return err
	}
	for name, data := range content {
		to := filepath.Join(out, "classes", path.Base(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func build(javac, out, manifest string, deflated bool, parts []part) error {
	content := map[string][]byte{"META-INF/MANIFEST.MF": []byte(manifest)}
	for _, p := range parts {
		if err := compile(javac, p, content); err != nil {
			return err
		}
	}
	return jar(out, content, deflated)
}

// compile adds a part's classes to a jar's content.
func compile(javac string, p part, content map[string][]byte) error {
	classes, err := os.MkdirTemp("", "wick-java-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(classes)
	sources, err := files(p.sources, ".java")
	if err != nil {
		return err
	}
	args := []string{"--release", "8", "-Xlint:all,-options,-path", "-Werror", "-g:source,lines", "-encoding", "UTF-8", "-d", classes}
	if p.uses != nil {
		args = append(args, "-implicit:none", "-sourcepath", strings.Join(p.uses, string(filepath.ListSeparator)))
	}
	cmd := exec.Command(javac, append(args, sources...)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", javac, err)
	}
	names, err := files(classes, "")
	if err != nil {
		return err
	}
	for _, name := range names {
		inside, err := filepath.Rel(classes, name)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		content[filepath.ToSlash(inside)] = data
	}
	return nil
}

// find returns a javac of the version the jar is made with.
func find() string {
	candidates, _ := filepath.Glob("/usr/lib/jvm/*17*/bin/javac") // the pattern is well-formed
	if home := os.Getenv("JAVA_HOME"); home != "" {
		candidates = append([]string{filepath.Join(home, "bin", "javac")}, candidates...)
	}
	if path, err := exec.LookPath("javac"); err == nil {
		candidates = append(candidates, path)
	}
	for _, javac := range candidates {
		version, err := exec.Command(javac, "-version").Output()
		if err == nil && strings.HasPrefix(string(version), "javac 17.") {
			return javac
		}
	}
	return ""
}

// jar packs files uncompressed: they load faster, and nothing depends on a compressor's
// version. The manifest comes first by its name. Deflated, they are uncompressed all the
// same, in the format that other jars have.
func jar(out string, content map[string][]byte, deflated bool) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	defer file.Close()
	w := zip.NewWriter(file)
	w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.NoCompression)
	})
	method := uint16(zip.Store)
	if deflated {
		method = zip.Deflate
	}
	for _, name := range slices.Sorted(maps.Keys(content)) {
		if err := add(w, name, method, content[name]); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return file.Close()
}

// files lists the files in a folder and below whose names end so.
func files(folder, suffix string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, suffix) {
			names = append(names, path)
		}
		return err
	})
	sort.Strings(names)
	return names, err
}

func add(w *zip.Writer, name string, method uint16, data []byte) error {
	entry, err := w.CreateHeader(&zip.FileHeader{
		Name: name, Method: method, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		return err
	}
	_, err = entry.Write(data)
	return err
}
