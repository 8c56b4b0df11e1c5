package control

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/code"
	"github.com/wick-run/wick/internal/testkit"
	"github.com/wick-run/wick/internal/testkit/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// gated is a package store whose preparing in the background a test can hold up: what
// is called with a request's context passes.
type gated struct {
	*code.Store
	mu   sync.Mutex
	gate chan struct{} // nil: open
	fail error
}

type requestKey struct{}

func (g *gated) Dir(ctx context.Context, sha string) (string, error) {
	g.mu.Lock()
	gate, fail := g.gate, g.fail
	g.mu.Unlock()
	if ctx.Value(requestKey{}) == nil {
		if fail != nil {
			return "", fail
		}
		if gate != nil {
			select {
			case <-gate:
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
	}
	return g.Store.Dir(ctx, sha)
}

// shut holds preparing up until the function it returns is called.
func (g *gated) shut() (open func()) {
	gate := make(chan struct{})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gate = gate
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.gate = nil
		close(gate)
	})
}

// bench is a Control with all it stands on.
type bench struct {
	*Control
	t     testing.TB
	ctx   context.Context
	dir   string // of the package store
	store *testkit.MemStore
	code  *gated
	log   *bytes.Buffer
}

func newBench(t testing.TB, change func(*Options)) *bench {
	t.Helper()
	dir := t.TempDir()
	store, err := code.Open(dir, code.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{
		t: t, dir: dir, store: new(testkit.MemStore), code: &gated{Store: store}, log: new(bytes.Buffer),
		ctx: context.WithValue(context.Background(), requestKey{}, true),
	}
	b.Control = b.restart(change)
	t.Cleanup(func() {
		mustDo(t, errors.Join(b.Close(), b.code.Close()))
	})
	return b
}

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// restart returns a new Control over the same stores.
func (b *bench) restart(change func(*Options)) *Control {
	o := Options{
		Store: b.store, Layers: b.store, Code: b.code, Architecture: ArchitectureX86,
		Log: slog.New(slog.NewTextHandler(&lockedWriter{w: b.log}, nil)),
	}
	if change != nil {
		change(&o)
	}
	return New(o)
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

const testAccount, testRegion = "111111111111", "us-east-1"

func named(name string) Ref {
	return Ref{ID: wick.FunctionID{Account: testAccount, Region: testRegion, Name: name}}
}

func zipOf(t testing.TB, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create("app.py")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (b *bench) input(name string) *CreateInput {
	return &CreateInput{
		Function: named(name), Runtime: "python3.12", Handler: "app.handler", Role: "arn:aws:iam::111111111111:role/r",
		Code: Source{Zip: zipOf(b.t, "def handler(e, c): return "+name)},
	}
}

func (b *bench) create(name string) *wick.Function {
	b.t.Helper()
	f, err := b.Create(b.ctx, b.input(name))
	if err != nil {
		b.t.Fatal(err)
	}
	return f
}

// settled waits until a function's states have settled.
func (b *bench) settled(name string) *wick.Function {
	b.t.Helper()
	changed := make(chan struct{}, 1)
	b.OnChange(func(wick.FunctionID, string, *wick.Function) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	deadline := time.After(time.Minute)
	for {
		f, err := b.Function(b.ctx, named(name))
		if err != nil {
			b.t.Fatal(err)
		}
		if !unsettled(f) {
			return f
		}
		select {
		case <-changed:
		case <-deadline:
			b.t.Fatalf("%s is still %s, %s", name, f.State, f.UpdateStatus)
		}
	}
}

// wantError checks an error's kind and its exact words.
func wantError(t testing.TB, err error, kind wick.Kind, message string) {
	t.Helper()
	var e *wick.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Message != message {
		t.Errorf("got %v (kind %d)\nwant %s (kind %d)", err, wick.KindOf(err), message, kind)
	}
}

func TestAFunctionBecomesActiveByItself(t *testing.T) {
	b := newBench(t, nil)
	open := b.code.shut()
	defer open()
	f := b.create("f")
	if f.State != wick.StatePending || f.StateReason != "The function is being created." || f.StateReasonCode != "Creating" ||
		f.UpdateStatus != "" {
		t.Errorf("created as %+v", f)
	}
	_, err := b.Resolve(b.ctx, f.FunctionID, "")
	wantError(t, err, wick.Conflict,
		"The operation cannot be performed at this time. The function is currently in the following state: Pending")
	open()
	g := b.settled("f")
	if g.State != wick.StateActive || g.StateReason != "" || g.UpdateStatus != wick.UpdateSuccessful || g.RevisionID == f.RevisionID {
		t.Errorf("settled as %+v", g)
	}
	if r, err := b.Resolve(b.ctx, f.FunctionID, wick.Latest); err != nil || r.RevisionID != g.RevisionID {
		t.Errorf("resolved to %+v, %v", r, err)
	}
}

func TestDefaultsAreAWSs(t *testing.T) {
	b := newBench(t, nil)
	f := b.create("f")
	if f.TimeoutSeconds != 3 || f.MemoryMB != 128 || f.EphemeralMB != 512 || f.Architecture != "x86_64" ||
		f.PackageType != "Zip" || f.TracingMode != "PassThrough" || f.SnapStartApplyOn != "None" || f.Version != "$LATEST" ||
		f.Logging != (wick.LoggingConfig{Format: "Text", Group: "/aws/lambda/f"}) || f.Environment != nil {
		t.Errorf("created as %+v", f)
	}
}

func TestAnUpdateIsInProgressUntilItIsSuccessful(t *testing.T) {
	b := newBench(t, nil)
	b.create("f")
	before := b.settled("f")
	open := b.code.shut()
	defer open()
	f, err := b.UpdateCode(b.ctx, &UpdateCodeInput{Function: named("f"), Code: Source{Zip: zipOf(t, "new")}, Architecture: "arm64"})
	if err != nil {
		t.Fatal(err)
	}
	if f.State != wick.StateActive || f.UpdateStatus != wick.UpdateInProgress ||
		f.UpdateReason != "The function is being created." || f.UpdateReasonCode != "Creating" ||
		f.Code == before.Code || f.Architecture != "arm64" || f.ConfigHash == before.ConfigHash || f.RevisionID == before.RevisionID {
		t.Errorf("updated to %+v", f)
	}
	description := "x"
	_, err = b.UpdateConfiguration(b.ctx, &UpdateConfigurationInput{Function: named("f"), Description: &description})
	wantError(t, err, wick.Conflict, "The operation cannot be performed at this time. An update is in progress for "+
		"resource: arn:aws:lambda:us-east-1:111111111111:function:f")
	if r, err := b.Resolve(b.ctx, f.FunctionID, ""); err != nil || r.Code != f.Code {
		t.Errorf("during the update %+v, %v", r, err)
	}
	open()
	if g := b.settled("f"); g.UpdateStatus != wick.UpdateSuccessful || g.UpdateReason != "" || g.UpdateReasonCode != "" {
		t.Errorf("settled as %+v", g)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	b := newBench(t, nil)
	b.create("f")
	before := b.settled("f")
	f, err := b.UpdateCode(b.ctx, &UpdateCodeInput{Function: named("f"), Code: Source{Zip: zipOf(t, "new")}, DryRun: true})
	if err != nil || f.Code == before.Code {
		t.Errorf("dry run answered %+v, %v", f, err)
	}
	if g := b.settled("f"); g.Code != before.Code || g.RevisionID != before.RevisionID {
		t.Errorf("changed to %+v", g)
	}
}

func TestAPackageThatCannotBePreparedFailsItsFunctionUntilItIsReplaced(t *testing.T) {
	b := newBench(t, nil)
	b.code.fail = errors.New("disk full")
	f := b.create("f")
	if g := b.settled("f"); g.State != wick.StateFailed || g.StateReasonCode != "InternalError" || g.UpdateStatus != wick.UpdateFailed {
		t.Errorf("settled as %+v", g)
	}
	_, err := b.Resolve(b.ctx, f.FunctionID, "")
	wantError(t, err, wick.Conflict,
		"The operation cannot be performed at this time. The function is currently in the following state: Failed")
	b.code.mu.Lock()
	b.code.fail = nil
	b.code.mu.Unlock()
	if _, err := b.UpdateCode(b.ctx, &UpdateCodeInput{Function: named("f"), Code: Source{Zip: zipOf(t, "new")}}); err != nil {
		t.Fatal(err)
	}
	if g := b.settled("f"); g.State != wick.StateActive || g.UpdateStatus != wick.UpdateSuccessful {
		t.Errorf("settled as %+v", g)
	}
}

func TestWhatAnEarlierProcessLeftPendingIsContinued(t *testing.T) {
	b := newBench(t, nil)
	b.code.shut()
	here := b.create("there")
	in := b.input("default")
	in.Function.ID.Account = wick.DefaultAccount
	if _, err := b.Create(b.ctx, in); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.code.mu.Lock()
	b.code.gate = nil
	b.code.mu.Unlock()

	b.Control = b.restart(nil)
	done := make(chan wick.FunctionID, 10)
	b.OnChange(func(id wick.FunctionID, _ string, f *wick.Function) {
		if !unsettled(f) {
			done <- id
		}
	})
	if err := b.Start(b.ctx); err != nil {
		t.Fatal(err)
	}
	if id := <-done; id != in.Function.ID { // found by itself
		t.Errorf("%v settled", id)
	}
	// Elsewhere, the first look continues it.
	if _, err := b.Resolve(b.ctx, here.FunctionID, ""); wick.KindOf(err) != wick.Conflict {
		t.Errorf("resolved: %v", err)
	}
	if id := <-done; id != here.FunctionID {
		t.Errorf("%v settled", id)
	}
}

func TestPackagesWithoutAFunctionAreCollectedAtStart(t *testing.T) {
	b := newBench(t, nil)
	orphan, err := b.code.Put(b.ctx, bytes.NewReader(zipOf(t, "orphan")))
	if err != nil {
		t.Fatal(err)
	}
	kept := b.create("f")
	b.settled("f")
	if freed, err := b.collect(b.ctx); err != nil || freed != 0 { // both were just used
		t.Errorf("collected %d bytes, %v", freed, err)
	}
	mustDo(t, errors.Join(b.Close(), b.code.Close()))
	if b.code.Store, err = code.Open(b.dir, code.Options{}); err != nil {
		t.Fatal(err)
	}
	b.Control = b.restart(nil)
	freed, err := b.collect(b.ctx)
	if err != nil || freed != orphan.Size {
		t.Errorf("collected %d bytes, %v", freed, err)
	}
	if _, err := b.code.Store.Dir(b.ctx, kept.Code.SHA256); err != nil {
		t.Error(err)
	}
}

func TestChangesAreToldInOrderAndTheCacheKeepsUp(t *testing.T) {
	b := newBench(t, nil)
	var mu sync.Mutex
	last := map[string]*wick.Function{}
	gone := 0
	b.OnChange(func(id wick.FunctionID, version string, f *wick.Function) {
		mu.Lock()
		defer mu.Unlock()
		if version != wick.Latest {
			t.Errorf("told of version %s", version)
		}
		if last[id.Name] = f; f == nil {
			gone++
		}
	})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			name := fmt.Sprint("f", i)
			b.create(name)
			for n := range 25 {
				description := fmt.Sprint(n)
				_, err := b.UpdateConfiguration(b.ctx, &UpdateConfigurationInput{Function: named(name), Description: &description})
				if err != nil && wick.KindOf(err) != wick.Conflict {
					t.Error(err)
				}
				if _, err := b.Resolve(b.ctx, named(name).ID, ""); err != nil && wick.KindOf(err) != wick.Conflict {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range 4 {
		name := fmt.Sprint("f", i)
		f := b.settled(name)
		stored, err := b.store.Function(b.ctx, f.FunctionID, wick.Latest)
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		told := last[name]
		mu.Unlock()
		if stored.RevisionID != f.RevisionID || told.RevisionID != f.RevisionID {
			t.Errorf("%s: stored %s, cached %s, told %s", name, stored.RevisionID, f.RevisionID, told.RevisionID)
		}
		if err := b.Delete(b.ctx, named(name)); err != nil {
			t.Error(err)
		}
		_, err = b.Resolve(b.ctx, f.FunctionID, "")
		wantError(t, err, wick.NotFound, "Function not found: arn:aws:lambda:us-east-1:111111111111:function:"+name)
	}
	mu.Lock()
	defer mu.Unlock()
	if gone != 4 {
		t.Errorf("told of %d deletions", gone)
	}
}

func TestAFunctionMadeAnewWhileTheOldOneIsPreparedBecomesActive(t *testing.T) {
	b := newBench(t, nil)
	open := b.code.shut()
	defer open()
	old := b.create("f")
	if err := b.Delete(b.ctx, named("f")); err != nil {
		t.Fatal(err)
	}
	in := b.input("f")
	in.Description = "anew"
	if _, err := b.Create(b.ctx, in); err != nil {
		t.Fatal(err)
	}
	open()
	if f := b.settled("f"); f.State != wick.StateActive || f.Description != "anew" || f.RevisionID == old.RevisionID {
		t.Errorf("settled as %+v", f)
	}
}

func TestAStaleReadIsNotCached(t *testing.T) {
	var c cache
	c.init()
	id := named("f").ID
	stale, fresh := &wick.Function{Description: "stale"}, &wick.Function{Description: "fresh"}
	got, err := c.load(context.Background(), id, wick.Latest,
		func(context.Context, wick.FunctionID, string) (*wick.Function, error) {
			c.set(id, wick.Latest, fresh) // a change, committed after the reading
			return stale, nil
		})
	if err != nil || got != stale {
		t.Errorf("read %v, %v", got, err)
	}
	if got := c.get(id, wick.Latest); got != fresh {
		t.Errorf("cached %v", got)
	}
}

func TestResolvingAKnownFunctionDoesNotAllocate(t *testing.T) {
	b := newBench(t, nil)
	b.create("f")
	b.settled("f")
	id := named("f").ID
	if n := testing.AllocsPerRun(100, func() {
		if _, err := b.Resolve(b.ctx, id, ""); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestListsComeInPages(t *testing.T) {
	b := newBench(t, nil)
	for i := range 7 {
		b.create(fmt.Sprint("f", i))
	}
	var names []string
	marker := ""
	for pages := 1; ; pages++ {
		fs, next, err := b.Functions(b.ctx, testAccount, testRegion, marker, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fs {
			names = append(names, f.Name)
		}
		if marker = next; marker == "" {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if got := strings.Join(names, " "); got != "f0 f1 f2 f3 f4 f5 f6" {
		t.Errorf("listed %s", got)
	}
	_, _, err := b.Functions(b.ctx, testAccount, testRegion, "no marker!", 3)
	wantError(t, err, wick.InvalidParameter, "Invalid Marker: no marker!")
	if fs, _, err := b.Functions(b.ctx, testAccount, "eu-west-1", "", 0); err != nil || len(fs) > 0 {
		t.Errorf("another region lists %v, %v", fs, err)
	}
}

func TestAccountsCountTheirCode(t *testing.T) {
	b := newBench(t, nil)
	f := b.create("f")
	a, err := b.Account(b.ctx, testAccount, testRegion)
	want := Account{
		TotalCodeSize: 80530636800, CodeSizeUnzipped: 262144000, CodeSizeZipped: 52428800, ConcurrentExecutions: 1000,
		UsedCodeSize: f.Code.Size, FunctionCount: 1,
	}
	if err != nil || a != want {
		t.Errorf("got %+v, %v\nwant %+v", a, err, want)
	}
}

func BenchmarkResolve(b *testing.B) {
	bench := newBench(b, nil)
	bench.create("f")
	bench.settled("f")
	id := named("f").ID
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := bench.Resolve(bench.ctx, id, ""); err != nil {
				b.Fatal(err)
			}
		}
	})
}
