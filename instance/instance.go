package instance

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/credentials"
	"github.com/wick-run/wick/instance/runtimeapi"
	"github.com/wick-run/wick/runtimes"
	"github.com/wick-run/wick/sandbox"
)

// Limits of an instance. Source: Lambda quotas; developer guide, execution environment.
const (
	initLimit       = 10 * time.Second
	maxProcesses    = 1024
	initCPUMilli    = 2000
	credentialsLast = 12 * time.Hour
	freezeAfter     = 100 * time.Millisecond
	defaultTmpMB    = 512
)

// Code finds unpacked packages.
type Code interface {
	// Acquire returns the host's folder with a package, unpacking it if need be; it
	// stays as it is until release is called.
	Acquire(ctx context.Context, sha256 string) (dir string, release func(), err error)
	// AcquireLayers is Acquire for packages laid over one another, one at least.
	AcquireLayers(ctx context.Context, sha256 []string) (dir string, release func(), err error)
}

// Resolver answers DNS queries that arrive on an instance's sockets, in the
// background, until they are closed.
type Resolver interface {
	ServePacket(net.PacketConn)
	ServeListener(net.Listener)
}

// Host is what all instances of a server share.
type Host struct {
	Driver      sandbox.Driver
	Runtimes    *runtimes.Set
	Code        Code
	Credentials *credentials.Issuer
	// CredentialsLast is how long a function's credentials hold: longer than any
	// instance lives. 0: 12 hours.
	CredentialsLast time.Duration
	Recorder        wick.Recorder
	Log             *slog.Logger
	// ServeAPI serves Wick's own API on a listener until that is closed.
	ServeAPI func(net.Listener)
	// InjectEndpoint puts AWS_ENDPOINT_URL, which leads there, into environments.
	InjectEndpoint bool
	Resolver       Resolver // nil where the sandbox has the host's network
	Traces         Traces   // nil: what functions send to the X-Ray daemon is lost
	Egress         bool
	Preparer       *Preparer // nil: nothing is prepared

	booted sync.Map // Keys of plans that an instance was booted by

	lastWords time.Duration // 0: lastWordsTime
}

// errStopped ends the assigning of an instance that is being stopped.
var errStopped = errors.New("the instance was stopped")

// Plan is how a function's instances are booted; an instance booted by one plan can be
// assigned to a function of any plan with the same Key.
type Plan struct {
	Key   string
	Match runtimes.Match
	Stem  bool // the runtime's bootstrap is started before any function is known
	TmpMB int
	// Like is a function that it is for, or one that differs from it in nothing that
	// matters before it is assigned.
	Like *wick.Function
}

// Plan returns how to boot an instance for a function. InvalidParameter if no
// interpreter of its language is on the machine.
func (h *Host) Plan(f *wick.Function) (Plan, error) {
	m, err := h.Runtimes.Match(f.Runtime, false)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Match: m, Stem: !h.Runtimes.NeedsOrdinary(m, f), TmpMB: max(f.EphemeralMB, defaultTmpMB), Like: f}
	p.Key = fmt.Sprintf("%s/%t/%t/%d", h.Runtimes.StemKey(m, f), p.Stem, f.Runtime == runtimeAL2, p.TmpMB)
	return p, nil
}

// Instance is one execution environment. Its methods can be called from several
// goroutines, but Boot, Assign and Invoke follow one another.
type Instance struct {
	host     *Host
	id       string
	plan     Plan
	released func(*Instance)
	born     time.Time

	box     sandbox.Sandbox
	journal *journal
	inside  inside
	conns   runtimeapi.Conns
	wg      sync.WaitGroup // watchers, servers, conversations

	// lifeMu makes the starting and the ending of a runtime exclude each other; it is
	// taken before mu.
	lifeMu sync.Mutex
	// iceMu makes freezing and thawing exclude each other; it is taken before mu.
	iceMu  sync.Mutex
	freeze *time.Timer

	mu          sync.Mutex // guards what follows; never held across I/O
	match       runtimes.Match
	state       wick.InstanceState
	generation  int             // rises whenever a runtime's process is started or given up
	running     bool            // a runtime's process of this generation is alive
	process     sandbox.Process // the last runtime's, nil before the first
	unkilled    error           // why processes of the last one may still be there: no other is started
	waiters     []*runtimeapi.Conn
	asked       *runtimeapi.Conn // a booted runtime's parked question for its function
	booted      chan struct{}    // closed when that is there, or never will be
	function    *wick.Function
	folders     folders
	releases    []func() // let go of those
	environ     map[string]string
	assignment  []byte // the answer to that question
	starting    chan *fault
	call        *call
	invocations int64
	initTook    time.Duration // of a successful init, reported with the first event

	stop    sync.Once
	stopped chan struct{}
	stopErr error
}

