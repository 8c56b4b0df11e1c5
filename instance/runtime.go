package instance

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance/runtimeapi"
	"github.com/wick-run/wick/runtimes"
	"github.com/wick-run/wick/sandbox"
)

// settleTime bounds how long a dead runtime's connections may take to be read to
// their end; they hold what it wrote just before.
const settleTime = time.Second

// lastWordsTime bounds how long a runtime may take to end after it has reported that its
// init failed.
const lastWordsTime = 500 * time.Millisecond

// stoppedFault ends an init whose instance is being stopped.
var stoppedFault = &fault{status: wick.StatusFailure, errorType: errTypeUnknown, message: "the instance was stopped"}

// initialise brings the runtime to its first poll, starting it if it isn't running.
// It returns how that failed, if it did, and how long it took. Nothing of a failed
// runtime runs on. An error means that the machine couldn't start one.
func (i *Instance) initialise(phase wick.Phase, limit time.Duration) (failed *fault, took time.Duration, err error) {
	began := time.Now()
	i.journal.state(began, wick.InitStart{
		Phase: phase, InitializationType: initializationOnDemand,
		RuntimeVersion: i.match.RuntimeVersion, RuntimeVersionARN: wick.RuntimeVersionARN(i.function.Region, i.match.Runtime),
	})
	starting := make(chan *fault, 1)
	i.mu.Lock()
	i.starting = starting
	running := i.running
	asked := i.asked
	i.asked = nil
	assignment := i.assignment
	if i.state == wick.InstanceStopping || i.state == wick.InstanceStopped {
		i.starting = nil
		starting <- stoppedFault
		running = true
	}
	i.mu.Unlock()

	switch {
	case asked != nil:
		if err := asked.SendAssignment(assignment); err != nil {
			i.host.Log.Debug("a booted runtime was gone when assigned", "instance", i.id, "error", err)
		} // its exit is seen by its watcher
	case !running:
		if err := i.startRuntime(); err != nil {
			var f *startError
			if !errors.As(err, &f) {
				i.mu.Lock()
				i.starting = nil
				i.mu.Unlock()
				return nil, 0, fmt.Errorf("starting a runtime of %s: %w", i.match.Runtime, err)
			}
			i.signalStart(f.fault)
		}
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case failed = <-starting:
	case <-timer.C:
		i.mu.Lock()
		i.starting = nil
		i.mu.Unlock()
		select {
		case failed = <-starting: // it was ready in the same moment
		default:
			failed = timeoutFault(limit)
		}
	}
	took = time.Since(began)
	if failed != nil {
		if failed.status == wick.StatusError { // the runtime said so itself
			i.awaitLastWords()
		}
		i.kill()
	}
	done := wick.InitDone{Phase: phase, Status: wick.StatusSuccess, Duration: took}
	if failed != nil {
		done.Status, done.ErrorType = wick.StatusError, failed.errorType
		if failed.status == wick.StatusTimeout {
			done.Duration = min(took, limit)
			// When it is the event's time that is over, its REPORT says so; of the init
			// AWS then says no more than that it failed.
			done.ErrorType = errTypeUnknown
			if phase == wick.PhaseInit {
				done.Status, done.ErrorType = wick.StatusTimeout, ""
			}
		}
	}
	i.journal.state(time.Now(), done)
	return failed, took, nil
}

// awaitLastWords gives a runtime that has reported a failed init the time to end by
// itself, as they all do: what it prints then belongs to the log.
func (i *Instance) awaitLastWords() {
	i.mu.Lock()
	i.generation++ // it is given up: its end is nothing to act on
	p := i.process
	i.mu.Unlock()
	if p == nil {
		return
	}
	timer := time.NewTimer(cmp.Or(i.host.lastWords, lastWordsTime))
	defer timer.Stop()
	select {
	case <-p.Done():
	case <-timer.C:
	}
}

// initialiseAgain brings a reset instance's runtime to its first poll.
func (i *Instance) initialiseAgain(limit time.Duration) (*fault, error) {
	i.limit(true)
	failed, _, err := i.initialise(wick.PhaseInvoke, limit)
	i.limit(false)
	return failed, err
}

// limit sets what a running instance may use. A failure costs speed, not correctness.
func (i *Instance) limit(init bool) {
	if err := i.box.Limit(limitsOf(i.function, init)); err != nil {
		i.host.Log.Warn("an instance's limits could not be changed", "instance", i.id, "error", err)
	}
}

// signalStart ends the init under way, if there is one.
func (i *Instance) signalStart(f *fault) {
	i.mu.Lock()
	starting := i.starting
	i.starting = nil
	i.mu.Unlock()
	if starting != nil {
		starting <- f // one place, and whoever took the channel fills it
	}
}

// startError is a failure to start that is the function's, not the machine's.
type startError struct{ fault *fault }

