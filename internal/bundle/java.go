package bundle

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Java functions come as a Maven project (pom.xml), as plain sources with their jars in
// lib, or compiled.

var (
	javaPackageName = regexp.MustCompile(`(?m)^\s*package\s+([\w.]+)\s*;`)
	javaClass       = regexp.MustCompile(`\bpublic\s+(?:final\s+)?(?:class|record)\s+(\w+)([^{]*)\{`)
	javaInterface   = regexp.MustCompile(`\bimplements\b[^{]*\bRequest(?:Stream)?Handler\b`)
	javaMethod      = regexp.MustCompile(`\bpublic\s+(?:static\s+)?[\w<>\[\], .?]+\s(handleRequest|handler|handle)\s*\(`)
)

func lookJava(dir string, p *project) (bool, error) {
	maven := exists(dir, "pom.xml")
	root := dir
	if src := filepath.Join(dir, "src", "main", "java"); isFolder(src) {
		root = src
	} else if src := filepath.Join(dir, "src"); isFolder(src) {
		root = src
	}
	sources, err := javaSources(root)
	if err != nil {
		return false, err
	}
	switch {
	case maven:
		p.runtimeReason, p.build = "pom.xml", p.buildMaven
	case len(sources) > 0:
		p.runtimeReason = relative(dir, sources[0])
		p.build = func(ctx context.Context, dir, scratch string, o Options) ([]file, string, error) {
			return p.buildJava(ctx, dir, scratch, sources, o)
		}
	default:
		return javaClasses(dir, p)
	}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			return false, err
		}
		if handler := javaHandler(text); handler != "" {
			p.handler, p.handlerReason = handler, relative(dir, source)
			break
		}
	}
	return true, nil
}

// javaClasses looks for what is compiled: class files, or jars in lib.
func javaClasses(dir string, p *project) (bool, error) {
	jars, err := filepath.Glob(filepath.Join(dir, "lib", "*.jar"))
	if err != nil {
		return false, err
	}
	if len(jars) > 0 {
		p.runtimeReason = relative(dir, jars[0])
		return true, nil
	}
	found := ""
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".class") {
			found = path
			return fs.SkipAll
		}
		return err
	})
	if found != "" {
		p.runtimeReason = relative(dir, found)
	}
	return found != "", err
}

// javaHandler returns the handler that a source file defines: its class where that
// implements one of AWS's interfaces, a method by its usual name otherwise, or "".
func javaHandler(source []byte) string {
	class := javaClass.FindSubmatch(source)
	if class == nil {
		return ""
	}
	name := string(class[1])
	if pkg := javaPackageName.FindSubmatch(source); pkg != nil {
		name = string(pkg[1]) + "." + name
	}
	if javaInterface.Match(class[0]) {
		return name
	}
	if method := javaMethod.FindSubmatch(source); method != nil {
		return name + "::" + string(method[1])
	}
	return ""
}

func javaSources(root string) (sources []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".java") && d.Name() != "module-info.java" {
			sources = append(sources, path)
		}
		return err
	})
	return sources, err
}

// buildJava compiles sources for the runtime's version, or for the compiler's where that
// is older, and packs the classes with the folder's lib and resources.
func (p *project) buildJava(ctx context.Context, dir, scratch string, sources []string, o Options) ([]file, string, error) {
	release, err := javaRelease(ctx, p.runtime)
	if err != nil {
		return nil, "", err
	}
	classes := filepath.Join(scratch, "classes")
	args := []string{"-nowarn", "--release", release, "-encoding", "UTF-8", "-d", classes}
	if jars, _ := filepath.Glob(filepath.Join(dir, "lib", "*.jar")); len(jars) > 0 { // the pattern is well-formed
		args = append(args, "-cp", strings.Join(jars, string(os.PathListSeparator)))
	}
	if err := run(ctx, dir, nil, o.Output, o.Output, "javac", append(args, sources...)...); err != nil {
		return nil, "", err
	}
	files, err := loaded(classes, "")
	if err != nil {
		return nil, "", err
	}
	more, err := collect(dir)
	if err != nil {
		return nil, "", err
	}
	for _, f := range more {
		if !strings.HasSuffix(f.name, ".java") {
			files = append(files, f)
		}
	}
	return files, "javac --release " + release, nil
}