// Boot makes an instance of a language: its sandbox and, where the plan says so, its
// bootstrap, which goes on starting when Boot returns. released is called whenever
// the instance has finished an event and can take another, from a goroutine of the
// instance's own: it must not call Stop. An error leaves nothing behind.
func (h *Host) Boot(ctx context.Context, p Plan, released func(*Instance)) (*Instance, error) {
	i := &Instance{
		host: h, id: newID(), plan: p, released: released, born: time.Now(),
		state: wick.InstanceBooting, match: p.Match, booted: make(chan struct{}), stopped: make(chan struct{}),
	}
	h.Preparer.wantArchive(p.Match)
	i.freeze = time.AfterFunc(time.Hour, i.freezeIfIdle)
	i.freeze.Stop()
	box, err := h.Driver.Create(ctx, sandbox.Spec{
		ID: i.id[:16], Hostname: "169.254.100.1", Mounts: mountsOf(p.Match),
		Slots: append(h.Runtimes.PackSlots(p.Match), "/var/task", "/opt"), Folders: []string{"/var/task/lib", "/opt/lib"}, TmpMB: p.TmpMB,
		Limits: sandbox.Limits{Processes: maxProcesses}, Egress: h.Egress,
	})
	if err != nil {
		return nil, fmt.Errorf("making a sandbox: %w", err)
	}
	i.box = box
	if i.journal, err = newJournal(h.Recorder, time.Now); err == nil {
		if err = i.serveInside(); err == nil && p.Stem {
			err = i.startRuntime()
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("booting an instance of %s: %w", p.Match.Runtime, err), i.Stop())
	}
	if !p.Stem { // nothing to wait for until there is a function
		i.mu.Lock()
		i.bootedLocked()
		i.mu.Unlock()
	}
	return i, nil
}

func newID() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil { // it never fails on the systems we run on
		panic(err)
	}
	return hex.EncodeToString(b[:])
}

// StemKey says what the instance was made with: see runtimes.Match.
func (i *Instance) StemKey() string { return i.plan.Match.StemKey() }

// bootedLocked notes, once, that there is nothing to wait for any more before a
// function is assigned; i.mu is held.
func (i *Instance) bootedLocked() {
	if i.state == wick.InstanceBooting {
		_ = i.moveLocked(wick.InstanceBooted) // legal from booting
		i.journal.rest()                      // a booted runtime has nothing to say
		close(i.booted)
	}
}

// AwaitBooted returns when the bootstrap waits for its function, or has ended without.
func (i *Instance) AwaitBooted(ctx context.Context) {
	select {
	case <-i.booted:
	case <-i.stopped:
	case <-ctx.Done():
	}
}

