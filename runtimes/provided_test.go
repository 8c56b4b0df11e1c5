package runtimes

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/wick-run/wick/internal/testkit/runner"
)

func TestABootstrapIsLookedForInCodeThenLayers(t *testing.T) {
	with, without := runner.WriteFiles(t, map[string]string{"bootstrap": ""}), t.TempDir()
	folder := runner.WriteFiles(t, map[string]string{"bootstrap/x": ""})
	for _, c := range []struct {
		code, opt, want string
	}{
		{with, with, "/var/task/bootstrap"}, {without, with, "/opt/bootstrap"}, {with, "", "/var/task/bootstrap"},
		{without, "", ""}, {folder, without, ""},
	} {
		if got, ok := FindBootstrap(c.code, c.opt); got != c.want || ok != (c.want != "") {
			t.Errorf("FindBootstrap(%s, %s) = %q, %v", c.code, c.opt, got, ok)
		}
	}
}

func TestAProgramThatCannotStartIsToldApart(t *testing.T) {
	m := newMachine(t)
	real, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	other := append([]byte(nil), real...)
	foreign := elf.EM_AARCH64
	if runtime.GOARCH == "arm64" {
		foreign = elf.EM_X86_64
	}
	binary.LittleEndian.PutUint16(other[18:], uint16(foreign))
	loaderless := []byte(strings.Replace(string(real), "/lib64/ld-linux", "/lib64/no-linux", 1))
	for _, c := range []struct {
		name, file      string
		problem, detail string
	}{
		{"a program", m.write("ok", real, 0o755), "", ""},
		{"a script", m.write("script", []byte("#!/bin/sh -e\n"), 0o755), "", ""},
		{"a script for an interpreter of the layer", m.write("layer", []byte("#!/opt/bin/php\n"), 0o755), "", ""},
		{"nothing", m.root + "/nothing", "no such file or directory", "is missing"},
		{"not executable", m.write("plain", real, 0o644), "permission denied", "chmod 755"},
		{"a folder", m.root, "permission denied", ""},
		{"another architecture", m.write("other", other, 0o755), "exec format error", "this machine is"},
		{"text", m.write("text", []byte("hello"), 0o755), "exec format error", "neither an ELF program nor a script"},
		{"empty", m.write("empty", nil, 0o755), "exec format error", "neither"},
		{"a script with Windows line ends", m.write("crlf", []byte("#!/bin/sh\r\necho\r\n"), 0o755), "no such file or directory", "carriage return"},
		{"a script for what isn't here", m.write("none", []byte("#!/usr/bin/nothing\n"), 0o755), "no such file or directory", "/usr/bin/nothing is not on this machine"},
		{"a script for nobody", m.write("nobody", []byte("#!\n"), 0o755), "exec format error", "names no interpreter"},
		{"a loader that isn't here", m.write("loaderless", loaderless, 0o755), "no such file or directory", "loader /lib64/no-linux"},
	} {
		err := CheckBinary(c.file)
		if c.problem == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if c.name == "a loader that isn't here" && runtime.GOARCH != "amd64" {
			continue // its loader has another name
		}
		var bad *BinaryError
		if !errors.As(err, &bad) || bad.Problem != c.problem || !strings.Contains(bad.Detail, c.detail) {
			t.Errorf("%s: %v %+v", c.name, err, bad)
		}
	}
}
