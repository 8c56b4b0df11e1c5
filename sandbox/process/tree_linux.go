package process

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wick-run/wick/sandbox"
)

func lockThread() { runtime.LockOSThread() } // never unlocked: the thread ends with the goroutine

func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// stat is a line of /proc/PID/stat.
type stat struct {
	pid, parent, session int
	zombie               bool
	cpu                  time.Duration // its own and that of children it waited for
	memory               int64         // resident bytes
}

// clockTick is the unit of CPU times there: USER_HZ, which is 100 on every architecture
// Go runs on.
const clockTick = time.Second / 100

func readStat(pid string) (stat, bool) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	end := bytes.LastIndexByte(text, ')') // the name before may have anything in it
	if err != nil || end < 0 {
		return stat{}, false
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 22 {
		return stat{}, false
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(fields[i]) // the kernel's own digits
		return n
	}
	s := stat{parent: number(1), session: number(3), zombie: fields[0] == "Z" || fields[0] == "X"}
	s.pid, _ = strconv.Atoi(pid)
	s.cpu = time.Duration(number(11)+number(12)+number(13)+number(14)) * clockTick
	s.memory = int64(number(21)) * int64(os.Getpagesize())
	return s, true
}

// tree are the processes of the sessions that procs lead, those with mark in their
// environment when it isn't empty, and all below those.
func tree(procs []*proc, mark string) ([]stat, error) {
	mine := map[int]bool{}
	for _, p := range procs {
		mine[p.os.Pid] = true
	}
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close() // read only
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var found, others []stat
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		s, ok := readStat(name)
		switch {
		case !ok: // ended meanwhile
		case mine[s.session] || mark != "" && carries(name, mark):
			found = append(found, s)
		default:
			others = append(others, s)
		}
	}
	below := map[int]bool{}
	for _, s := range found {
		below[s.pid] = true
	}
	for more := true; more; {
		more = false
		for _, s := range others {
			if below[s.parent] && !below[s.pid] {
				below[s.pid], more = true, true
				found = append(found, s)
			}
		}
	}
	return found, nil
}

// carries says whether a process was given mark in its environment. Daemons are known by
// that: they leave their session and their parent.
func carries(pid, mark string) bool {
	environ, err := os.ReadFile("/proc/" + pid + "/environ")
	return err == nil && bytes.Contains(environ, []byte(mark)) // another user's can't be read
}

// signalAll signals every process of procs, and those with mark in their environment, and
// says how many live ones there were.
func signalAll(procs []*proc, mark string, sig syscall.Signal) (int, error) {
	all, err := tree(procs, mark)
	if err != nil {
		return 0, err
	}
	alive := 0
	for _, s := range all {
		if s.zombie {
			continue
		}
		alive++
		if err := kill(s.pid, sig); err != nil {
			return alive, err
		}
	}
	return alive, nil
}

// alone says whether of the session of p, which has ended, nothing is left.
func alone(p *proc) bool {
	all, err := tree([]*proc{p}, "")
	return err == nil && len(all) == 0
}

// measure adds up what the processes use.
func measure(procs []*proc) (sandbox.Usage, error) {
	var u sandbox.Usage
	if len(procs) == 0 {
		return u, nil
	}
	all, err := tree(procs, "")
	seen := map[int]bool{}
	for _, s := range all {
		seen[s.pid] = true
		u.CPU += s.cpu
		if !s.zombie {
			u.MemoryBytes += s.memory
			u.Processes++
		}
	}
	for _, p := range procs {
		select {
		case <-p.done:
			if !seen[p.os.Pid] { // or its time is in the sum
				u.CPU += p.cpu
			}
		default:
		}
	}
	return u, err
}
