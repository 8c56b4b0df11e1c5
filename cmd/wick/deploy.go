package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/spf13/cobra"
	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/bundle"
	"github.com/wick-run/wick/internal/client"
)

var _ = register(newDeployCommand)

// defaultRole is what functions get that name no role: Wick assumes none, but AWS's API
// wants one.
const defaultRole = "arn:aws:iam::" + wick.DefaultAccount + ":role/wick"

// deployFlags are the settings a command line names; a zero leaves a function's own (or
// AWS's default) alone.
type deployFlags struct {
	name, runtime, handler, role, architecture, tracing string
	memory, timeout                                     int32
	env, layers                                         []string
	asJSON                                              bool
}

func newDeployCommand() *cobra.Command {
	var flags deployFlags
	cmd := &cobra.Command{
		Use:   "deploy DIR|JAR|ZIP",
		Short: "Create or update a function from a folder",
		Long: `Zip a folder and make it a function, or the new code of the function of that name.

Runtime and handler are guessed from the files unless flags name them:
  bootstrap                                 a custom runtime, as it is
  go.mod, Cargo.toml                        built here (go build, cargo build --release)
  Makefile                                  built here, if it has a rule for bootstrap
  package.json, index.mjs, index.js         Node.js; the handler is the module's export
  lambda_function.py, app.py, main.py, handler.py, index.py
                                            Python; with a def lambda_handler or handler
  lambda_function.rb, app.rb, function.rb, main.rb, handler.rb, index.rb
                                            Ruby; with a def lambda_handler, handler or process
  pom.xml, Java sources                     built here (mvn package, javac)
  *.csproj, *.fsproj                        .NET, built here (dotnet publish); or compiled, as it is

A jar or zip goes up as it is.

--layer adds a layer's files to the function's /opt, later ones over earlier ones. A folder
or zip is published as the layer of its name, unless that is its newest version already.

An update changes code, and of the settings only what flags name; the runtime and the
handler stay unless the folder is written in another language than before. The same code
gives the same package, so deploying it twice changes nothing.`,
		Example: `  wick deploy examples/node-hello
  wick deploy . --name orders --memory 512 --timeout 30 --env TABLE=orders --env DEBUG=1
  wick deploy dist --runtime nodejs20.x --handler server.handle
  wick deploy app --layer ./shared --layer arn:aws:lambda:us-east-1:000000000000:layer:tools:3`,
		Args: one("the folder that holds the function"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := flags.environment(); err != nil {
				return err
			}
			if a := flags.architecture; a != "" && a != "x86_64" && a != "arm64" {
				return usagef("--architecture %s is neither x86_64 nor arm64", a)
			}
			if m := flags.tracing; m != "" && m != string(types.TracingModeActive) && m != string(types.TracingModePassThrough) {
				return usagef("--tracing %s is neither Active nor PassThrough", m)
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			d := deployment{client: c, flags: flags}
			if err := d.run(cmd.Context(), args[0], cmd.ErrOrStderr()); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(cmd.OutOrStdout(), d.result())
			}
			return d.print(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.name, "name", "", "the function's name (default the folder's)")
	f.StringVar(&flags.runtime, "runtime", "", "Lambda runtime, e.g. nodejs22.x, python3.13, provided.al2023")
	f.StringVar(&flags.handler, "handler", "", "handler, e.g. index.handler")
	f.StringVar(&flags.role, "role", "", "role ARN (default "+defaultRole+")")
	f.StringVar(&flags.architecture, "architecture", "", "x86_64 or arm64 (default this machine's)")
	f.StringVar(&flags.tracing, "tracing", "", "Active or PassThrough (default PassThrough)")
	f.Int32Var(&flags.memory, "memory", 0, "memory in MB (default 128)")
	f.Int32Var(&flags.timeout, "timeout", 0, "time-out in seconds (default 3)")
	f.StringArrayVar(&flags.env, "env", nil, "environment variable `NAME=VALUE`, any number of times; replaces all that the function had")
	f.StringArrayVar(&flags.layers, "layer", nil, "layer `ARN|DIR|ZIP`, up to five times; replaces all that the function had, \"none\" takes them away")
	f.BoolVar(&flags.asJSON, "json", false, "print one JSON object")
	for name, values := range map[string][]string{
		"runtime":      {"nodejs20.x", "nodejs22.x", "nodejs24.x", "python3.11", "python3.12", "python3.13", "python3.14", "provided.al2", "provided.al2023"},
		"architecture": {"x86_64", "arm64"},
		"tracing":      {"Active", "PassThrough"},
	} {
		if err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // the flag is declared above
		}
	}
	return cmd
}

// environment returns the variables of --env; nil when there are none.
func (f deployFlags) environment() (map[string]string, error) {
	if len(f.env) == 0 {
		return nil, nil
	}
	env := make(map[string]string, len(f.env))
	for _, e := range f.env {
		name, value, ok := strings.Cut(e, "=")
		if !ok || name == "" {
			return nil, usagef("--env %s is not of the form NAME=VALUE", e)
		}
		env[name] = value
	}
	return env, nil
}

// deployment is one run of wick deploy.
type deployment struct {
	client *client.Client
	flags  deployFlags

	bundle *bundle.Bundle
	layers []string // ARNs of versions; nil: as they are
	action string   // created, updated or unchanged
	took   time.Duration
	config *types.FunctionConfiguration // as the server has it afterwards
}

// run deploys dir and returns when the function can be invoked.
func (d *deployment) run(ctx context.Context, dir string, output io.Writer) error {
	if d.flags.name == "" {
		d.flags.name = bundle.Name(dir)
	}
	// Asked first, so that nothing is built for a server that isn't there.
	before, err := d.current(ctx)
	if err != nil {
		return err
	}
	if err := d.makeBundle(ctx, dir, before, output); err != nil {
		return err
	}
	start := time.Now()
	if d.layers, err = d.layerARNs(ctx); err != nil {
		return err
	}
	if before == nil {
		d.action = "created"
		err = d.create(ctx)
	} else {
		err = d.update(ctx, before)
	}
	if err != nil {
		return err
	}
	d.took = time.Since(start)
	d.config, err = d.current(ctx)
	return err
}

// current returns the function as the server has it, nil if it has none.
func (d *deployment) current(ctx context.Context) (*types.FunctionConfiguration, error) {
	out, err := d.client.Lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &d.flags.name})
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		return nil, nil
	case err != nil:
		return nil, d.client.Explain(err)
	}
	return out.Configuration, nil
}

