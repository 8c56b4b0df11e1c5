package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/client"
)

var _ = register(newPsCommand)

func newPsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "List the instances that live on the server",
		Long: `List the instances of functions: their function, state, age, memory and the number of
invocations each has served. What is merely made ahead, and of no function yet, is
counted in a line below.`,
		Example: `  wick ps
  wick ps --json | jq '.instances[] | select(.state == "busy")'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			is, err := c.Instances(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), is)
			}
			return printInstances(cmd.OutOrStdout(), is)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object: instances, ahead")
	return cmd
}

func printInstances(w io.Writer, is client.Instances) error {
	if len(is.Instances) == 0 {
		if _, err := fmt.Fprintln(w, "No instances: they are made when a function is invoked."); err != nil {
			return err
		}
	} else if err := printTable(w,
		[]string{"FUNCTION", "VERSION", "RUNTIME", "STATE", "AGE", "MEMORY", "INVOCATIONS", "INSTANCE"},
		rowsOf(is.Instances)); err != nil {
		return err
	}
	return printAhead(w, is.Ahead)
}

func rowsOf(instances []wick.InstanceStatus) [][]string {
	rows := make([][]string, len(instances))
	for i, in := range instances {
		rows[i] = []string{
			in.Function, in.Version, in.Runtime, string(in.State), durationText(in.Age),
			bytesText(in.MemoryBytes), strconv.FormatInt(in.Invocations, 10), in.ID[:min(len(in.ID), 12)],
		}
	}
	return rows
}

// printAhead sums up the instances that wait for a function.
func printAhead(w io.Writer, ahead []wick.InstanceStatus) error {
	var runtimes []string // in order of first sight
	count, memory := map[string]int{}, map[string]int64{}
	for _, in := range ahead {
		if count[in.Runtime] == 0 {
			runtimes = append(runtimes, in.Runtime)
		}
		count[in.Runtime]++
		memory[in.Runtime] += in.MemoryBytes
	}
	for _, r := range runtimes {
		if _, err := fmt.Fprintf(w, "made ahead: %d × %s, %s\n", count[r], r, bytesText(memory[r])); err != nil {
			return err
		}
	}
	return nil
}
