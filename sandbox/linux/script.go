//go:build linux

package linux

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// script is a list of system calls for wick-init (init/init.c) to make, in order,
// until one fails. Its layout in memory is that of the structures op and script there.
type script struct {
	ops    []scriptOp
	data   []byte
	relocs []int // places in data that hold a place in data and must become an address
}

type scriptOp struct {
	what string // for errors
	nr   uintptr
	flag uint32
	args [6]scriptArg
	want int64
}

type scriptArg struct {
	kind  argKind
	value uint64
}

type argKind uint8

const (
	argValue  argKind = 0
	argResult argKind = 1
	argFile   argKind = 2
	argData   argKind = 3 // only here: becomes an argValue that is relocated
)

const (
	opMayFail uint32 = 1
	opWant    uint32 = 2

	scriptHeaderSize = 8
	scriptOpSize     = 72
)

// result stands for what an earlier call returns, file for a descriptor that is
// passed with the script, data for a place in the script's own memory.
type (
	result int
	file   int
	data   int
)

// call adds a system call; what names it in errors. An argument is an int, uint32,
// uint64 or uintptr; a string, passed as a pointer to it with a NUL behind; a []byte,
// passed as a pointer; or a result, file or data.
func (s *script) call(what string, nr uintptr, args ...any) result {
	op := scriptOp{what: what, nr: nr}
	for i, a := range args {
		op.args[i] = s.arg(a)
	}
	s.ops = append(s.ops, op)
	return result(len(s.ops) - 1)
}

// try adds a system call that may fail.
func (s *script) try(nr uintptr, args ...any) result {
	r := s.call("", nr, args...)
	s.ops[r].flag |= opMayFail
	return r
}

// want makes any result of the last call but n an error.
func (s *script) want(n int64) {
	op := &s.ops[len(s.ops)-1]
	op.flag |= opWant
	op.want = n
}

func (s *script) arg(a any) scriptArg {
	switch a := a.(type) {
	case int:
		return scriptArg{argValue, uint64(a)}
	case uint32:
		return scriptArg{argValue, uint64(a)}
	case uint64:
		return scriptArg{argValue, a}
	case uintptr:
		return scriptArg{argValue, uint64(a)}
	case string:
		return scriptArg{argData, uint64(s.put(append([]byte(a), 0)))}
	case []byte:
		return scriptArg{argData, uint64(s.put(a))}
	case data:
		return scriptArg{argData, uint64(a)}
	case result:
		return scriptArg{argResult, uint64(a)}
	case file:
		return scriptArg{argFile, uint64(a)}
	}
	panic(fmt.Sprintf("script argument of type %T", a))
}

// put adds bytes to the script's memory, aligned for any type.
func (s *script) put(b []byte) data {
	for len(s.data)%8 != 0 {
		s.data = append(s.data, 0)
	}
	at := len(s.data)
	s.data = append(s.data, b...)
	return data(at)
}

// pointers adds an array of pointers to strings, with a null pointer at its end.
func (s *script) pointers(list []string) data {
	places := make([]data, len(list))
	for i, text := range list {
		places[i] = s.put(append([]byte(text), 0))
	}
	at := s.put(make([]byte, 8*(len(list)+1)))
	for i, place := range places {
		s.setPointer(int(at)+8*i, place)
	}
	return at
}

// setPointer makes the 8 bytes at a place of the script's memory a pointer.
func (s *script) setPointer(at int, to data) {
	binary.NativeEndian.PutUint64(s.data[at:], uint64(to))
	s.relocs = append(s.relocs, at)
}

// encode lays the script out as init reads it.
func (s *script) encode() []byte {
	var argRelocs []int
	for i := range s.ops {
		for j, a := range s.ops[i].args {
			if a.kind == argData {
				argRelocs = append(argRelocs, scriptHeaderSize+i*scriptOpSize+16+8*j)
			}
		}
	}
	relocs := len(argRelocs) + len(s.relocs)
	base := scriptHeaderSize + len(s.ops)*scriptOpSize + relocs*8
	out := make([]byte, 0, base+len(s.data))
	e := binary.NativeEndian
	out = e.AppendUint32(out, uint32(len(s.ops)))
	out = e.AppendUint32(out, uint32(relocs))
	for _, op := range s.ops {
		out = e.AppendUint32(out, uint32(op.nr))
		out = e.AppendUint32(out, op.flag)
		var kinds [8]byte
		for j, a := range op.args {
			if a.kind != argData {
				kinds[j] = byte(a.kind)
			}
		}
		out = append(out, kinds[:]...)
		for _, a := range op.args {
			if a.kind == argData {
				a.value += uint64(base)
			}
			out = e.AppendUint64(out, a.value)
		}
		out = e.AppendUint64(out, uint64(op.want))
	}
	for _, at := range argRelocs {
		out = e.AppendUint64(out, uint64(at))
	}
	for _, at := range s.relocs {
		out = e.AppendUint64(out, uint64(base+at))
	}
	out = append(out, s.data...)
	for _, at := range s.relocs {
		place := out[base+at:]
		e.PutUint64(place, e.Uint64(place)+uint64(base))
	}
	return out
}

// failed turns the index and error number that init reports into an error.
func (s *script) failed(at int32, errno int32) error {
	if at < 0 || int(at) >= len(s.ops) {
		return unix.Errno(errno)
	}
	return fmt.Errorf("%s: %w", s.ops[at].what, unix.Errno(errno))
}
