package endurance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/client"
	"github.com/wick-run/wick/internal/testkit/wickserver"
)

var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "wick-endurance-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary, err = wickserver.Build(dir); err == nil {
		err = buildPackages(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// server is a running wick serve and AWS's own client for it.
type server struct {
	*wickserver.Server
	lambda *lambda.Client
}

// get asks one of Wick's own endpoints.
func (s *server) get(t *testing.T, path string, answer any) {
	t.Helper()
	resp, err := http.Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// states is how many instances of functions are in each state, all of them under "".
func (s *server) states(t *testing.T) map[wick.InstanceState]int {
	t.Helper()
	var live client.Instances
	s.get(t, "/_wick/ps", &live)
	n := map[wick.InstanceState]int{"": len(live.Instances)}
	for _, i := range live.Instances {
		n[i.State]++
	}
	return n
}

// await returns when done; it fails the test when that takes so long that it must be
// stuck. A server's instances can't be waited for but by asking.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Since(began) > patience {
			t.Fatalf("after %s it is still not true: %s", patience, what)
		}
		<-tick.C
	}
}

const patience = 2 * wickserver.Patience

// ends are the ways in which instances come to their end, one a round.
var ends = []struct {
	name   string
	exits  bool
	before func(*testing.T, *server, *crowd) // while they work
	after  func(*testing.T, *server, *crowd) // when they are idle
}{
	{name: "their function is deleted", after: deleteAll},
	{name: "they are idle for long", after: func(*testing.T, *server, *crowd) {}},
	{name: "their function is deleted while they work", before: deleteAll},
	{name: "their function is configured anew", after: func(t *testing.T, s *server, c *crowd) {
		for _, name := range c.functions {
			in := &lambda.UpdateFunctionConfigurationInput{FunctionName: &name, MemorySize: aws.Int32(256)}
			if _, err := s.lambda.UpdateFunctionConfiguration(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{name: "their process exits, then their function is deleted", exits: true, after: deleteAll},
}

func deleteAll(t *testing.T, s *server, c *crowd) {
	for _, name := range c.functions {
		s.delete(t, name)
	}
	c.functions = nil
}

func TestNothingIsLeftOfManyInstances(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("control groups, mounts and network slots need root")
	}
	total := 60
	if v := os.Getenv("WICK_ENDURANCE_INSTANCES"); v != "" {
		var err error
		if total, err = strconv.Atoi(v); err != nil || total < 10*len(ends) {
			t.Fatalf("WICK_ENDURANCE_INSTANCES=%q is no number of at least %d", v, 10*len(ends))
		}
	}
	// Long enough for the other ways to come first; what is booted ahead stays as long.
	idleTimeout := 2*time.Second + time.Duration(total)*10*time.Millisecond
	running, err := wickserver.Start(binary, filepath.Join(t.TempDir(), "data"),
		"--idle-timeout", idleTimeout.String(), "--queue-wait", "10m", "--memory", "20GiB")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{running, running.Client()}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the operator's log:\n%s", s.OperatorLog())
		}
	})
	var r report
	r.add("started", s.count(t))

	// Pools and caches reach the size they keep, which of disks is twenty; then it counts.
	s.round(t, &r, "warm", max(total/len(ends)/4, 24), 0)
	r.add("before", s.settled(t, nil))
	before := r.last()
	for n := range ends {
		s.round(t, &r, strconv.Itoa(n), total/len(ends), n)
	}
	r.add("after", s.settled(t, before))
	after := r.last()

	var health client.Health
	s.get(t, "/_wick/health", &health)
	dataDir := s.DataDir
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	r.add("stopped", outside(t, dataDir, health.PID))
	r.print(t)
	for _, what := range before.differs(after) {
		t.Errorf("%s: %d before, %d after", what, before[what], after[what])
	}
	stopped := r.last()
	for _, what := range exact {
		if what != disk && stopped[what] != 0 {
			t.Errorf("%s: %d stay when the server has stopped", what, stopped[what])
		}
	}
}

// round starts size instances that all work at the same time, and ends them in the way
// numbered end.
func (s *server) round(t *testing.T, r *report, name string, size, end int) {
	t.Helper()
	way := ends[end]
	began := time.Now()
	c := s.gather(t, name, size, way.exits)
	await(t, fmt.Sprintf("%d instances work", size), func() bool { return t.Failed() || s.states(t)[wick.InstanceBusy] == size })
	starting := time.Since(began)
	busy := s.count(t)
	if way.before != nil {
		way.before(t, s, c)
	}
	c.open(t, s, way.exits)
	var use map[string]memory
	if way.before == nil && !way.exits {
		await(t, "all instances are frozen", func() bool { n := s.states(t); return n[wick.InstanceFrozen] == n[""] })
		use = s.memory(t)
	}
	began = time.Now()
	if way.after != nil {
		way.after(t, s, c)
	}
	await(t, "all instances are gone", func() bool { return s.states(t)[""] == 0 })
	stopping := time.Since(began)
	deleteAll(t, s, c)
	r.addRound(name, busy, fmt.Sprintf("round %-4s %4d instances, %5.1f/s started, gone after %4.1f s: %s",
		name, size, float64(size)/starting.Seconds(), stopping.Seconds(), way.name), use)
}

// settled counts when what ends in the background has ended: when the count is like want
// or, without one, hasn't changed for longer than the pools take to shrink.
func (s *server) settled(t *testing.T, want census) census {
	t.Helper()
	const quiet = 10 * time.Second // a slow machine takes seconds for one more disk
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	await(t, "nothing is booted ahead any more", func() bool {
		var live client.Instances
		s.get(t, "/_wick/ps", &live)
		return len(live.Ahead) == 0
	})
	limit := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last, since := s.count(t), time.Now()
	for {
		if want != nil && len(want.differs(last)) == 0 || want == nil && time.Since(since) > quiet {
			return last
		}
		select {
		case <-tick.C:
		case <-limit:
			return last // the caller compares
		}
		if now := s.count(t); len(last.differs(now)) > 0 {
			last, since = now, time.Now()
		}
	}
}

// memory is what the processes of an instance have on average, by language.
func (s *server) memory(t *testing.T) map[string]memory {
	t.Helper()
	var health client.Health
	s.get(t, "/_wick/health", &health)
	sum, n := map[string]memory{}, map[string]int64{}
	for _, pid := range descendants(t, health.PID) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // it may have ended
		program, _, _ := strings.Cut(string(line), "\x00")
		for _, l := range append(slices.Clone(languages), language{name: "wick-init", program: "wick-init"}) {
			if strings.HasPrefix(filepath.Base(program), l.program) {
				m := memoryOf(pid)
				sum[l.name] = memory{sum[l.name].rss + m.rss, sum[l.name].private + m.private}
				n[l.name]++
				break
			}
		}
	}
	for name, m := range sum {
		sum[name] = memory{m.rss / n[name], m.private / n[name]}
	}
	sum["server"] = memoryOf(health.PID)
	return sum
}
