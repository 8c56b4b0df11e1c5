package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/client"
	"github.com/wick-run/wick/runtimes"
)

var _ = register(newRuntimesCommand)

func newRuntimesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "runtimes",
		Short: "List the Lambda runtimes and what runs each here; install what is missing",
		Long: `List every Lambda runtime and the interpreter that runs it. Where the very version is
missing, the nearest of the language runs the function, for Java and .NET the nearest
newer one, unless the server was started with --strict-runtimes.

The list is the server's, which looks again for what there is; without a server it is
this machine's.`,
		Example: `  wick runtimes
  wick runtimes --json | jq -r '.[] | select(.status == "missing") | .runtime'
  wick runtimes install python3.12
  wick runtimes add java21 /opt/jdk-21`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			list, err := c.RefreshRuntimes(cmd.Context())
			var unreachable *client.UnreachableError
			if errors.As(err, &unreachable) && !cmd.Flags().Changed("endpoint") {
				list, err = localRuntimes(cmd.Context())
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printRuntimes(cmd.OutOrStdout(), list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON array: runtime, language, status, version, exact, bin, source, sdk, advice")
	cmd.AddCommand(newRuntimesInstallCommand(), newRuntimesAddCommand(), newRuntimesRemoveCommand())
	return cmd
}

// localRuntimes lists what this machine can run.
func localRuntimes(ctx context.Context) ([]client.Runtime, error) {
	set, err := discoverHere(ctx, runtimesDir(cmp.Or(os.Getenv("WICK_DATA_DIR"), defaultDataDir())))
	if err != nil {
		return nil, err
	}
	return listRuntimes(set), nil
}

// discoverHere looks for what this machine has, beside what is installed in a server's
// folder, without writing there: the server may be running, or another user's.
func discoverHere(ctx context.Context, folder string) (*runtimes.Set, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir() // no home folder, as in some containers
	}
	return runtimes.Discover(ctx, runtimes.Options{Dir: filepath.Join(cache, "wick", "runtimes"), Installed: folder})
}

// runtimesDir is where in a data directory bootstraps, interpreters and SDKs are.
func runtimesDir(dataDir string) string { return filepath.Join(dataDir, "runtimes") }

// listRuntimes returns every runtime AWS has or had and what set has to run it with, by
// language and newest first.
func listRuntimes(set *runtimes.Set) []client.Runtime {
	list := []client.Runtime{} // as JSON never null
	for _, name := range runtimes.Identifiers() {
		_, deprecated := runtimes.Known(name)
		r := client.Runtime{Runtime: name, Language: languageOf(name), Deprecated: deprecated, Status: client.RuntimeMissing}
		match, err := set.Look(name)
		switch {
		case wick.KindOf(err) == wick.NotBuilt:
			r.Advice = err.Error()
		case err != nil:
			r.Advice = "wick runtimes install " + name
		default:
			r.Status, r.Exact = client.RuntimeNear, match.Exact
			r.Version, r.Bin, r.Source, r.SDK = match.Interpreter.Version, match.Interpreter.Bin, match.Interpreter.Source, match.SDKVersion
			if match.Exact {
				r.Status = client.RuntimeExact
			}
			if match.Language == runtimes.Provided {
				r.Status = client.RuntimeOwn
			}
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b client.Runtime) int {
		return cmp.Or(cmp.Compare(a.Language, b.Language), -compareNatural(a.Runtime, b.Runtime))
	})
	return list
}

// languageOf names the language of a runtime, also of one that Wick doesn't run.
func languageOf(runtime string) string {
	if want, ok := runtimes.ParseRuntime(runtime); ok {
		return string(want.Language)
	}
	return strings.TrimRight(strings.SplitN(runtime, ".", 2)[0], "0123456789")
}

// compareNatural compares names with numbers in them as people do: python3.9 before
// python3.12.
func compareNatural(a, b string) int {
	digits := func(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
	for a != "" && b != "" {
		if n, m := digits(a), digits(b); n > 0 && m > 0 {
			// Without leading zeros, more digits are more.
			if c := cmp.Or(cmp.Compare(n, m), cmp.Compare(a[:n], b[:m])); c != 0 {
				return c
			}
			a, b = a[n:], b[m:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func printRuntimes(w io.Writer, list []client.Runtime) error {
	rows := make([][]string, len(list))
	for i, r := range list {
		name := r.Runtime
		if r.Deprecated {
			name += " (deprecated)"
		}
		runs, found := r.Language+" "+r.Version, fmt.Sprintf("%s (%s)", r.Bin, r.Source)
		switch r.Status {
		case client.RuntimeOwn:
			runs, found = "the function's own bootstrap", ""
		case client.RuntimeMissing:
			runs, found = "missing", r.Advice
		case client.RuntimeNear:
			runs += ", the nearest"
		}
		rows[i] = []string{name, runs, r.SDK, found}
	}
	return printTable(w, []string{"RUNTIME", "RUN BY", "SDK", "FOUND AT"}, rows)
}
