package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/wick-run/wick/internal/client"
	"github.com/wick-run/wick/runtimes"
	"github.com/wick-run/wick/runtimes/install"
)

// sdkArgument is what stands for the SDKs of all interpreters, in the place of a runtime.
const sdkArgument = "sdk"

func newRuntimesInstallCommand() *cobra.Command {
	var where dataFolder
	var withoutSDK bool
	var clients []string
	var upgrade bool
	cmd := &cobra.Command{
		Use:   "install RUNTIME|sdk...",
		Short: "Get interpreters, and the SDKs that AWS's images carry",
		Long: `Get what runs a runtime, where this machine lacks it, and the SDK that AWS's image of it
carries: boto3 for Python, the AWS SDK for JavaScript for Node.js (version 3, in parts)
and the AWS SDK for Ruby. With "sdk" it is the SDKs alone, for each version that is here.

Packages come from PyPI, npm, RubyGems and Debian through pip, npm, gem and apt-get as
they are set up here, and are checked against their registries' checksums. All but
Debian's go into the data directory: that of the server that runs, else that of
--data-dir. A running server has them at once.`,
		Example: `  wick runtimes install sdk
  wick runtimes install nodejs22.x java21
  wick runtimes install nodejs22.x --sdk-clients personalize,iot-data-plane`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("name a runtime, such as python3.12, or sdk; `wick runtimes` lists them")
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			names := append(runtimes.Identifiers(), sdkArgument)
			slices.Sort(names)
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, server, err := where.find(cmd)
			if err != nil {
				return err
			}
			machine, err := discoverHere(cmd.Context(), folder)
			if err != nil {
				return err
			}
			i := &install.Installer{
				Dir: folder, Machine: machine, Clients: clients, Upgrade: upgrade, InUse: server != nil,
				Say: func(line string) { fmt.Fprintln(cmd.OutOrStdout(), line) },
			}
			var errs []error
			for _, what := range args {
				if err := installOne(cmd.Context(), i, what, !withoutSDK); err != nil {
					errs = append(errs, err)
				}
				if cmd.Context().Err() != nil {
					break
				}
			}
			errs = append(errs, refresh(cmd.Context(), server), i.Tidy(cmd.Context()))
			return errors.Join(errs...)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&withoutSDK, "without-sdk", false, "only the interpreter")
	f.StringSliceVar(&clients, "sdk-clients", nil, "clients of the SDKs for Node.js and Ruby to get in the place of the usual ones, beside those that are there: the `NAME`s of npm's @aws-sdk/client-NAME")
	f.BoolVar(&upgrade, "upgrade", false, "replace what Wick has installed by the newest")
	where.addTo(cmd)
	return cmd
}

func installOne(ctx context.Context, i *install.Installer, what string, sdk bool) error {
	if what == sdkArgument {
		return i.SDKs(ctx)
	}
	if known, _ := runtimes.Known(what); !known {
		return usagef("%q is no runtime of Lambda's; `wick runtimes` lists them", what)
	}
	if err := i.Interpreter(ctx, what); err != nil {
		return err
	}
	if !sdk {
		return nil
	}
	return i.SDK(ctx, what)
}

// dataFolder is the folder of interpreters and SDKs that a command works on.
type dataFolder struct{ dataDir string }

func (d *dataFolder) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.dataDir, "data-dir", "", "data directory to work on (default: the running server's, else WICK_DATA_DIR or that of wick serve)")
	must(cmd.MarkFlagDirname("data-dir"))
}

// find returns the folder, and the server that works with it; nil for none.
func (d *dataFolder) find(cmd *cobra.Command) (folder string, server *client.Client, err error) {
	c, err := connect(cmd)
	if err != nil {
		return "", nil, err
	}
	served, err := c.RuntimesFolder(cmd.Context())
	var unreachable *client.UnreachableError
	switch {
	case err == nil:
		server = c
	case cmd.Flags().Changed("endpoint") || !errors.As(err, &unreachable) && d.dataDir == "":
		return "", nil, err
	}
	if d.dataDir == "" {
		if server != nil {
			if _, err := os.Stat(served); err != nil {
				return "", nil, fmt.Errorf("the server at %s isn't on this machine or keeps its data where this user can't see it: "+
					"run this where it runs, as the user it runs as", c.Endpoint)
			}
			return served, server, nil
		}
		d.dataDir = os.Getenv("WICK_DATA_DIR")
	}
	if d.dataDir == "" {
		d.dataDir = defaultDataDir()
	}
	dir, err := filepath.Abs(d.dataDir)
	if err != nil {
		return "", nil, err
	}
	folder = runtimesDir(dir)
	if server != nil && served != folder {
		server = nil // another's
	}
	return folder, server, nil
}

// refresh has a server look again; nil has none to.
func refresh(ctx context.Context, server *client.Client) error {
	if server == nil {
		return nil
	}
	if _, err := server.RefreshRuntimes(ctx); err != nil {
		return fmt.Errorf("the server doesn't know yet: %w", err)
	}
	return nil
}
