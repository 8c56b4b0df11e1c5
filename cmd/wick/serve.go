package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	awslogs "github.com/wick-run/wick/aws/logs"
	"github.com/wick-run/wick/invoke"
	"github.com/wick-run/wick/otlp"
)

var _ = register(newServeCommand)

// config is all that wick serve can be told. Each field has a flag of the same name,
// and a variable: WICK_ and the flag's name in capitals, hyphens as underscores.
type config struct {
	Addr    string // host:port to listen on; port 0 takes any free one
	DataDir string // everything that must last: functions, packages, logs

	Memory      bytesValue    // what all instances may use together; 0: most of the machine's
	Concurrency int           // events an account may have under way in a region
	IdleTimeout time.Duration // after this without an event an instance is stopped
	MaxLifetime time.Duration // after this an instance is replaced between two events
	QueueWait   time.Duration // how long an event waits on a full machine before its 429
	Stems       int           // instances of a language booted ahead at most, for no function yet
	Grace       time.Duration // how long a stop waits for events under way

	Isolation       string // auto, linux or process
	Egress          bool   // functions reach the outside
	InjectEndpoints bool   // functions are told Wick's own API by AWS_ENDPOINT_URL
	Forward         forwards

	StrictRuntimes          bool // refuse functions whose exact runtime isn't here
	AllowDeprecatedRuntimes bool // take runtimes that AWS no longer takes

	// The key that signed requests must use when the address isn't a loopback one.
	AccessKeyID     string
	SecretAccessKey string

	Record       recordValue // what is kept of what functions do: logs, traces, metrics
	OTLP         string      // an OpenTelemetry receiver that gets it, too
	OTLPProtocol string      // how that is spoken to; "" by its port
	OTLPHeaders  headers     // what that wants with each request

	LogsRates awslogs.Rates // how fast CloudWatch Logs may be asked

	LogLevel slog.Level // of the operator's log
}

func newServeCommand() *cobra.Command {
	c := config{Forward: forwards{}, OTLPHeaders: headers{}, LogsRates: awslogs.DefaultRates(), Record: slices.Clone(recordable)}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server: AWS's Lambda API on one address, functions in sandboxes of their own.

It keeps its state in the data directory and is ready in some ten milliseconds. The
first interrupt (or SIGTERM) lets events under way end, for as long as --grace says.

Every flag can be given as a variable too: --data-dir as WICK_DATA_DIR.`,
		Example: `  wick serve
  wick serve --addr 127.0.0.1:9000 --data-dir ./.wick --memory 4GiB
  wick serve --forward s3=http://127.0.0.1:9090 --forward '*'=http://127.0.0.1:5000`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd.Flags(), os.LookupEnv); err != nil {
				return err
			}
			if err := c.check(); err != nil {
				return err
			}
			if err := enterIsolation(c); err != nil {
				// The driver says whether it can do without.
				fmt.Fprintf(cmd.ErrOrStderr(), "wick: %v\n", err)
			}
			return serve(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Addr, "addr", "127.0.0.1:4566", "address to listen on")
	f.StringVar(&c.DataDir, "data-dir", defaultDataDir(), "folder for functions, packages and logs")
	f.Var(&c.Memory, "memory", "memory that all instances may use together, e.g. 4GiB (default: most of the machine's)")
	f.IntVar(&c.Concurrency, "concurrency", invoke.DefaultConcurrency, "events an account may have under way in a region")
	f.DurationVar(&c.IdleTimeout, "idle-timeout", 10*time.Minute, "stop an instance that has been idle for this long")
	f.DurationVar(&c.MaxLifetime, "max-lifetime", 4*time.Hour, "replace an instance that is this old")
	f.DurationVar(&c.QueueWait, "queue-wait", 10*time.Second, "how long an event waits while the machine is full")
	f.IntVar(&c.Stems, "stems", 16, "boot at most this many instances of a language ahead; 0 boots none")
	f.DurationVar(&c.Grace, "grace", 10*time.Second, "how long a stop waits for events under way")
	f.StringVar(&c.Isolation, "isolation", "auto", "walls around functions: auto, linux or process (none)")
	f.BoolVar(&c.Egress, "egress", true, "let functions reach the outside")
	f.BoolVar(&c.InjectEndpoints, "inject-endpoints", true, "set AWS_ENDPOINT_URL for functions; =false gives AWS's exact environment")
	f.Var(&c.Forward, "forward", "pass requests for a service Wick doesn't serve on, SERVICE=URL ('*' for all others); repeatable")
	f.BoolVar(&c.StrictRuntimes, "strict-runtimes", false, "refuse functions whose exact runtime version isn't on this machine")
	f.BoolVar(&c.AllowDeprecatedRuntimes, "allow-deprecated-runtimes", false, "take runtimes that AWS no longer takes")
	f.StringVar(&c.AccessKeyID, "access-key-id", "", "key that requests must be signed with; needed when --addr isn't on loopback")
	f.StringVar(&c.SecretAccessKey, "secret-access-key", "", "its secret; better given as WICK_SECRET_ACCESS_KEY")
	f.Var(&c.Record, "record", "what is kept of what functions do: logs, traces, metrics, or none")
	f.StringVar(&c.OTLP, "otlp", "", "`URL` of an OpenTelemetry receiver that gets what is recorded, too, e.g. http://127.0.0.1:4318 (HTTP) or :4317 (gRPC)")
	f.StringVar(&c.OTLPProtocol, "otlp-protocol", "", "how the receiver is spoken to: grpc or http/protobuf (default grpc on port 4317, else http/protobuf)")
	f.Var(&c.OTLPHeaders, "otlp-header", "header for the receiver, such as its key; repeatable; better given as WICK_OTLP_HEADER")
	f.Var(&c.LogsRates, "logs-rate", "requests a second that an operation of CloudWatch Logs takes, e.g. FilterLogEvents=100, or '*=0' for no limits (default AWS's quotas); repeatable")
	f.TextVar(&c.LogLevel, "log-level", slog.LevelInfo, "`level` of the operator's log: debug, info, warn or error")
	must(cmd.RegisterFlagCompletionFunc("isolation", cobra.FixedCompletions(
		[]string{"auto", "linux", "process"}, cobra.ShellCompDirectiveNoFileComp)))
	must(cmd.MarkFlagDirname("data-dir"))
	return cmd
}