func (e *startError) Error() string { return e.fault.message }

// startRuntime starts the runtime's process: a stem's bootstrap, which asks for its
// function over a socket it inherits, or the function's own program.
func (i *Instance) startRuntime() error {
	i.lifeMu.Lock() // what ends the last one has ended it
	defer i.lifeMu.Unlock()
	i.mu.Lock()
	i.generation++
	generation := i.generation
	function, environ := i.function, i.environ
	unkilled := i.unkilled
	i.mu.Unlock()
	if unkilled != nil {
		return unkilled
	}

	var cmd runtimes.Command
	var files []*os.File
	if i.plan.Stem {
		cmd = i.host.Runtimes.Stem(i.plan.Match, i.plan.Like)
		if _, others := i.host.booted.LoadOrStore(i.plan.Key, true); !others {
			cmd.Env = append(cmd.Env, runtimes.StemAtOnce)
		}
		ours, theirs, err := socketPair()
		if err != nil {
			return err
		}
		defer theirs.Close() //nolint:errcheck // the process has its own copy
		files = []*os.File{theirs}
		i.conns.Go(ours, runtimeCalls{i}, true)
	} else {
		var err *startError
		if cmd, err = i.ordinaryCommand(function, environ); err != nil {
			return err
		}
	}
	program := cmd.Path
	i.mapCommand(&cmd)
	i.journal.watch()
	p, err := i.start(sandbox.Command{
		Path: cmd.Path, Args: cmd.Args, Env: cmd.Env, Dir: cmd.Dir,
		Stdout: i.journal.w, Stderr: i.journal.w, Files: files,
	})
	if err != nil {
		var errno syscall.Errno
		if !i.plan.Stem && errors.As(err, &errno) {
			i.explainStart(program, err)
			return &startError{startFault(program, err)}
		}
		return err
	}
	i.mu.Lock()
	i.running = i.generation == generation
	stale := !i.running
	i.process = p
	if !stale {
		i.wg.Add(1)
	}
	i.mu.Unlock()
	if stale { // stopped meanwhile: the sandbox is going, and the process with it
		return nil
	}
	go i.watch(generation, p)
	return nil
}

// A program that was unpacked a moment ago is still open for writing in whatever process was
// being started just then, until that is another program: so it is tried again for a while.
const (
	writtenPause = 10 * time.Millisecond
	writtenTries = 200
)

// start starts a process.
func (i *Instance) start(c sandbox.Command) (sandbox.Process, error) {
	p, err := i.box.Start(c)
	for n := 0; n < writtenTries && errors.Is(err, syscall.ETXTBSY); n++ {
		time.Sleep(writtenPause)
		p, err = i.box.Start(c)
	}
	return p, err
}

// explainStart tells the operator why a function's program can't be started, which the
// function's log, as on AWS, only hints at.
func (i *Instance) explainStart(program string, err error) {
	i.mu.Lock()
	name := i.function.Name
	file, own := i.folders.host(program)
	i.mu.Unlock()
	reason := err.Error()
	var bad *runtimes.BinaryError
	if own && errors.As(runtimes.CheckBinary(file), &bad) {
		reason = bad.Detail
	}
	i.host.Log.Warn("a function's program can't be started: "+reason, "function", name, "program", program, "error", err)
}

// ordinaryCommand is the command of a function that isn't started from a stem.
func (i *Instance) ordinaryCommand(f *wick.Function, environ map[string]string) (runtimes.Command, *startError) {
	m := i.match
	m.Mounts = i.plan.Match.Mounts // the sandbox may be older than what f was matched with
	cmd := i.host.Runtimes.Ordinary(m, f)
	if i.match.Language == runtimes.Provided && cmd.Path == "" {
		path, ok := runtimes.FindBootstrap(i.folders.task, i.folders.opt)
		if !ok {
			return cmd, &startError{noBootstrapFault([]string{"/var/task/bootstrap", "/opt/bootstrap"})}
		}
		cmd.Path, cmd.Args = path, []string{path}
	}
	env := make([]string, 0, len(environ)+len(cmd.Env))
	for k, v := range environ {
		env = append(env, k+"="+v)
	}
	slices.Sort(env)
	cmd.Env = append(env, cmd.Env...)
	return cmd, nil
}

func socketPair() (ours net.Conn, theirs *os.File, err error) {
	syscall.ForkLock.RLock() // not every system marks sockets at once as ours alone
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	f := os.NewFile(uintptr(fds[0]), "runtime")
	theirs = os.NewFile(uintptr(fds[1]), "runtime")
	ours, err = net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return ours, theirs, nil
}

