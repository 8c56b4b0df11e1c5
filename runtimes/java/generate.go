//go:build ignore

// Command generate compiles the Java bootstrap into wick-runtime.jar: class files of Java 8,
// made by javac 17, in a jar that depends on nothing but the sources. go generate runs it.
// Where that javac is not on the machine it says so and leaves the jar as it is.
package main

import (
	"archive/zip"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

const manifest = "Manifest-Version: 1.0\r\nMain-Class: run.wick.runtime.Main\r\n\r\n"

func main() {
	out := flag.String("o", "wick-runtime.jar", "the `file` to write")
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
	classes, err := os.MkdirTemp("", "wick-java-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(classes)
	sources, err := filepath.Glob("src/run/wick/runtime/*.java")
	if err != nil {
		return err
	}
	args := []string{"--release", "8", "-Xlint:all,-options", "-Werror", "-g:source,lines", "-encoding", "UTF-8", "-d", classes}
	cmd := exec.Command(javac, append(args, sources...)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", javac, err)
	}
	return jar(out, classes)
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

// jar packs the classes uncompressed: they load faster, and nothing depends on a
// compressor's version.
func jar(out, classes string) error {
	var names []string
	err := filepath.WalkDir(classes, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	sort.Strings(names)
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	defer file.Close()
	w := zip.NewWriter(file)
	if err := add(w, "META-INF/MANIFEST.MF", []byte(manifest)); err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(classes, name)
		if err != nil {
			return err
		}
		if err := add(w, filepath.ToSlash(inside), data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return file.Close()
}

func add(w *zip.Writer, name string, data []byte) error {
	entry, err := w.CreateHeader(&zip.FileHeader{
		Name: name, Method: zip.Store, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		return err
	}
	_, err = entry.Write(data)
	return err
}
