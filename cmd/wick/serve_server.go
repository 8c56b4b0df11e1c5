package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/wick-run/wick"
	awscloudwatch "github.com/wick-run/wick/aws/cloudwatch"
	"github.com/wick-run/wick/aws/front"
	awslambda "github.com/wick-run/wick/aws/lambda"
	awslogs "github.com/wick-run/wick/aws/logs"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/aws/sigv4"
	awsxray "github.com/wick-run/wick/aws/xray"
	"github.com/wick-run/wick/code"
	"github.com/wick-run/wick/control"
	"github.com/wick-run/wick/credentials"
	"github.com/wick-run/wick/fleet"
	"github.com/wick-run/wick/instance"
	"github.com/wick-run/wick/internal/fdtable"
	"github.com/wick-run/wick/invoke"
	"github.com/wick-run/wick/logs"
	"github.com/wick-run/wick/logs/deliver"
	"github.com/wick-run/wick/metrics"
	"github.com/wick-run/wick/otlp"
	"github.com/wick-run/wick/runtimes"
	"github.com/wick-run/wick/sandbox"
	"github.com/wick-run/wick/sqlstore"
	"github.com/wick-run/wick/traces"
)

// serve runs the server until ctx ends, and then stops it.
func serve(ctx context.Context, c config, stdout, stderr io.Writer) error {
	began := startOfProcess()
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: c.LogLevel}))
	s, err := openServer(ctx, c, log)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "wick %s ready at %s in %d ms\n",
		buildVersion(), s.url(), time.Since(began).Milliseconds()); err != nil {
		return errors.Join(err, s.close(context.WithoutCancel(ctx)))
	}
	for _, gap := range s.driver.Gaps() {
		log.Warn(gap)
	}
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}
	return errors.Join(err, s.close(context.WithoutCancel(ctx)))
}

// startedVariable carries the time the process began over its re-execution.
const startedVariable = "WICK_STARTED_NANOS"

var processBegan = time.Now()

// startOfProcess returns when this process began, before it re-executed itself.
func startOfProcess() time.Time {
	if n, err := strconv.ParseInt(os.Getenv(startedVariable), 10, 64); err == nil {
		return time.Unix(0, n)
	}
	return processBegan
}

// server is all rooms, wired.
type server struct {
	c        config
	log      *slog.Logger
	listener net.Listener
	front    *front.Server
	inside   *inside
	driver   sandbox.Driver
	runtimes *runtimes.Set
	preparer *instance.Preparer
	logs     *logs.Logs
	logsAPI  *awslogs.API
	deliver  *deliver.Deliver
	traces   *traces.Traces
	store    *sqlstore.Store
	metrics  *metrics.Metrics
	otlp     *otlp.Exporter // nil without --otlp
	control  *control.Control
	fleet    *fleet.Fleet
	failed   chan error
	closers  []func() error // what was opened, in order
}

