package csharp

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func compiler(t testing.TB) *Compiler {
	t.Helper()
	c, err := Find()
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// compiled compiles a source twice, into folders of their own.
func compiled(t testing.TB, source string) [2][]byte {
	t.Helper()
	c := compiler(t)
	var made [2][]byte
	for i := range made {
		dir := t.TempDir()
		file, out := filepath.Join(dir, "A.cs"), filepath.Join(dir, "A.dll")
		err := os.WriteFile(file, []byte(source), 0o600)
		if err == nil {
			err = c.Compile(t.Context(), out, true, nil, file)
		}
		if err == nil {
			made[i], err = os.ReadFile(out)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return made
}

func TestTheSameSourcesGiveTheSameAssembly(t *testing.T) {
	a := compiled(t, "public class A { public string B() { return \"b\"; } }")
	if !bytes.Equal(a[0], a[1]) {
		t.Error("two assemblies of one source differ")
	}
	if b := compiled(t, "public class A { public string B() { return \"c\"; } }"); bytes.Equal(a[0], b[0]) {
		t.Error("two sources give the same assembly")
	}
}

func TestWhatDoesNotCompileIsSaid(t *testing.T) {
	c := compiler(t)
	file := filepath.Join(t.TempDir(), "A.cs")
	if err := os.WriteFile(file, []byte("class A {"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Compile(t.Context(), file+".dll", true, nil, file); err == nil || errors.Is(err, ErrMissing) {
		t.Errorf("the error is %v", err)
	}
}

func TestSettingsAreJSON(t *testing.T) {
	deps, config := Settings("app", "Amazon.Lambda.Core")
	for _, text := range []string{deps, config} {
		if !json.Valid([]byte(text)) {
			t.Errorf("no JSON: %s", text)
		}
	}
}

func FuzzSettle(f *testing.F) {
	f.Add([]byte("MZ"))
	f.Add(make([]byte, 0x80))
	f.Add(append(make([]byte, 0x80), "BSJB\x01\x00\x01\x00\x00\x00\x00\x00\x04\x00\x00\x00v4\x00\x00\x00\x00\x01\x00 \x00\x00\x00\x10\x00\x00\x00#GUID\x00\x00\x000123456789abcdef"...))
	if c, err := Find(); err == nil {
		file := filepath.Join(f.TempDir(), "A.cs")
		if err := os.WriteFile(file, []byte("class A {}"), 0o600); err != nil {
			f.Fatal(err)
		}
		if err := c.Compile(f.Context(), file+".dll", true, nil, file); err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(file + ".dll")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, pe []byte) {
		before := bytes.Clone(pe)
		err := settle(pe)
		changed := 0
		for i := range pe {
			if pe[i] != before[i] {
				changed++
			}
		}
		// A time of four bytes, and an ID of sixteen where there is one.
		if changed > 20 || err != nil && changed > 4 {
			t.Errorf("%d bytes have changed", changed)
		}
	})
}
