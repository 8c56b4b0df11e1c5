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

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/spf13/cobra"
	"github.com/wick-run/wick/internal/client"
	"github.com/wick-run/wick/runtimes"
)

var _ = register(newRuntimesCommand)

func newRuntimesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "runtimes",
		Short: "List the Lambda runtimes and what runs each here",
		Long: `List the Lambda runtimes and the interpreter that runs each. Where the very version is
missing, the nearest of the language runs the function, unless the server was started
with --strict-runtimes.

The list is the server's; without one it is this machine's.`,
		Example: `  wick runtimes
  wick runtimes --json | jq -r '.[] | select(.exact) | .runtime'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			list, err := c.Runtimes(cmd.Context())
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON array: runtime, language, version, exact, bin, source")
	return cmd
}

// localRuntimes lists what this machine can run.
func localRuntimes(ctx context.Context) ([]client.Runtime, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir() // no home folder, as in some containers
	}
	set, err := runtimes.Discover(ctx, runtimes.Options{Dir: filepath.Join(cache, "wick", "runtimes")})
	if err != nil {
		return nil, err
	}
	return listRuntimes(set), nil
}

// listRuntimes returns every runtime that functions can be created with and that set has
// something to run with, by language and newest first. wick serve answers
// GET /_wick/runtimes with it.
func listRuntimes(set *runtimes.Set) []client.Runtime {
	list := []client.Runtime{} // as JSON never null
	for _, runtime := range types.Runtime("").Values() {
		name := string(runtime)
		if known, deprecated := runtimes.Known(name); !known || deprecated {
			continue
		}
		match, err := set.Match(name, false)
		if err != nil {
			continue // its language isn't here, or not Wick's yet
		}
		list = append(list, client.Runtime{
			Runtime: name, Language: string(match.Language), Version: match.Interpreter.Version,
			Exact: match.Exact, Bin: match.Interpreter.Bin, Source: match.Interpreter.Source,
		})
	}
	slices.SortStableFunc(list, func(a, b client.Runtime) int {
		return cmp.Or(cmp.Compare(a.Language, b.Language), -compareNatural(a.Runtime, b.Runtime))
	})
	return list
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
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "No runtimes: install Node.js, Python, Ruby or Java where Wick runs; it looks on PATH and where pyenv, nvm and their like keep theirs.")
		return err
	}
	rows := make([][]string, len(list))
	for i, r := range list {
		runs, found := r.Language+" "+r.Version, fmt.Sprintf("%s (%s)", r.Bin, r.Source)
		if r.Bin == "" {
			runs, found = "the function's own bootstrap", ""
		} else if !r.Exact {
			runs += ", the nearest"
		}
		rows[i] = []string{r.Runtime, runs, found}
	}
	return printTable(w, []string{"RUNTIME", "RUN BY", "FOUND AT"}, rows)
}