// must stops a binary whose commands are declared wrongly.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// check finds what flags alone can't.
func (c *config) check() error {
	if !slices.Contains([]string{"auto", "linux", "process"}, c.Isolation) {
		return usagef("--isolation is auto, linux or process, not %q", c.Isolation)
	}
	if c.Isolation == "linux" && runtime.GOOS != "linux" {
		return usagef("--isolation linux needs Linux; on this system use --isolation process")
	}
	if c.Stems < 0 {
		return usagef("--stems is 0 or more, not %d", c.Stems)
	}
	// Less holds no instance of the smallest function: every event would wait, then be throttled.
	if m := int64(c.Memory); m != 0 && m < 128<<20 {
		return usagef("--memory %d bytes is too little: the smallest function has 128MiB; give 4GiB, say", m)
	}
	if c.Concurrency < 1 {
		return usagef("--concurrency is at least 1, not %d", c.Concurrency)
	}
	if c.OTLP != "" {
		if err := otlp.CheckEndpoint(c.OTLP, c.OTLPProtocol); err != nil {
			return usagef("--otlp %v", err)
		}
	}
	if (c.AccessKeyID == "") != (c.SecretAccessKey == "") {
		return usagef("--access-key-id and --secret-access-key go together")
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return err
	}
	c.DataDir = dir
	return nil
}

// defaultDataDir is a folder of the system's for root and of the user's for others.
func defaultDataDir() string {
	if runtime.GOOS == "linux" && os.Geteuid() == 0 {
		return "/var/lib/wick"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "wick")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".wick"
	}
	return filepath.Join(home, ".local", "share", "wick")
}

// fromEnvironment sets the flags that weren't given from their variables.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "WICK_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		v, ok := lookup(name)
		if !ok || f.Changed || f.Name == "endpoint" || f.Name == "help" {
			return
		}
		if err := f.Value.Set(v); err != nil {
			errs = append(errs, usagef("%s: %v", name, err))
		}
	})
	return errors.Join(errs...)
}

// bytesValue is a number of bytes as a flag: 1073741824, 512MB, 4GiB.
type bytesValue int64

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"TIB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"B", 1}, {"", 1},
}

// Set implements pflag.Value.
func (b *bytesValue) Set(s string) error {
	upper := strings.ToUpper(strings.TrimSpace(s))
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(upper, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || n < 0 || n*u.factor > 1<<62 {
			break
		}
		*b = bytesValue(n * u.factor)
		return nil
	}
	return fmt.Errorf("%q is no number of bytes, such as 4GiB", s)
}

// String implements pflag.Value.
func (b *bytesValue) String() string { return strconv.FormatInt(int64(*b), 10) }

// Type implements pflag.Value.
func (b *bytesValue) Type() string { return "bytes" }

// forwards are the targets of services that Wick doesn't serve, as a flag.
type forwards map[string]*url.URL

// Set implements pflag.Value; a variable may hold several, separated by commas.
func (f *forwards) Set(s string) error {
	for _, one := range strings.Split(s, ",") {
		service, target, ok := strings.Cut(one, "=")
		if !ok || service == "" {
			return fmt.Errorf("%q is not SERVICE=URL", one)
		}
		u, err := url.Parse(target)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return fmt.Errorf("%q is no URL to forward to, such as http://127.0.0.1:9090", target)
		}
		(*f)[service] = u
	}
	return nil
}

// String implements pflag.Value.
func (f *forwards) String() string {
	var all []string
	for service, u := range *f {
		all = append(all, service+"="+u.String())
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

// Type implements pflag.Value.
func (f *forwards) Type() string { return "SERVICE=URL" }
