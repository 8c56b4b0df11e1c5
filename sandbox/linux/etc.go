//go:build linux

package linux

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/wick-run/wick/sandbox"
)

const mountAttrSize = 32

// mountAttr is a struct mount_attr.
func mountAttr(set, clear uint64) []byte {
	e := binary.NativeEndian
	b := e.AppendUint64(make([]byte, 0, mountAttrSize), set)
	b = e.AppendUint64(b, clear)
	return append(b, make([]byte, mountAttrSize-len(b))...)
}

type textFile struct{ path, text string }

// etc are the files of /etc that are a sandbox's own.
func (s *Sandbox) etc() []textFile {
	hosts := "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
	if s.hostname != "" {
		hosts += "127.0.0.1 " + s.hostname + "\n"
	}
	return []textFile{
		{"/etc/passwd", fmt.Sprintf("root:x:0:0:root:/root:/sbin/nologin\n%s:x:%d:%d::/home/%[1]s:/sbin/nologin\n", userName, UID, GID)},
		{"/etc/group", fmt.Sprintf("root:x:0:\n%s:x:%d:\n", userName, GID)},
		{"/etc/hostname", s.hostname + "\n"},
		{"/etc/hosts", hosts},
		{"/etc/resolv.conf", "nameserver 169.254.100.1\n"},
		{"/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n"},
	}
}

// procFiles are the files of a sandbox on the host that it sees in its /proc: what
// programs that size themselves by the machine are told.
type procFiles struct {
	host         *host
	dir          string
	memory, cpus string
}

func newProcFiles(h *host, dir string, l sandbox.Limits) (procFiles, error) {
	f := procFiles{host: h, dir: dir, memory: filepath.Join(dir, "meminfo"), cpus: filepath.Join(dir, "cpuinfo")}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return f, err
	}
	return f, f.write(l)
}

// write writes them anew, in place: the sandbox sees these very files.
func (f procFiles) write(l sandbox.Limits) error {
	if err := os.WriteFile(f.memory, memoryInfo(f.host.memory, l.MemoryBytes), 0o644); err != nil {
		return err
	}
	return os.WriteFile(f.cpus, cpuInfo(f.host.cpus, visibleCPUs(l.CPUMilli)), 0o644)
}

func (f procFiles) remove() error { return os.RemoveAll(f.dir) }

// memoryInfo is /proc/meminfo of a machine with as much memory as the limit: the host's,
// with other numbers. Without a limit it is the host's, as it was.
func memoryInfo(text []byte, limit int64) []byte {
	if limit <= 0 {
		return text
	}
	kB := limit / 1024
	values := map[string]int64{
		"MemTotal": kB, "MemFree": kB, "MemAvailable": kB, "CommitLimit": kB,
	}
	kept := map[string]bool{"HugePages_Total": true, "Hugepagesize": true, "VmallocTotal": true}
	var out bytes.Buffer
	for line := range strings.Lines(string(text)) {
		name, rest, ok := strings.Cut(line, ":")
		if !ok || kept[name] {
			out.WriteString(line)
			continue
		}
		unit := ""
		if strings.HasSuffix(strings.TrimSpace(rest), "kB") {
			unit = " kB"
		}
		fmt.Fprintf(&out, "%-16s%8d%s\n", name+":", values[name], unit)
	}
	return out.Bytes()
}

// visibleCPUs is how many CPUs a sandbox is shown: as on Lambda two at least, and
// otherwise what it may use, rounded up; but never more than there are.
func visibleCPUs(milli int) int {
	if milli <= 0 {
		return runtime.NumCPU()
	}
	return min(max((milli+999)/1000, 2), runtime.NumCPU())
}

// cpuInfo is a /proc/cpuinfo with only its first n processors. They are paragraphs.
func cpuInfo(text []byte, n int) []byte {
	left := text
	for range n {
		end := bytes.Index(left, []byte("\n\n"))
		if end < 0 {
			return text
		}
		left = left[end+2:]
	}
	return text[:len(text)-len(left)]
}