// watch waits for the end of a runtime's process and ends what it leaves unfinished.
func (i *Instance) watch(generation int, p sandbox.Process) {
	defer i.wg.Done()
	<-p.Done()
	i.lifeMu.Lock()
	i.mu.Lock()
	ours := generation == i.generation
	i.mu.Unlock()
	if !ours { // it was killed, or the instance is stopping
		i.lifeMu.Unlock()
		return
	}
	// Only then is it sure that what the runtime posted with its last breath is in.
	i.killLocked()

	// What is unfinished is this runtime's: another can't be started before lifeMu is free.
	f := exitFault(p.Exit())
	i.mu.Lock()
	starting, c := i.starting, i.call
	i.starting = nil
	from := i.state
	idle := starting == nil && c == nil && (from == wick.InstanceIdle || from == wick.InstanceFrozen)
	if idle {
		_ = i.moveLocked(wick.InstanceReset) // legal from both
	}
	booting := i.state == wick.InstanceBooting || i.state == wick.InstanceBooted
	i.mu.Unlock()
	i.lifeMu.Unlock()
	switch {
	case starting != nil:
		starting <- f
	case c != nil:
		i.end(c, f)
	case idle:
		i.journal.state(time.Now(), wick.StateChanged{From: from, To: wick.InstanceReset})
	case booting:
		i.mu.Lock()
		i.bootedLocked() // assigning it starts the runtime again
		i.mu.Unlock()
		i.host.Log.Error("a runtime ended before it had a function: "+f.message,
			"runtime", i.plan.Match.Runtime, "printed", i.journal.printedEarly())
	}
}

// kill ends the runtime, if it runs, with all processes of the instance and its
// conversations with them.
func (i *Instance) kill() {
	i.lifeMu.Lock()
	defer i.lifeMu.Unlock()
	i.killLocked()
}

// killLocked is kill for those who hold i.lifeMu.
func (i *Instance) killLocked() {
	i.mu.Lock()
	stopping := i.state == wick.InstanceStopping || i.state == wick.InstanceStopped
	if stopping || !i.running { // Stop ends them; somebody has
		i.mu.Unlock()
		return
	}
	i.generation++
	i.mu.Unlock()
	err := i.box.KillAll()
	if err != nil {
		i.host.Log.Error("processes of an instance could not be ended", "instance", i.id, "error", err)
	}
	i.conns.Settle(settleTime)
	i.journal.ended()
	if err == nil {
		i.journal.rest()
	}
	i.mu.Lock()
	i.unkilled = err
	i.running, i.waiters, i.asked = false, nil, nil
	i.mu.Unlock()
}

// runtimeCalls is an instance as its runtime's calls see it.
type runtimeCalls struct{ *Instance }

// Next implements runtimeapi.Runtime: the runtime is ready for an event.
func (i runtimeCalls) Next(conn *runtimeapi.Conn) {
	i.mu.Lock()
	i.waiters = append(i.waiters, conn)
	if starting := i.starting; starting != nil {
		i.starting = nil
		i.mu.Unlock()
		starting <- nil
		return
	}
	c := i.call
	switch {
	case c == nil || c.ending:
		i.mu.Unlock()
	case c.responded:
		c.ending = true
		i.mu.Unlock()
		i.complete(c)
	case c.undelivered:
		i.mu.Unlock()
		i.deliver(c)
	default: // a poll in the middle of an event waits for the next one
		i.mu.Unlock()
	}
}

// Assign implements runtimeapi.Runtime: a bootstrap asks which function it serves.
func (i runtimeCalls) Assign(conn *runtimeapi.Conn) {
	i.mu.Lock()
	doc := i.assignment
	if doc == nil {
		i.asked = conn
		i.bootedLocked()
	}
	i.mu.Unlock()
	if doc != nil {
		if err := conn.SendAssignment(doc); err != nil {
			i.host.Log.Debug("a booted runtime was gone when assigned", "instance", i.id, "error", err)
		}
	}
}

// FailInit implements runtimeapi.Runtime.
func (i runtimeCalls) FailInit(f runtimeapi.Failure) *runtimeapi.Refusal {
	i.mu.Lock()
	starting, c := i.starting, i.call
	i.starting = nil
	from := runtimeapi.StateReady
	switch {
	case c != nil && c.responded:
		from = runtimeapi.StateResponseSent
	case c != nil:
		from = runtimeapi.StateRunning
	}
	i.mu.Unlock()
	if starting == nil {
		return runtimeapi.InvalidTransition(from, "InitError")
	}
	starting <- &fault{status: wick.StatusError, errorType: reportedErrorType(f.Type), body: f.Body, message: f.Type}
	return nil
}

// Gone implements runtimeapi.Runtime.
func (i runtimeCalls) Gone(conn *runtimeapi.Conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waiters = slices.DeleteFunc(i.waiters, func(w *runtimeapi.Conn) bool { return w == conn })
	if i.asked == conn {
		i.asked = nil
	}
}
