package metrics

import (
	"sync"
	"time"

	"github.com/wick-run/wick"
)

var _ wick.Recorder = (*Metrics)(nil)

// maxMeters bounds the function versions that are counted at a time. Beyond it those go
// that have no instance and were used longest ago; if all have, the rest isn't counted.
const maxMeters = 20_000

// meters are the counters of all function versions.
type meters struct {
	sources sync.Map // *wick.Source → *source
	byName  sync.Map // version → *meter

	mu        sync.Mutex // guards the next three and additions to byName
	n         int
	functions map[wick.FunctionID]*level
	accounts  map[account]*level
}

type account struct{ id, region string }

// source is an instance. Its events come one after another, so nothing here needs a lock.
type source struct {
	meter *meter
	busy  bool
}

// Record implements wick.Recorder: it adds an event to what its function has counted.
func (m *Metrics) Record(at time.Time, src *wick.Source, e wick.Event) {
	switch e := e.(type) {
	case wick.LogLine:
		if mayBeEmbedded(e.Text) {
			m.lines.add(at, src.Function.Account, src.Function.Region, e.Text)
		}
	case wick.Report:
		if s := m.lambda.source(src); s != nil {
			s.meter.report(at, &e)
		}
	case wick.StateChanged:
		m.lambda.moved(at, src, e.To)
	case wick.InitDone:
		if e.Phase != wick.PhaseInit {
			return
		}
		if s := m.lambda.source(src); s != nil {
			s.meter.count(at, func(w *window) { w.init.Add(milliseconds(e.Duration), 1) })
		}
	case wick.LogsDropped:
		// The log says so later, perhaps when the instance is gone.
		if t := m.lambda.meter(version{src.Function.FunctionID, src.Function.Version}); t != nil {
			t.count(at, func(w *window) {
				w.droppedRecords += float64(e.Records)
				w.droppedBytes += float64(e.Bytes)
			})
			t.sources.Add(-1)
		}
	}
}

// Throttled counts an event that was refused because the account's concurrency or the
// machine's memory was used up.
func (m *Metrics) Throttled(f *wick.Function) {
	if t := m.lambda.meter(version{f.FunctionID, f.Version}); t != nil {
		t.count(m.o.Now(), func(w *window) { w.throttled++ })
		t.sources.Add(-1)
	}
}

// Waited counts an event that no idle instance was there for, with how long it then took
// until it had one, or was refused.
func (m *Metrics) Waited(f *wick.Function, wait time.Duration) {
	if t := m.lambda.meter(version{f.FunctionID, f.Version}); t != nil {
		t.count(m.o.Now(), func(w *window) {
			w.waited++
			w.wait.Add(milliseconds(wait), 1)
		})
		t.sources.Add(-1)
	}
}

// moved follows an instance from state to state.
func (ms *meters) moved(at time.Time, src *wick.Source, to wick.InstanceState) {
	s := ms.source(src)
	if s == nil {
		return
	}
	switch {
	case to == wick.InstanceBusy && !s.busy:
		s.busy = true
		s.meter.begin(at)
	case to != wick.InstanceBusy && s.busy:
		s.busy = false
		s.meter.end()
	}
	if to == wick.InstanceStopped {
		ms.sources.Delete(src)
		s.meter.sources.Add(-1)
	}
}

// source returns what is kept of an instance; nil when there are too many functions.
func (ms *meters) source(src *wick.Source) *source {
	if s, ok := ms.sources.Load(src); ok {
		return s.(*source)
	}
	t := ms.meter(version{src.Function.FunctionID, src.Function.Version})
	if t == nil {
		return nil
	}
	s := &source{meter: t}
	ms.sources.Store(src, s)
	return s
}

// meter returns a function version's meter, with one more source that the caller takes
// away when it is done: that keeps it. nil when there are too many.
func (ms *meters) meter(v version) *meter {
	for {
		if t, ok := ms.byName.Load(v); ok {
			t := t.(*meter)
			t.mu.Lock()
			if !t.gone {
				t.sources.Add(1)
				t.mu.Unlock()
				return t
			}
			t.mu.Unlock()
		}
		if !ms.make(v) {
			return nil
		}
	}
}

// make adds a meter unless there is one, and says whether it could.
func (ms *meters) make(v version) bool {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if t, ok := ms.byName.Load(v); ok && !t.(*meter).gone { // gone is set with ms.mu held
		return true
	}
	if ms.n >= maxMeters && !ms.evict() {
		return false
	}
	if ms.functions == nil {
		ms.functions, ms.accounts = map[wick.FunctionID]*level{}, map[account]*level{}
	}
	ms.byName.Store(v, &meter{
		version: v, function: levelOf(ms.functions, v.FunctionID), account: levelOf(ms.accounts, account{v.Account, v.Region}),
	})
	ms.n++
	return true
}

// levelOf returns a level that one more meter uses.
func levelOf[K comparable](levels map[K]*level, k K) *level {
	l := levels[k]
	if l == nil {
		l = &level{}
		levels[k] = l
	}
	l.meters++
	return l
}

// release notes that a meter uses a level no more.
func release[K comparable](levels map[K]*level, k K) {
	if l := levels[k]; l != nil {
		if l.meters--; l.meters == 0 {
			delete(levels, k)
		}
	}
}

// evict drops meters that nothing counts with any more, to a tenth below the bound; ms.mu
// is held. It says whether there is room now.
func (ms *meters) evict() bool {
	ms.byName.Range(func(k, t any) bool {
		if t := t.(*meter); t.drop() {
			ms.byName.Delete(k)
			release(ms.functions, t.FunctionID)
			release(ms.accounts, account{t.Account, t.Region})
			ms.n--
		}
		return ms.n > maxMeters*9/10
	})
	return ms.n < maxMeters
}

// drop marks a meter as gone unless it is in use.
func (m *meter) drop() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sources.Load() > 0 || len(m.windows) > 0 {
		return false
	}
	m.gone = true
	return true
}

// all returns every meter.
func (ms *meters) all() []*meter {
	var list []*meter
	ms.byName.Range(func(_, t any) bool {
		list = append(list, t.(*meter))
		return true
	})
	return list
}