func (d *deployment) makeBundle(ctx context.Context, dir string, before *types.FunctionConfiguration, output io.Writer) error {
	o := bundle.Options{
		Runtime: d.flags.runtime, Handler: d.flags.handler, Architecture: d.flags.architecture,
		Output: output,
	}
	if before != nil {
		o.Before = bundle.Before{Runtime: string(before.Runtime), Handler: aws.ToString(before.Handler)}
		if o.Architecture == "" {
			o.Architecture = architecture(before)
		}
	}
	// What to guess from. A server that doesn't say, such as one that isn't Wick, gets the
	// newest.
	runtimes, err := d.client.Runtimes(ctx)
	if err == nil {
		o.Runtimes = exactRuntimes(runtimes)
	}
	d.bundle, err = bundle.Make(ctx, dir, o)
	return err
}

// exactRuntimes returns the runtimes whose very version the server has, newest first.
func exactRuntimes(runtimes []client.Runtime) []string {
	var exact []string
	for _, r := range runtimes {
		if r.Exact && !r.Deprecated {
			exact = append(exact, r.Runtime)
		}
	}
	return exact
}

func (d *deployment) create(ctx context.Context) error {
	env, err := d.flags.environment()
	if err != nil {
		return err
	}
	in := &lambda.CreateFunctionInput{
		FunctionName:  &d.flags.name,
		Role:          aws.String(defaultRole),
		Runtime:       types.Runtime(d.bundle.Runtime),
		Handler:       &d.bundle.Handler,
		Architectures: []types.Architecture{types.Architecture(d.bundle.Architecture)},
		Code:          &types.FunctionCode{ZipFile: d.bundle.Zip},
		Layers:        d.layers,
		MemorySize:    given(d.flags.memory),
		Timeout:       given(d.flags.timeout),
	}
	if d.flags.role != "" {
		in.Role = &d.flags.role
	}
	if env != nil {
		in.Environment = &types.Environment{Variables: env}
	}
	if m := d.flags.tracing; m != "" {
		in.TracingConfig = &types.TracingConfig{Mode: types.TracingMode(m)}
	}
	if _, err := d.client.Lambda.CreateFunction(ctx, in); err != nil {
		return d.client.Explain(err)
	}
	return d.wait(ctx)
}

// update brings code and settings to what is wanted, each only where it differs.
func (d *deployment) update(ctx context.Context, before *types.FunctionConfiguration) error {
	d.action = "unchanged"
	if aws.ToString(before.CodeSha256) != d.bundle.CodeSHA256 || architecture(before) != d.bundle.Architecture {
		d.action = "updated"
		_, err := d.client.Lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{
			FunctionName:  &d.flags.name,
			ZipFile:       d.bundle.Zip,
			Architectures: []types.Architecture{types.Architecture(d.bundle.Architecture)},
		})
		if err != nil {
			return d.client.Explain(err)
		}
		if err := d.wait(ctx); err != nil {
			return err
		}
	}
	in, differs, err := d.settings(before)
	if err != nil || !differs {
		return err
	}
	d.action = "updated"
	if _, err := d.client.Lambda.UpdateFunctionConfiguration(ctx, in); err != nil {
		return d.client.Explain(err)
	}
	return d.wait(ctx)
}

