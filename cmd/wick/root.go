package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/wick-run/wick/internal/client"
)

// Exit statuses. Scripts rely on them; wick help says so.
const (
	exitOK      = 0
	exitFailure = 1 // it failed, or the function did
	exitUsage   = 2 // the command line makes no sense
)

// commands makes the sub-commands. Each file of a command adds its own with register.
var commands []func() *cobra.Command

// register adds a sub-command, for use in a package-level declaration:
//
//	var _ = register(newServeCommand)
func register(newCommand func() *cobra.Command) bool {
	commands = append(commands, newCommand)
	return true
}

// run runs one command line and returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCommand()
	started := false
	markStart(root, &started)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errSilent):
		return exitFailure
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitFailure // interrupted; whoever did it knows
	}
	fmt.Fprintf(stderr, "wick: %v\n", err)
	var usage *usageError
	if started && !errors.As(err, &usage) {
		return exitFailure
	}
	fmt.Fprintf(stderr, "See `%s --help`.\n", cmd.CommandPath())
	return exitUsage
}

// errSilent ends a command with exitFailure when all has been said already.
var errSilent = errors.New("failed")

// usageError is a command line that a flag's own rules let through.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// markStart has every command below c say when it gets to run: what fails before that,
// parsing flags and arguments, is wrong usage.
func markStart(c *cobra.Command, started *bool) {
	if runE := c.RunE; runE != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			*started = true
			return runE(cmd, args)
		}
	}
	for _, sub := range c.Commands() {
		markStart(sub, started)
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "wick",
		Short: "AWS Lambda functions on your own machine",
		Long: `Wick runs AWS Lambda functions on your own machine, unchanged and without Docker.
Start the server with "wick serve"; then any AWS client works with it, and so do
the commands below.

Exit status: 0 when all went well, 1 when something failed (for wick invoke: also
when the function did), 2 when the command line is wrong.`,
		Example: `  wick serve &
  wick deploy examples/node-hello
  wick invoke node-hello --payload '{"name":"Ada"}' --tail
  wick logs node-hello --follow`,
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
	}
	root.PersistentFlags().String("endpoint", "", "URL of the server (default WICK_ENDPOINT, AWS_ENDPOINT_URL or "+client.DefaultEndpoint+")")
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	for _, newCommand := range commands {
		root.AddCommand(newCommand())
	}
	return root
}

// one is the rule for commands that take one argument, what.
func one(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return usagef("name %s", what)
		case 1:
			return nil
		}
		return usagef("one argument is enough (%s), there are %d", what, len(args))
	}
}

// connect makes the client that cmd's --endpoint and the environment ask for.
func connect(cmd *cobra.Command) (*client.Client, error) {
	endpoint, err := cmd.Flags().GetString("endpoint")
	if err != nil {
		return nil, err
	}
	c, err := client.New(endpoint, os.Getenv)
	if err != nil {
		return nil, &usageError{err.Error()}
	}
	return c, nil
}
