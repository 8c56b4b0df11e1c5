package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// idle has 1,000 functions invoked once each, looks at what their instances cost when
// nobody calls them, and calls each again.
func idle(ctx context.Context, b *bench) (err error) {
	count := b.times(1000, 60)
	languages := b.named("Python", "Node.js")
	if len(languages) != 2 {
		return errors.New("there are not both Node.js and Python here")
	}
	var ends closers
	defer ends.close(&err)
	w, err := b.startWick("--idle-timeout", "1h")
	if err != nil {
		return err
	}
	ends.add(w.Stop)
	pause(ctx, 3*time.Second)
	before, err := b.census(ctx, w)
	if err != nil {
		return err
	}
	code := map[*language][]byte{}
	for _, l := range languages {
		if code[l], err = work(map[string]string{"Python": "work.py", "Node.js": "work.mjs"}[l.name]); err != nil {
			return err
		}
	}
	name := func(n int) string { return fmt.Sprint("idle-", n) }
	began := time.Now()
	err = workers(count, 8, func(n int) error {
		l := languages[n%2]
		return w.createOf(ctx, name(n), l.runtime, "work.handler", code[l])
	})
	if err != nil {
		return err
	}
	created := time.Since(began)
	began = time.Now()
	if _, err := callAll(ctx, w, count, name, 2*runtime.NumCPU(), 1); err != nil {
		return err
	}
	started := time.Since(began)
	// Called once more each, as functions in use have been.
	if _, err := callAll(ctx, w, count, name, 2*runtime.NumCPU(), 2); err != nil {
		return err
	}
	if err := w.awaitQuiet(ctx); err != nil {
		return err
	}
	then, err := b.census(ctx, w)
	if err != nil {
		return err
	}
	const watch = 10 * time.Second
	pause(ctx, watch)
	now, err := b.census(ctx, w)
	if err != nil {
		return err
	}
	again, err := callAll(ctx, w, count, name, 1, 3)
	if err != nil {
		return err
	}
	b.addIdle(before, then, now, again, count, watch,
		fmt.Sprintf("%d functions, 1,769 MB each, invoked twice; created in %v, first events in %v (%.0f/s)", count,
			created.Round(time.Second), started.Round(time.Second), float64(count)/started.Seconds()))
	return nil
}

// awaitQuiet waits until what was booted ahead while many were started is no longer kept,
// for two minutes at most.
func (w *wickServer) awaitQuiet(ctx context.Context) error {
	for deadline := time.Now().Add(2 * time.Minute); ; {
		pause(ctx, 5*time.Second)
		live, err := w.live(ctx)
		if err != nil || len(live.Ahead) <= 2 || time.Now().After(deadline) {
			return err
		}
	}
}

// census is what a server and all below it use.
type census struct {
	pss, private map[string]int64 // by the process's name; the server's is "wick"
	count        map[string]int
	cpu          time.Duration // of the instances
	serverCPU    time.Duration
	machine      machineMemory
}

func (c census) sum() (all int64) {
	for _, n := range c.pss {
		all += n
	}
	return all
}

func (b *bench) census(ctx context.Context, w *wickServer) (census, error) {
	c := census{pss: map[string]int64{}, private: map[string]int64{}, count: map[string]int{}}
	server, err := w.pid(ctx)
	if err != nil {
		return c, err
	}
	if c.serverCPU, err = cpuTime(server); err != nil {
		return c, err
	}
	if c.machine, err = memoryOfMachine(); err != nil {
		return c, err
	}
	all, err := below(server)
	if err != nil {
		return c, err
	}
	for _, p := range append(all, process{pid: server, name: "wick"}) {
		m, err := memoryOf(p.pid)
		if err != nil {
			continue // it has just ended
		}
		c.pss[p.name] += m.pss
		c.private[p.name] += m.private
		c.count[p.name]++
		if p.pid != server {
			c.cpu += p.cpu
		}
	}
	return c, nil
}

func (b *bench) addIdle(before, then, now census, again sample, count int, watch time.Duration, how string) {
	const gib = 1 << 30
	limit := 8 * float64(count) / 1000
	gone := float64(before.machine.available-now.machine.available) / gib
	pss := float64(now.sum()) / gib
	b.add(row{what: fmt.Sprintf("%d idle instances: what the machine has less of (MemAvailable); processes alone (PSS, the server's too) %.2f GiB", count, pss), how: how}.
		under(max(gone, pss), limit, "%.2f GiB"))
	for _, of := range [][2]string{{"node", "Node.js"}, {"python3.11", "Python"}, {"wick", "wick serve"}, {"wick-init", "wick-init"}} {
		name, what := of[0], of[1]
		if n := int64(now.count[name]); n > 0 {
			b.add(row{what: fmt.Sprintf("%d idle instances: memory of one %s process (PSS; its own alone: %s)", count, what, mib(now.private[name]/n)), figure: mib(now.pss[name] / n), how: how})
		}
	}
	each := func(part func(machineMemory) int64) string {
		return fmt.Sprintf("%.0f KiB", float64(part(now.machine)-part(before.machine))/float64(count)/(1<<10))
	}
	b.add(row{
		what: fmt.Sprintf("%d idle instances: the kernel's memory for one: page tables %s, threads' stacks %s; objects it can't free", count,
			each(func(m machineMemory) int64 { return m.tables }), each(func(m machineMemory) int64 { return m.stacks })),
		figure: each(func(m machineMemory) int64 { return m.objects }), how: "half of them Python, half Node.js; all of the machine's, before and after",
	})
	cpu := 100 * (now.cpu - then.cpu).Seconds() / watch.Seconds()
	b.add(row{what: fmt.Sprintf("%d idle instances: CPU they use; the server uses %.1f %% of one", count, 100*(now.serverCPU-then.serverCPU).Seconds()/watch.Seconds()), how: fmt.Sprintf("in %v", watch)}.
		under(cpu, 0, "%.1f %%"))
	r := times(fmt.Sprintf("%d idle instances: each answers when called, from the same instance", count), again, "one after the other, a connection each")
	r.figure, r.bar, r.reached = fmt.Sprint(len(again)), fmt.Sprintf("= %d", count), len(again) == count
	b.add(r)
}

// callAll sends each function one event and checks that its instance has seen so many.
func callAll(ctx context.Context, w *wickServer, count int, name func(int) string, atATime, calls int) (sample, error) {
	var all samples
	t, err := parseTarget(w.URL)
	if err != nil {
		return nil, err
	}
	err = workers(count, atATime, func(n int) error {
		c, err := dial(ctx, t.address)
		if err != nil {
			return err
		}
		began := time.Now()
		status, _, body, err := c.post(path(name(n)), `{"ms": 1}`)
		took := time.Since(began)
		if err := errors.Join(err, c.Close()); err != nil {
			return err
		}
		var got struct{ Calls int }
		if err := json.Unmarshal(body, &got); err != nil || status != http.StatusOK {
			return fmt.Errorf("%s answers %d %s", name(n), status, body)
		}
		if got.Calls == calls { // else it is another instance
			all.add(took)
		}
		return nil
	})
	return all.all, err
}

// workers does something for each of 0 to count-1, a few at a time.
func workers(count, atATime int, do func(int) error) error {
	var group sync.WaitGroup
	errs := make([]error, atATime)
	for worker := range errs {
		group.Go(func() {
			for n := worker; n < count && errs[worker] == nil; n += atATime {
				errs[worker] = do(n)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