// Assign makes the instance f's, whose plan p is: its code, limits and environment,
// then its init. A function whose init fails is no error: the init is tried again with
// the first event, as Lambda does. An error means the instance is of no use; the caller
// stops it.
func (i *Instance) Assign(ctx context.Context, p Plan, f *wick.Function) error {
	dirs, err := i.attach(ctx, f)
	if err != nil {
		return err
	}
	if err := i.box.Limit(limitsOf(f, true)); err != nil {
		return fmt.Errorf("limiting %s: %w", f.Name, err)
	}
	if err := i.box.ResetPeak(); err != nil {
		return fmt.Errorf("measuring the memory of %s: %w", f.Name, err)
	}
	src := i.sourceOf(f, time.Now())
	creds, err := i.host.Credentials.For(f, cmp.Or(i.host.CredentialsLast, credentialsLast))
	if err != nil {
		return fmt.Errorf("making credentials for %s: %w", f.Name, err)
	}
	env := environment(runtimes.Environment(f, p.Match), src, i.inside.addresses, creds)
	i.mapPaths(env, f)
	doc, err := json.Marshal(struct {
		Env map[string]string `json:"env"`
	}{env})
	if err != nil {
		return err
	}
	i.mu.Lock()
	i.function, i.match, i.folders, i.environ, i.assignment = f, p.Match, dirs, env, doc
	err = i.moveLocked(wick.InstanceInit)
	i.mu.Unlock()
	if err != nil {
		return err
	}
	i.journal.assign(src)

	failed, took, err := i.initialise(wick.PhaseInit, initLimit)
	if err != nil {
		return err
	}
	if err := i.box.Limit(limitsOf(f, false)); err != nil {
		return fmt.Errorf("limiting %s: %w", f.Name, err)
	}
	next := wick.InstanceIdle
	i.mu.Lock()
	if failed == nil {
		i.initTook = took
	}
	if !i.running { // it may also have ended just after it had been ready
		next = wick.InstanceReset
	}
	err = i.moveLocked(next)
	i.mu.Unlock()
	if err == nil {
		i.journal.state(time.Now(), wick.StateChanged{From: wick.InstanceInit, To: next})
		if next == wick.InstanceIdle {
			i.freeze.Reset(freezeAfter) // its event may have gone to another
		}
	}
	return err
}

// limitsOf returns what an instance of f may use; its init isn't slowed down to the
// function's share of a CPU. Source: Lambda developer guide, memory and CPU.
func limitsOf(f *wick.Function, init bool) sandbox.Limits {
	l := sandbox.Limits{
		MemoryBytes: int64(f.MemoryMB) << 20, Processes: maxProcesses,
		CPUMilli: max(f.MemoryMB*1000/1769, 1),
	}
	if init {
		l.CPUMilli = max(l.CPUMilli, initCPUMilli)
	}
	return l
}

// sourceOf names the instance's log stream. Source: Lambda developer guide, log
// streams, as recorded; with a group of the user's own the function's name is in it.
func (i *Instance) sourceOf(f *wick.Function, at time.Time) *wick.Source {
	name := ""
	group := f.Logging.Group
	if group == "" {
		group = "/aws/lambda/" + f.Name
	}
	if group != "/aws/lambda/"+f.Name {
		name = f.Name
	}
	return &wick.Source{
		InstanceID: i.id, Function: f, LogGroup: group,
		LogStream: at.UTC().Format("2006/01/02/") + name + "[" + f.Version + "]" + i.id,
	}
}

// mapPaths rewrites, where the sandbox has no walls, the folders a runtime is told of.
func (i *Instance) mapPaths(env map[string]string, f *wick.Function) {
	if i.box.Path("/var/task") == "/var/task" {
		return
	}
	for k, v := range env {
		if _, own := f.Environment[k]; !own {
			env[k] = rewritePaths(v, i.box.Path)
		}
	}
}

// mapCommand does the same for a command.
func (i *Instance) mapCommand(c *runtimes.Command) {
	if i.box.Path("/var/task") == "/var/task" {
		return
	}
	c.Path, c.Dir = i.box.Path(c.Path), i.box.Path(c.Dir)
	c.Args = slices.Clone(c.Args)
	for n, a := range c.Args {
		option, path, ok := strings.Cut(a, "=")
		if !ok || !strings.HasPrefix(option, "-") {
			option, path = "", a
		} else {
			option += "="
		}
		c.Args[n] = option + rewritePaths(path, i.box.Path)
	}
	if i.plan.Stem { // what an assigned runtime gets has been mapped already
		c.Env = slices.Clone(c.Env)
		for n, v := range c.Env {
			name, value, _ := strings.Cut(v, "=")
			c.Env[n] = name + "=" + rewritePaths(value, i.box.Path)
		}
	}
}

