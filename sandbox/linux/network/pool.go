//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Errors of Take.
var (
	ErrClosed       = errors.New("network pool is closed")
	ErrUnprivileged = errors.New("making network namespaces needs CAP_SYS_ADMIN and CAP_NET_ADMIN")
)

// makersAtOnce bounds how many slots are made at the same time when none is ready;
// the kernel serialises most of the work.
const makersAtOnce = 4

// Options say how a pool works.
type Options struct {
	// ID names what the pool makes on the host: nftables table, interfaces, range of
	// addresses. Pools of different IDs don't touch each other's; of one ID, one can be
	// open at a time. [a-z0-9]{1,12}
	ID string
	// Ahead is how many clean slots are kept ready, of each kind (with egress and
	// without) that has been asked for; at first, of the kind Egress names.
	Ahead int
	// Egress makes slots that reach the outside possible.
	Egress bool
	// Log gets what an operator should know; nil: slog.Default().
	Log *slog.Logger
}

// kind tells slots with egress from those without.
type kind int

const (
	plain kind = iota
	linked
	kinds
)

// Pool keeps network slots. Its methods can be called from several goroutines.
type Pool struct {
	options    Options
	log        *slog.Logger
	names      names
	privileged bool
	home       *os.File        // the host's network namespace
	alive      int             // see showAlive
	route      *netlink.Handle // rtnetlink on the host

	makers   chan struct{}        // a token for each slot being made for a Take
	returned [kinds]chan struct{} // wakes a waiting Take: a slot is ready, or none will be
	work     chan struct{}        // wakes the keeper
	prepared chan struct{}        // closed when outside and gaps are known
	closing  chan struct{}
	kept     chan struct{} // closed when the keeper has ended
	close    func() error  // tear down, once

	// Set by the keeper before prepared is closed, constant afterwards.
	outside *outside // nil: no egress
	gaps    []string

	mu     sync.Mutex // guards all below; never held across a system call
	closed bool
	spaces map[*space]struct{} // all there are, idle, used or being cleaned
	idle   [kinds][]*space
	wanted [kinds]bool
	dirty  []dirtySpace
	// backlog counts the slots that were released and not looked at yet.
	backlog [kinds]int
	// numbers are the addresses' numbers free to use again; next is the lowest never used.
	numbers []int
	next    int
}

// Open makes a pool. It returns at once: what a predecessor with the same ID left
// behind, or another pool whose process was killed, is removed, and slots are made, in
// the background. It fails when a pool of the same ID is open.
func Open(o Options) (*Pool, error) {
	if !idPattern.MatchString(o.ID) {
		return nil, fmt.Errorf("network pool: ID %q is not 1 to 12 of a-z and 0-9", o.ID)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	p := &Pool{
		options:  o,
		log:      o.Log,
		names:    namesOf(o.ID),
		makers:   make(chan struct{}, makersAtOnce),
		returned: [kinds]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)},
		work:     make(chan struct{}, 1),
		prepared: make(chan struct{}),
		closing:  make(chan struct{}),
		kept:     make(chan struct{}),
		spaces:   map[*space]struct{}{},
	}
	p.close = sync.OnceValue(p.tearDown)
	if p.privileged = capable(unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN); !p.privileged {
		p.gaps = []string{"network: functions reach nothing outside their sandbox, as Wick has no CAP_NET_ADMIN and CAP_SYS_ADMIN; run it as root to give them egress"}
		close(p.prepared)
		close(p.kept)
		return p, nil
	}
	if err := p.openHost(); err != nil {
		return nil, fmt.Errorf("network pool: %w", err)
	}
	p.wanted[p.defaultKind()] = true
	go p.keep()
	return p, nil
}

func (p *Pool) openHost() (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if p.home, err = currentNamespace(); err != nil {
		return err
	}
	if p.route, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		p.home.Close()
		return fmt.Errorf("open rtnetlink: %w", err)
	}
	if p.alive, err = showAlive(p.options.ID); err != nil {
		p.route.Close()
		p.home.Close()
		return err
	}
	return nil
}

func (p *Pool) defaultKind() kind {
	if p.options.Egress {
		return linked
	}
	return plain
}

// Privileged says whether the pool can make namespaces. If not, Take fails with
// ErrUnprivileged and the driver unshares a network namespace within its user
// namespace itself (see ConfigureLoopback).
func (p *Pool) Privileged() bool { return p.privileged }

// Gaps says, a line each, what isn't possible on this machine and what to do about it.
func (p *Pool) Gaps() []string {
	<-p.prepared
	gaps := append([]string(nil), p.gaps...)
	if p.outside != nil {
		gaps = append(gaps, p.outside.gaps()...)
	}
	return gaps
}

