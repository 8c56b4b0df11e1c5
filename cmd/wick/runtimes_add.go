package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/wick-run/wick/runtimes"
	"github.com/wick-run/wick/runtimes/install"
)

func newRuntimesAddCommand() *cobra.Command {
	var where dataFolder
	cmd := &cobra.Command{
		Use:   "add RUNTIME PATH",
		Short: "Have a runtime run by the interpreter at a path",
		Long: `Have a runtime run by an interpreter that Wick doesn't find by itself, or by another than
it would take. PATH is the program, or the folder it is installed in. It is asked for its
version first, and refused when it can't run the runtime.`,
		Example: `  wick runtimes add java21 /opt/jdk-21
  wick runtimes add python3.12 ~/builds/python/bin/python3.12`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("name a runtime, such as java21, and the path of its interpreter")
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return runtimes.Identifiers(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, server, err := where.find(cmd)
			if err != nil {
				return err
			}
			in, err := runtimes.Add(cmd.Context(), folder, args[0], args[1])
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is run by %s %s at %s\n", args[0], in.Language.Title(), in.Version, in.Bin); err != nil {
				return err
			}
			return refresh(cmd.Context(), server)
		},
	}
	where.addTo(cmd)
	return cmd
}

func newRuntimesRemoveCommand() *cobra.Command {
	var where dataFolder
	cmd := &cobra.Command{
		Use:   "remove RUNTIME|sdk",
		Short: "Undo wick runtimes add and install",
		Long: `Forget the interpreter that was added for a runtime, and delete the interpreter and the
SDK that were installed for it; with "sdk" every SDK. What the machine has of its own
stays.`,
		Example: `  wick runtimes remove java21
  wick runtimes remove sdk`,
		Args:              one("the runtime to remove, or sdk"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			folder, server, err := where.find(cmd)
			if err != nil {
				return err
			}
			i := &install.Installer{Dir: folder, InUse: server != nil, Say: func(line string) { fmt.Fprintln(cmd.OutOrStdout(), line) }}
			removed := false
			say := func(format string, a ...any) {
				removed = true
				_, err := fmt.Fprintf(cmd.OutOrStdout(), format+"\n", a...)
				_ = err // what has been done is done, whoever reads it
			}
			if args[0] != sdkArgument {
				if known, _ := runtimes.Known(args[0]); !known {
					return usagef("%q is no runtime of Lambda's; `wick runtimes` lists them", args[0])
				}
				forgotten, err := runtimes.Forget(folder, args[0])
				if err != nil {
					return err
				}
				if forgotten {
					say("%s is run by what is found again", args[0])
				}
			}
			for _, there := range runtimes.ReadInstalled(folder) {
				if args[0] == sdkArgument && there.Kind != runtimes.KindSDK || args[0] != sdkArgument && !there.Serves(args[0]) {
					continue
				}
				if err := i.Remove(cmd.Context(), there); err != nil {
					return err
				}
				say("removed %s", there.Name)
			}
			if !removed {
				return fmt.Errorf("nothing was added or installed for %s", args[0])
			}
			return errors.Join(refresh(cmd.Context(), server))
		},
	}
	where.addTo(cmd)
	return cmd
}