// openServer opens all that a server needs; an error leaves nothing open.
func openServer(ctx context.Context, c config, log *slog.Logger) (_ *server, err error) {
	s := &server{c: c, log: log, failed: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.closeAll())
		}
	}()
	s.reserveFiles()
	s.giveBackMemory()
	if s.listener, err = listen(c); err != nil {
		return nil, err
	}
	s.opened(ignoreClosed(s.listener.Close))
	unlock, err := sqlstore.Lock(c.DataDir)
	if err != nil {
		return nil, err
	}
	s.opened(unlock)
	below := s.openGround(ctx)
	store, err := sqlstore.Open(ctx, filepath.Join(c.DataDir, "wick.db"), sqlstore.Options{})
	if err != nil {
		return nil, err
	}
	s.opened(store.Close)
	keys, err := credentials.Open(filepath.Join(c.DataDir, "credentials.key"), time.Now)
	if err != nil {
		return nil, fmt.Errorf("opening the key for functions' credentials: %w", err)
	}
	s.openMetrics(store)
	if s.logs, err = logs.Open(logs.Options{Store: store, Groups: store, Functions: store, Dropped: s.metrics, Log: log}); err != nil {
		return nil, err
	}
	s.opened(s.logs.Close)
	if err := s.openOTLP(); err != nil {
		return nil, err
	}
	if s.traces, err = traces.Open(ctx, traces.Options{Store: store, Rules: store, Log: log, Forward: s.forward()}); err != nil {
		return nil, err
	}
	s.opened(s.traces.Close)
	packages, err := code.Open(filepath.Join(c.DataDir, "code"), s.codeOptions())
	if err != nil {
		return nil, err
	}
	s.opened(packages.Close)
	if <-below.opened; below.err != nil {
		return nil, below.err
	}
	s.driver, s.runtimes = below.driver, below.runtimes
	s.sweepPacks(packages)

	s.openInside()
	host := &instance.Host{
		Driver: s.driver, Runtimes: s.runtimes, Code: packages, Credentials: keys, CredentialsLast: max(12*time.Hour, c.MaxLifetime*2),
		Recorder: s.recorder(), Traces: s.traces, Log: log,
		ServeAPI: s.serveInside, InjectEndpoint: c.InjectEndpoints, Resolver: below.resolver, Egress: c.Egress,
		Preparer: instance.NewPreparer(s.driver, s.runtimes, packages, log),
	}
	s.opened(host.Preparer.Close)
	s.preparer = host.Preparer
	s.fleet = fleet.New(fleet.Options{
		Host: host, MemoryBytes: int64(c.Memory), IdleTimeout: c.IdleTimeout,
		MaxLifetime: c.MaxLifetime, QueueWait: c.QueueWait, MaxStems: c.Stems, Log: log,
		Waited: s.metrics.Waited,
	})
	s.opened(func() error { s.fleet.Close(expired()); return nil })
	s.anticipateAgain(ctx, store)
	s.control = control.New(control.Options{
		Store: store, Layers: store, Code: packages, Runtimes: matcher{s.runtimes}, Log: log,
		AllowDeprecatedRuntimes: c.AllowDeprecatedRuntimes, StrictRuntimes: c.StrictRuntimes,
		AccountConcurrency: c.Concurrency,
	})
	s.opened(s.control.Close)
	s.control.OnChange(s.retire)
	if err := s.control.Start(ctx); err != nil {
		return nil, err
	}
	invoker := invoke.New(s.control, s.fleet, c.Concurrency)
	if c.Record.has("traces") {
		invoker.Trace(s.traces)
	}
	invoker.Count(s.metrics)
	if c.Record.has("metrics") {
		s.metrics.Gauges(s.gauges)
	}
	if err := s.openDeliver(ctx, store, invoker); err != nil {
		return nil, err
	}
	s.logsAPI = awslogs.New(awslogs.Options{Logs: s.logs, Rates: c.LogsRates, Groups: store, Filters: s.deliver, FindFunction: s.findFunction, Embedded: s.metrics.Embedded})
	s.opened(s.logsAPI.Close)
	lambda := awslambda.New(awslambda.Options{
		Control: s.control, Invoker: invoker,
		Code: packages, Secret: keys.Sign("code", nil), Log: log,
	})
	s.serveHTTP(lambda, keys)
	s.anticipate()
	return s, nil
}

// reserveFiles makes room for open files, while others start with the few there is room
// for.
func (s *server) reserveFiles() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := fdtable.Reserve(); err != nil {
			s.log.Warn("bursts of connections may be taken slowly", "error", err)
		}
	}()
	s.opened(func() error { return wait(done) })
}

func (s *server) opened(close func() error) { s.closers = append(s.closers, close) }