// Take returns a clean slot: one of those ready, else a new one. With egress it has a
// way outside, unless the pool was opened without Egress or Gaps says that there
// can't be one. It fails with ErrClosed, ErrUnprivileged, ctx's error, or what the
// kernel said.
func (p *Pool) Take(ctx context.Context, egress bool) (*Slot, error) {
	if !p.privileged {
		return nil, ErrUnprivileged
	}
	k := plain
	if egress && p.options.Egress {
		select {
		case <-p.prepared:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if p.outside != nil {
			k = linked
		}
	}
	defer p.wake()
	for {
		if s, err := p.pop(k); s != nil || err != nil {
			return s, err
		}
		makers := p.makers
		if p.cleaning(k) {
			makers = nil
		}
		select {
		case makers <- struct{}{}:
			s, err := p.takeNew(k)
			<-p.makers
			return s, err
		case <-p.returned[k]:
		case <-p.closing:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// cleaning reports whether so many slots of a kind are about to be clean that waiting
// for one is better than making another, which would be one too many soon.
func (p *Pool) cleaning(k kind) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.backlog[k] > makersAtOnce
}

// pop takes a ready slot; nil when there is none.
func (p *Pool) pop(k kind) (*Slot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	p.wanted[k] = true
	n := len(p.idle[k])
	if n == 0 {
		return nil, nil
	}
	sp := p.idle[k][n-1]
	p.idle[k][n-1] = nil
	p.idle[k] = p.idle[k][:n-1]
	if n > 1 {
		p.signal(k) // another one may be waiting
	}
	return &Slot{pool: p, space: sp}, nil
}

func (p *Pool) takeNew(k kind) (*Slot, error) {
	if s, err := p.pop(k); s != nil || err != nil {
		return s, err
	}
	sp, err := p.make(k)
	if err != nil {
		return nil, fmt.Errorf("make network slot: %w", err)
	}
	return &Slot{pool: p, space: sp}, nil
}

// Release gives a slot back, for cleaning in the background and use by another
// sandbox. No process of the sandbox may be left, or it stays with the namespace,
// which then is not used again. It can be called twice.
func (p *Pool) Release(s *Slot) {
	if !s.release() {
		return
	}
	p.mu.Lock()
	if k := s.space.kind(); !p.closed {
		d := dirtySpace{space: s.space}
		if len(p.idle[k]) > makersAtOnce { // nobody will need it before
			d.due = time.Now().Add(gather)
		}
		p.dirty = append(p.dirty, d)
		p.backlog[k]++
	}
	p.mu.Unlock()
	p.wake()
}

// Close removes every slot, used or not, and all that the pool changed on the host,
// and returns when it is gone. It can be called twice.
func (p *Pool) Close() error { return p.close() }

func (p *Pool) tearDown() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	close(p.closing)
	<-p.kept
	if !p.privileged {
		return nil
	}
	for range makersAtOnce { // until no slot is being made
		p.makers <- struct{}{}
	}
	p.mu.Lock()
	spaces := p.spaces
	p.spaces, p.idle, p.dirty = nil, [kinds][]*space{}, nil
	p.mu.Unlock()

	var errs []error
	if p.outside != nil {
		errs = append(errs, deleteGroup(p.names.group), deleteGroup(p.names.doomed), p.outside.close())
	}
	for sp := range spaces {
		errs = append(errs, sp.ns.Close())
	}
	p.route.Close()
	errs = append(errs, p.home.Close())
	if p.alive >= 0 {
		errs = append(errs, unix.Close(p.alive))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close network pool: %w", err)
	}
	return nil
}

// make makes a slot of a kind.
func (p *Pool) make(k kind) (*space, error) {
	ns, err := newNamespace(p.home)
	if err != nil {
		return nil, err
	}
	sp := &space{ns: ns}
	if sp.inode, err = inodeOf(ns); err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	if k == linked {
		if sp.link, err = p.newLink(ns); err != nil {
			return nil, errors.Join(err, ns.Close())
		}
	}
	p.mu.Lock()
	p.spaces[sp] = struct{}{}
	p.mu.Unlock()
	return sp, nil
}

func (p *Pool) newLink(ns *os.File) (*link, error) {
	n, err := p.takeNumber()
	if err != nil {
		return nil, err
	}
	l := link{number: n, address: nth(p.outside.addresses.Addr(), n)}
	l, err = makeLink(p.route, p.home, ns, p.names.link(n), l, p.names, p.outside.mtu, p.outside.forwardLinks)
	if err != nil {
		// A number whose interface exists already stays out of use.
		if !errors.Is(err, unix.EEXIST) {
			p.freeNumbers(n)
		}
		return nil, err
	}
	return &l, nil
}

func (p *Pool) takeNumber() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.numbers); n > 0 {
		number := p.numbers[n-1]
		p.numbers = p.numbers[:n-1]
		return number, nil
	}
	if p.next == rangeSize {
		return 0, fmt.Errorf("all %d addresses of %s are in use", rangeSize, p.outside.addresses)
	}
	p.next++
	return p.next - 1, nil
}

func (p *Pool) freeNumbers(numbers ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.numbers = append(p.numbers, numbers...)
}

// signal wakes one Take that waits for a slot of a kind.
func (p *Pool) signal(k kind) {
	select {
	case p.returned[k] <- struct{}{}:
	default:
	}
}

// wake makes the keeper look.
func (p *Pool) wake() {
	select {
	case p.work <- struct{}{}:
	default:
	}
}

// capable reports whether the calling thread has all of the capabilities in effect.
func capable(capabilities ...uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	effective := uint64(data[1].Effective)<<32 | uint64(data[0].Effective)
	for _, c := range capabilities {
		if effective&(1<<c) == 0 {
			return false
		}
	}
	return true
}