// javaRelease returns what to compile for.
func javaRelease(ctx context.Context, runtime string) (string, error) {
	out, err := exec.CommandContext(ctx, "javac", "-version").CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("javac is needed to build Java sources and is not installed: install a JDK")
	}
	if err != nil {
		return "", fmt.Errorf("javac -version: %w", err)
	}
	number := regexp.MustCompile(`\d+`)
	compiler, err := strconv.Atoi(number.FindString(string(out)))
	if err != nil {
		return "", fmt.Errorf("javac -version said %q", out)
	}
	wanted, err := strconv.Atoi(number.FindString(runtime))
	if err != nil || wanted > compiler {
		wanted = compiler
	}
	return strconv.Itoa(wanted), nil
}

// buildMaven packages a Maven project. A jar that has its dependencies in it, as the
// shade plugin makes it, is the package's classes; otherwise they go to lib beside it.
func (p *project) buildMaven(ctx context.Context, dir, scratch string, o Options) ([]file, string, error) {
	lib := filepath.Join(scratch, "lib")
	args := []string{"-q", "-B", "-DskipTests", "package", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=" + lib}
	if err := run(ctx, dir, nil, o.Output, o.Output, "mvn", args...); err != nil {
		return nil, "", err
	}
	jar, err := builtJar(dir)
	if err != nil {
		return nil, "", err
	}
	data, err := os.ReadFile(jar)
	if err != nil {
		return nil, "", err
	}
	files := []file{{name: "lib/" + filepath.Base(jar), data: data}}
	pom, err := os.ReadFile(filepath.Join(dir, "pom.xml"))
	if err != nil {
		return nil, "", err
	}
	if !bytes.Contains(pom, []byte("maven-shade-plugin")) && !bytes.Contains(pom, []byte("maven-assembly-plugin")) && isFolder(lib) {
		more, err := loaded(lib, "lib/")
		if err != nil {
			return nil, "", err
		}
		files = append(files, more...)
	}
	return files, "mvn package", nil
}

// builtJar is the newest jar of target that holds classes to run.
func builtJar(dir string) (string, error) {
	jars, err := filepath.Glob(filepath.Join(dir, "target", "*.jar"))
	if err != nil {
		return "", err
	}
	best, size := "", int64(-1)
	for _, jar := range jars {
		name := filepath.Base(jar)
		if strings.HasPrefix(name, "original-") || strings.HasSuffix(name, "-sources.jar") ||
			strings.HasSuffix(name, "-javadoc.jar") || strings.HasSuffix(name, "-tests.jar") {
			continue
		}
		// Of several, the one with the dependencies is the largest.
		if info, err := os.Stat(jar); err == nil && info.Size() > size {
			best, size = jar, info.Size()
		}
	}
	if best == "" {
		return "", fmt.Errorf("mvn package made no jar in %s", filepath.Join(dir, "target"))
	}
	return best, nil
}

// loaded lists a folder's files with their content, for a folder that will be gone.
func loaded(dir, prefix string) ([]file, error) {
	files, err := collect(dir)
	if err != nil {
		return nil, err
	}
	for i := range files {
		f := &files[i]
		if f.data, err = os.ReadFile(f.path); err != nil {
			return nil, err
		}
		f.name, f.executable = prefix+f.name, false
	}
	return files, nil
}

// makeArchive takes a package that is built already, a jar or a zip.
func makeArchive(name string, o Options) (*Bundle, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("%s is no zip file: %w", name, err)
	}
	p := &project{}
	if filepath.Ext(name) == ".jar" {
		p.runtime, p.runtimeReason = choose("java", o.Runtimes), filepath.Base(name)
	}
	p.settle(o)
	if p.runtime == "" || p.handler == "" {
		return nil, fmt.Errorf("what %s holds isn't looked into: name --runtime and --handler", name)
	}
	b := &Bundle{
		Zip: data, Files: len(r.File), Runtime: p.runtime, Handler: p.handler,
		Architecture: o.Architecture, RuntimeReason: p.runtimeReason, HandlerReason: p.handlerReason,
	}
	for _, f := range r.File {
		b.UnpackedBytes += int64(f.UncompressedSize64) //nolint:gosec // what a zip says of itself; the server counts
	}
	return b, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func relative(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil {
		return rel
	}
	return path
}