// closeAll closes what was opened, last first.
func (s *server) closeAll() error {
	var errs []error
	for n := len(s.closers) - 1; n >= 0; n-- {
		errs = append(errs, s.closers[n]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// answerTime is how long, once no event is under way any more, answers may take to be
// written.
const answerTime = 2 * time.Second

// close ends the server: no new requests, time for those under way, then everything.
func (s *server) close(ctx context.Context) error {
	answering, giveUp := context.WithCancel(ctx)
	defer giveUp()
	shut := make(chan error, 1)
	go func() { shut <- s.front.Shutdown(answering) }()
	working, cancel := context.WithTimeout(ctx, s.c.Grace)
	defer cancel()
	s.fleet.Close(working) // answers those still under way when the time is over
	defer time.AfterFunc(answerTime, giveUp).Stop()
	err := <-shut
	if answering.Err() != nil {
		err = s.front.Close()
	}
	return errors.Join(err, s.closeAll())
}

// expired returns a context that is over: what closes under it doesn't wait.
func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func ignoreClosed(close func() error) func() error {
	return func() error {
		if err := close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// listen opens the server's address; its errors say what to do.
func listen(c config) (net.Listener, error) {
	ln, err := net.Listen("tcp", c.Addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use: end what listens there, or choose another address with --addr", c.Addr)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s may not be listened on: choose a port above 1023 with --addr, or run as root", c.Addr)
	case err != nil:
		return nil, fmt.Errorf("%s can't be listened on (%w): choose another address with --addr", c.Addr, err)
	}
	if c.AccessKeyID == "" && !onLoopback(ln) {
		return nil, errors.Join(fmt.Errorf("%s can be reached from other machines: give the key that requests must be signed with, "+
			"as WICK_ACCESS_KEY_ID and WICK_SECRET_ACCESS_KEY, or listen on 127.0.0.1", c.Addr), ln.Close())
	}
	return ln, nil
}

func onLoopback(ln net.Listener) bool {
	addr, ok := ln.Addr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// driverID derives the name under which a data directory's sandboxes are known on the
// machine, so that two servers don't touch each other's.
func driverID(dataDir string) string {
	sum := sha256.Sum256([]byte(dataDir))
	return hex.EncodeToString(sum[:4])
}

func (s *server) url() string { return "http://" + s.listener.Addr().String() }

func (s *server) codeOptions() code.Options {
	o := code.Options{Log: s.log, Removed: s.dropPacks}
	target, ok := s.c.Forward["s3"]
	if !ok {
		target, ok = s.c.Forward["*"]
	}
	if ok {
		o.S3 = code.NewS3(target.String(), "us-east-1", "wick", "wick")
	}
	return o
}

// serveHTTP starts answering on the listener, and in instances.
func (s *server) serveHTTP(lambda *awslambda.API, keys *credentials.Issuer) {
	verify := s.c.AccessKeyID != ""
	options := protocol.Options{
		Services: []*protocol.Service{
			lambda.Service(), s.logsAPI.Service(), awsxray.New(awsxray.Options{Traces: s.traces}).Service(),
			awscloudwatch.New(awscloudwatch.Options{Metrics: s.metrics}).Service(),
		},
		Forward: s.c.Forward, Log: s.log,
		Verify: verify, Secret: s.secret(keys),
	}
	insideOptions := options
	options.Local = s.local(verify)
	s.inside.answer(boundBodies(lambda.Handler(s.newProtocolServer(insideOptions))))
	outside := s.metricsPage(lambda.Handler(s.newProtocolServer(options)), guard(verify))
	if !verify {
		outside = otherSites(outside)
	}
	others := s.newHTTPServer(outside)
	others.RegisterOnShutdown(s.logs.StopFollowing) // wick logs --follow would hold it up
	s.front = front.New(front.Options{HTTP: others, Here: awslambda.InvokeTarget, Handler: outside, Log: s.log})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.front.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	s.opened(func() error { return errors.Join(s.front.Close(), wait(done)) })
}

func wait(done <-chan struct{}) error {
	<-done
	return nil
}

func (s *server) newProtocolServer(o protocol.Options) *protocol.Server {
	p := protocol.NewServer(o)
	s.opened(func() error { p.Close(); return nil })
	return p
}

func (s *server) newHTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 20 * time.Second, IdleTimeout: 3 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// sweepPacks removes what was compiled of packages that are gone. What stays costs room only.
func (s *server) sweepPacks(packages *code.Store) {
	if err := s.runtimes.SweepPacks(packages.Has); err != nil {
		s.log.Warn("what was compiled of packages that are gone could not be removed", "error", err)
	}
}

// dropPacks removes what was compiled of a package, or of merged layers, that was removed.
func (s *server) dropPacks(name string) {
	if s.runtimes == nil { // still opening
		return
	}
	if err := s.runtimes.DropPacks(name); err != nil {
		s.log.Warn("what was compiled of a package that is gone could not be removed", "package", name, "error", err)
	}
}

// retire ends instances that a change of their function has put out of date, and has
// the fleet prepare for those to come.
func (s *server) retire(id wick.FunctionID, version string, f *wick.Function) {
	current := ""
	if f != nil {
		current = f.ConfigHash
		if f.State == wick.StateActive {
			s.fleet.Anticipate(f)
			s.preparer.Prepare(f)
		}
	}
	s.fleet.Retire(id, version, current)
}

// secret finds the secret of an access key: the operator's, or a function's own, whose
// session token must be its own too.
func (s *server) secret(keys *credentials.Issuer) func(context.Context, string, string) (string, error) {
	return func(_ context.Context, accessKeyID, token string) (string, error) {
		if accessKeyID == s.c.AccessKeyID && token == "" {
			return s.c.SecretAccessKey, nil
		}
		secret, ok := keys.Secret(accessKeyID)
		if !ok {
			return "", sigv4.UnknownKey()
		}
		switch _, err := keys.Identify(accessKeyID, token); {
		case errors.Is(err, credentials.ErrExpired):
			return "", sigv4.ExpiredToken()
		case err != nil:
			return "", sigv4.UnknownKey()
		}
		return secret, nil
	}
}

// local serves /_wick/: what Wick's own commands ask for. With signatures required it
// is for clients on this machine only, but for packages, whose links are signed.
func (s *server) local(onlyHere bool) http.Handler {
	mux := http.NewServeMux()
	here := guard(onlyHere)
	mux.HandleFunc("GET /_wick/health", func(w http.ResponseWriter, _ *http.Request) {
		s.writeJSON(w, map[string]any{
			"status": "ok", "version": buildVersion(), "pid": os.Getpid(), "goroutines": goruntime.NumGoroutine(),
		})
	})
	mux.HandleFunc("GET /_wick/ps", here(func(w http.ResponseWriter, _ *http.Request) {
		s.writeJSON(w, map[string]any{"instances": s.fleet.Instances(), "ahead": s.fleet.Ahead()})
	}))
	mux.HandleFunc("GET /_wick/runtimes", here(s.getRuntimes))
	mux.HandleFunc("POST /_wick/runtimes", here(s.refreshRuntimes))
	mux.HandleFunc("GET /_wick/runtimes/folder", here(s.getRuntimesFolder))
	mux.HandleFunc("GET /_wick/top", here(s.writeTop))
	mux.HandleFunc("GET /_wick/logs", here(s.logs.Handler().ServeHTTP))
	return mux
}

func (s *server) writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.Debug("a client hung up on an answer", "error", err)
	}
}

// matcher tells control what this machine runs functions with.
type matcher struct{ set *runtimes.Set }

// Match implements control.Runtimes.
func (m matcher) Match(runtime string) (control.Match, error) {
	match, err := m.set.Match(runtime, false)
	if err != nil {
		return control.Match{}, err
	}
	name := "the function's own program"
	if in := match.Interpreter; in.Bin != "" {
		name = string(in.Language) + " " + in.Version + " (" + in.Bin + ")"
	}
	return control.Match{Exact: match.Exact, Name: name}, nil
}
