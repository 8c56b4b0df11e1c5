package control

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/code"
)

// Packages is what control needs of the package store; *code.Store is one.
type Packages interface {
	Put(ctx context.Context, r io.Reader) (wick.Package, error)
	Fetch(ctx context.Context, o code.Object) (wick.Package, error)
	Dir(ctx context.Context, sha256 string) (string, error)
	DirOfLayers(ctx context.Context, sha256 []string) error
	UnpackedBytes(sha256 string) (int64, error)
	Collect(ctx context.Context, inUse map[string]bool) (freed int64, err error)
}

// Runtimes says what this machine has to run functions with.
type Runtimes interface {
	// Match returns what would run a runtime identifier here. Its error says, in
	// words for the caller, why nothing can: a *wick.Error of kind NotBuilt for a
	// language Wick doesn't run, InvalidRuntime when nothing that runs it is installed.
	Match(runtime string) (Match, error)
}

// Match is what runs a runtime identifier on this machine.
type Match struct {
	Exact bool   // it is the very version the identifier names
	Name  string // e.g. "Python 3.11.2 (/usr/bin/python3)", for the operator
}

// Options configure Control. Store, Layers and Code are needed, the rest has defaults.
type Options struct {
	Store  wick.FunctionStore
	Layers wick.LayerStore
	Code   Packages
	// Runtimes is asked at creation; nil takes every runtime as present.
	Runtimes Runtimes
	Log      *slog.Logger
	Now      func() time.Time
	// AllowDeprecatedRuntimes takes runtimes that AWS no longer does.
	AllowDeprecatedRuntimes bool
	// StrictRuntimes refuses a function whose exact runtime isn't on this machine; else
	// the nearest runs it, and where there is none its invocations are refused.
	StrictRuntimes bool
	// AccountConcurrency is what GetAccountSettings reports; 0 means 1,000.
	AccountConcurrency int
	// Architecture is the machine's, x86_64 or arm64; "" asks the Go runtime.
	Architecture string
	// CollectEvery is how often packages that no function refers to are removed; 0
	// means every hour.
	CollectEvery time.Duration
}

// ChangeFunc is told of a version's new value, or nil when it is gone.
type ChangeFunc func(id wick.FunctionID, version string, f *wick.Function)

// Control is the one way in which functions change. Its methods may be called from
// several goroutines.
type Control struct {
	o     Options
	cache cache
	turns turns

	watchMu  sync.RWMutex // guards watchers
	watchers []ChangeFunc

	// settleMu guards settling, started and closed; work counts background goroutines.
	settleMu sync.Mutex
	settling map[wick.FunctionID]bool
	started  bool
	closed   bool
	work     sync.WaitGroup
	ctx      context.Context // of background work; ends with Close
	cancel   context.CancelFunc
}

// New returns a Control. Start begins its background work, Close ends it.
func New(o Options) *Control {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.AccountConcurrency == 0 {
		o.AccountConcurrency = 1000
	}
	if o.Architecture == "" {
		o.Architecture = machineArchitecture()
	}
	if o.CollectEvery == 0 {
		o.CollectEvery = time.Hour
	}
	c := &Control{o: o, settling: map[wick.FunctionID]bool{}}
	c.cache.init()
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// machineArchitecture returns Lambda's name for the processor this program runs on.
func machineArchitecture() string {
	if runtime.GOARCH == "arm64" {
		return ArchitectureARM64
	}
	return ArchitectureX86
}

// Architectures a function can ask for.
const (
	ArchitectureX86   = "x86_64"
	ArchitectureARM64 = "arm64"
)

// Start continues what an earlier process left unfinished (functions still Pending,
// updates still InProgress) and removes packages that nothing refers to, now and
// then from time to time. It doesn't wait for any of it.
func (c *Control) Start(context.Context) error {
	c.settleMu.Lock()
	defer c.settleMu.Unlock()
	if c.started || c.closed {
		return nil
	}
	c.started = true
	c.work.Add(1)
	go func() {
		defer c.work.Done()
		c.resume()
		c.collectNowAndThen()
	}()
	return nil
}

// Close stops background work and returns when it is over: what was being prepared
// stays Pending and is continued by the next Start. It may be called twice.
func (c *Control) Close() error {
	c.settleMu.Lock()
	c.closed = true
	c.settleMu.Unlock()
	c.cancel()
	c.work.Wait()
	return nil
}

// OnChange has fn called after every change of a function version: after it is
// committed, and in the order of the commits for one function. fn must not block and
// must not call Control. It is not told of functions that were there before.
func (c *Control) OnChange(fn ChangeFunc) {
	c.watchMu.Lock()
	defer c.watchMu.Unlock()
	c.watchers = append(c.watchers, fn)
}

// committed makes a version's new value known: to the cache first, so that whoever
// is told of it finds it there. The function's turn is held.
func (c *Control) committed(id wick.FunctionID, version string, f *wick.Function) {
	c.cache.set(id, version, f)
	c.watchMu.RLock()
	defer c.watchMu.RUnlock()
	for _, fn := range c.watchers {
		fn(id, version, f)
	}
}

// now returns the time as functions keep it: UTC, in milliseconds.
func (c *Control) now() time.Time { return c.o.Now().UTC().Truncate(time.Millisecond) }

func newRevision() string { return uuid.NewString() }
