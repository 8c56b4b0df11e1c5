package linux

import (
	"fmt"
	"github.com/wick-run/wick/sandbox"
	"sort"
	"testing"
	"time"
)

func TestLap(t *testing.T) {
	laps := map[string][]time.Duration{}
	lap := func(n string, f func()) { t0 := time.Now(); f(); laps[n] = append(laps[n], time.Since(t0)) }
	d := open(t)
	for i := range 200 {
		var s sandbox.Sandbox
		var p sandbox.Process
		var err error
		lap("create", func() { s, err = d.Create(t.Context(), benchSpec(i)) })
		if err != nil {
			t.Fatal(err)
		}
		lap("start", func() { p, err = s.Start(sandbox.Command{Path: "/bin/true", Args: []string{"true"}}) })
		if err != nil {
			t.Fatal(err)
		}
		lap("wait", func() { <-p.Done() })
		lap("start2", func() { p, err = s.Start(sandbox.Command{Path: "/bin/sleep", Args: []string{"sleep", "1000"}}) })
		lap("attach", func() { s.Attach(sandbox.Mount{Source: "/usr/share", Target: "/opt"}) })
		lap("freeze", func() { s.Freeze() })
		lap("thaw", func() { s.Thaw() })
		lap("usage", func() { s.Usage() })
		lap("limit", func() { s.Limit(sandbox.Limits{MemoryBytes: 256 << 20}) })
		lap("killall", func() { s.KillAll() })
		lap("close", func() { s.Close() })
		time.Sleep(10 * time.Millisecond)
	}
	for n, l := range laps {
		sort.Slice(l, func(i, j int) bool { return l[i] < l[j] })
		fmt.Println(n, l[0], l[len(l)/2], l[len(l)*9/10])
	}
}