// rewritePaths maps each folder in a list separated by colons that has a place of
// its own where there are no walls.
func rewritePaths(v string, path func(string) string) string {
	parts := strings.Split(v, ":")
	for n, p := range parts {
		if strings.HasPrefix(p, "/var/") || strings.HasPrefix(p, "/opt") {
			parts[n] = path(p)
		}
	}
	return strings.Join(parts, ":")
}

// moveLocked changes the state; i.mu is held.
func (i *Instance) moveLocked(to wick.InstanceState) error {
	next, err := move(i.state, to)
	i.state = next
	return err
}

// ID returns the instance's 32 hex digits.
func (i *Instance) ID() string { return i.id }

// Born returns when the instance was booted.
func (i *Instance) Born() time.Time { return i.born }

// State returns where it is in its life.
func (i *Instance) State() wick.InstanceState {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.state
}

// MemoryBytes returns what its processes use now; 0 when that can't be read.
func (i *Instance) MemoryBytes() int64 {
	u, err := i.box.Usage()
	if err != nil { // being stopped
		return 0
	}
	return u.MemoryBytes
}

// Status returns what an operator sees of it.
func (i *Instance) Status(now time.Time) wick.InstanceStatus {
	memory := i.MemoryBytes()
	src := i.journal.source()
	i.mu.Lock()
	defer i.mu.Unlock()
	s := wick.InstanceStatus{
		ID: i.id, Runtime: i.match.Runtime, State: i.state, Age: now.Sub(i.born),
		MemoryBytes: memory, Invocations: i.invocations,
	}
	if src != nil {
		s.Function, s.Version, s.LogStream = src.Function.Name, src.Function.Version, src.LogStream
	}
	if i.call != nil {
		s.RequestID = i.call.inv.RequestID
	}
	return s
}

// freezeIfIdle stops an idle instance's processes from running until its next event.
func (i *Instance) freezeIfIdle() {
	i.iceMu.Lock()
	defer i.iceMu.Unlock()
	i.mu.Lock()
	if i.state != wick.InstanceIdle {
		i.mu.Unlock()
		return
	}
	err := i.moveLocked(wick.InstanceFrozen)
	i.mu.Unlock()
	if err == nil {
		if err = i.box.Freeze(); err == nil {
			i.journal.rest()
		}
	}
	i.journal.state(time.Now(), wick.StateChanged{From: wick.InstanceIdle, To: wick.InstanceFrozen})
	if err != nil {
		i.host.Log.Warn("an idle instance can't be frozen", "instance", i.id, "error", err)
	}
}

func (i *Instance) thaw() error {
	i.iceMu.Lock()
	defer i.iceMu.Unlock()
	return i.box.Thaw()
}

// Stop ends the instance in whatever state it is, an event it works on included, and
// returns when nothing is left of it. It can be called twice.
func (i *Instance) Stop() error {
	i.stop.Do(func() {
		defer close(i.stopped)
		i.freeze.Stop()
		i.mu.Lock()
		from := i.state
		// Stopping is legal from every state but the last two, and they are only
		// reached here.
		_ = i.moveLocked(wick.InstanceStopping)
		i.generation++
		c, starting, releases := i.call, i.starting, i.releases
		i.call, i.starting, i.releases = nil, nil, nil
		cut := c != nil && c.begun && !c.ending
		i.mu.Unlock()
		var last []wick.Event
		if cut { // measured while there is something to measure
			f := stoppedFault
			if c.responded {
				f = nil
			}
			last = i.outcome(c, time.Now(), f)
		}

		i.iceMu.Lock() // a freeze under way ends first
		errs := []error{i.box.Close(), i.closeInside()}
		i.iceMu.Unlock()
		i.conns.Close()
		i.wg.Wait()
		for _, release := range releases {
			release()
		}
		if starting != nil {
			starting <- stoppedFault
		}
		if c != nil {
			c.abandon()
		}
		if i.journal != nil {
			i.journal.state(time.Now(), append(last, wick.StateChanged{From: from, To: wick.InstanceStopped})...)
			i.journal.close()
		}
		i.stopErr = errors.Join(errs...)
		i.mu.Lock()
		_ = i.moveLocked(wick.InstanceStopped)
		i.mu.Unlock()
	})
	<-i.stopped
	return i.stopErr
}