// settings returns the request that brings a function's settings to what is wanted, and
// whether it changes any.
func (d *deployment) settings(before *types.FunctionConfiguration) (in *lambda.UpdateFunctionConfigurationInput, differs bool, err error) {
	in = &lambda.UpdateFunctionConfigurationInput{FunctionName: &d.flags.name}
	if d.bundle.Runtime != string(before.Runtime) {
		in.Runtime, differs = types.Runtime(d.bundle.Runtime), true
	}
	if d.bundle.Handler != aws.ToString(before.Handler) {
		in.Handler, differs = &d.bundle.Handler, true
	}
	if m := given(d.flags.memory); m != nil && *m != aws.ToInt32(before.MemorySize) {
		in.MemorySize, differs = m, true
	}
	if t := given(d.flags.timeout); t != nil && *t != aws.ToInt32(before.Timeout) {
		in.Timeout, differs = t, true
	}
	if r := d.flags.role; r != "" && r != aws.ToString(before.Role) {
		in.Role, differs = &r, true
	}
	if m := types.TracingMode(d.flags.tracing); m != "" && (before.TracingConfig == nil || m != before.TracingConfig.Mode) {
		in.TracingConfig, differs = &types.TracingConfig{Mode: m}, true
	}
	if d.layers != nil && !slices.Equal(d.layers, layersOf(before)) {
		in.Layers, differs = d.layers, true
	}
	env, err := d.flags.environment()
	if err != nil {
		return nil, false, err
	}
	if env != nil && (before.Environment == nil || !maps.Equal(env, before.Environment.Variables)) {
		in.Environment, differs = &types.Environment{Variables: env}, true
	}
	return in, differs, nil
}

// wait returns when the function is Active and its last update done.
func (d *deployment) wait(ctx context.Context) error {
	in := &lambda.GetFunctionInput{FunctionName: &d.flags.name}
	const patience = 2 * time.Minute
	err := lambda.NewFunctionActiveV2Waiter(d.client.Lambda).Wait(ctx, in, patience, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	})
	if err == nil {
		err = lambda.NewFunctionUpdatedV2Waiter(d.client.Lambda).Wait(ctx, in, patience, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
			o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
		})
	}
	if err == nil {
		return nil
	}
	// The waiter says only that it failed; the function says why.
	if now, currentErr := d.current(ctx); currentErr == nil && now != nil {
		for _, reason := range []*string{now.StateReason, now.LastUpdateStatusReason} {
			if aws.ToString(reason) != "" {
				return fmt.Errorf("%s did not become active: %s", d.flags.name, *reason)
			}
		}
	}
	return d.client.Explain(err)
}

// given turns a flag's zero into nil: not named.
func given(n int32) *int32 {
	if n == 0 {
		return nil
	}
	return &n
}

func architecture(c *types.FunctionConfiguration) string {
	if len(c.Architectures) == 0 {
		return string(types.ArchitectureX8664)
	}
	return string(c.Architectures[0])
}

// deployResult is what wick deploy --json prints.
type deployResult struct {
	FunctionName string            `json:"functionName"`
	FunctionArn  string            `json:"functionArn"`
	Action       string            `json:"action"` // created, updated, unchanged
	Runtime      string            `json:"runtime"`
	Handler      string            `json:"handler"`
	Architecture string            `json:"architecture"`
	Layers       []string          `json:"layers"` // ARNs of versions
	CodeSha256   string            `json:"codeSha256"`
	CodeSize     int64             `json:"codeSize"` // bytes of the zip
	Files        int               `json:"files"`
	Guessed      map[string]string `json:"guessed"` // what was guessed → from what
	Built        string            `json:"built,omitempty"`
}

func (d *deployment) result() deployResult {
	guessed := map[string]string{}
	if d.bundle.RuntimeReason != "" {
		guessed["runtime"] = d.bundle.RuntimeReason
	}
	if d.bundle.HandlerReason != "" {
		guessed["handler"] = d.bundle.HandlerReason
	}
	return deployResult{
		FunctionName: d.flags.name, FunctionArn: aws.ToString(d.config.FunctionArn), Action: d.action,
		Runtime: string(d.config.Runtime), Handler: aws.ToString(d.config.Handler), Architecture: architecture(d.config), Layers: layersOf(d.config),
		CodeSha256: aws.ToString(d.config.CodeSha256), CodeSize: d.config.CodeSize, Files: d.bundle.Files,
		Guessed: guessed, Built: d.bundle.Built,
	}
}

func (d *deployment) print(w io.Writer) error {
	p, r := paintFor(w), d.result()
	because := func(what string) string {
		if r.Guessed[what] == "" {
			return ""
		}
		return p.paint(dim, " (from "+r.Guessed[what]+")")
	}
	files := fmt.Sprintf("%d files", r.Files)
	if r.Files == 1 {
		files = "1 file"
	}
	if r.Built != "" {
		files += ", built with " + r.Built
	}
	layers := ""
	if len(r.Layers) > 0 {
		layers = "\n  layers   " + shortLayers(r.Layers)
	}
	_, err := fmt.Fprintf(w, "%s %s in %s\n  code     %s zipped, %s\n  runtime  %s%s\n  handler  %s%s%s\nTry it: wick invoke %s\n",
		p.paint(green, r.Action), r.FunctionArn, durationText(d.took), bytesText(r.CodeSize), files,
		r.Runtime, because("runtime"), r.Handler, because("handler"), layers, r.FunctionName)
	return err
}
