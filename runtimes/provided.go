package runtimes

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/wick-run/wick"
)

var provided = &language{
	name: Provided, title: "provided", prefix: "provided",
	identifier: regexp.MustCompile(`^(?:\d+)?(?:\..+)?$`),
	ordinary:   func(*wick.Function) bool { return true },
}

// goOne is Go's old runtime: a provided one whose program is named by the handler. What
// aws-lambda-go builds looks for the Runtime API there, too.
var goOne = &language{
	name: Provided, title: "Go", prefix: "go1",
	identifier: regexp.MustCompile(`^\.x$`),
	ordinary:   func(*wick.Function) bool { return true },
}

const goOneRuntime = "go1.x"

// goOneProgram is where inside the program of a go1.x function is.
func goOneProgram(handler string) string { return taskDir + path.Clean("/"+handler) }

// Bootstraps are where a provided runtime's program is looked for, inside, in order.
var Bootstraps = []string{taskDir + "/bootstrap", "/opt/bootstrap"}

// FindBootstrap returns where inside the program of a provided runtime is, given the
// host's folders of code and layers (optDir may be empty). When there is none AWS answers
// Runtime.InvalidEntrypoint: "Couldn't find valid bootstrap(s): [/var/task/bootstrap
// /opt/bootstrap]".
func FindBootstrap(codeDir, optDir string) (insidePath string, ok bool) {
	for i, dir := range []string{codeDir, optDir} {
		if dir == "" {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, "bootstrap")); err == nil && info.Mode().IsRegular() {
			return Bootstraps[i], true
		}
	}
	return "", false
}

// BinaryError is a program that can't be started: Runtime.InvalidEntrypoint.
type BinaryError struct {
	Problem string // as the system says it: "exec format error", "permission denied", …
	Detail  string // why, for the operator
}

// Error returns the problem; AWS's message is "fork/exec PATH: PROBLEM".
func (e *BinaryError) Error() string { return e.Problem }

var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// CheckBinary says whether this machine can start the program at a host path: it is
// there, executable, and an ELF program of this architecture whose loader is here, or a
// script whose interpreter is. The error is a *BinaryError, or one of reading the file.
func CheckBinary(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &BinaryError{"no such file or directory", path + " is missing"}
	}
	if err != nil {
		return fmt.Errorf("look at bootstrap: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return &BinaryError{"permission denied", "the file isn't executable: chmod 755 it before zipping"}
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open bootstrap: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	head := make([]byte, 256)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read bootstrap: %w", err)
	}
	head = head[:n]
	if rest, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		return checkScript(rest)
	}
	return checkELF(file)
}

func checkScript(head []byte) error {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	if bytes.HasSuffix(line, []byte("\r")) {
		return &BinaryError{"no such file or directory", "the script's first line ends in a carriage return (CRLF line ends)"}
	}
	fields := strings.Fields(string(line))
	if len(fields) == 0 {
		return &BinaryError{"exec format error", "the script's first line names no interpreter"}
	}
	interpreter := fields[0]
	// What is under /opt and /var/lang is known only inside.
	if strings.HasPrefix(interpreter, "/opt/") || strings.HasPrefix(interpreter, "/var/") {
		return nil
	}
	if _, err := os.Stat(interpreter); err != nil {
		return &BinaryError{"no such file or directory", "the script's interpreter " + interpreter + " is not on this machine"}
	}
	return nil
}

func checkELF(file *os.File) error {
	program, err := elf.NewFile(file)
	if err != nil {
		return &BinaryError{"exec format error", "the file is neither an ELF program nor a script with #!"}
	}
	if want, ok := machines[runtime.GOARCH]; ok && program.Machine != want {
		return &BinaryError{
			"exec format error",
			fmt.Sprintf("the program is for %s, this machine is %s", machineName(program.Machine), machineName(want)),
		}
	}
	if program.Type != elf.ET_EXEC && program.Type != elf.ET_DYN {
		return &BinaryError{"exec format error", "the file is an ELF " + program.Type.String() + ", not a program"}
	}
	if loader := loaderOf(program); loader != "" {
		if _, err := os.Stat(loader); err != nil {
			return &BinaryError{"no such file or directory", "the program's loader " + loader + " is not on this machine (linked for another libc?)"}
		}
	}
	return nil
}

// loaderOf returns the dynamic loader a program asks for, "" for a static one.
func loaderOf(program *elf.File) string {
	for _, p := range program.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(p.Open(), 4096))
		if err != nil {
			return ""
		}
		return strings.TrimRight(string(data), "\x00")
	}
	return ""
}

func machineName(m elf.Machine) string {
	switch m {
	case elf.EM_X86_64:
		return "x86_64"
	case elf.EM_AARCH64:
		return "arm64"
	}
	return m.String()
}
