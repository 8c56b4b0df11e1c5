package install

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wick-run/wick/runtimes"
)

// Installer installs into one data directory. Its methods can be called from several
// goroutines and processes.
type Installer struct {
	// Dir is the folder that runtimes.Options.Dir is for the server.
	Dir string
	// Machine is what is on this machine already.
	Machine *runtimes.Set
	// Say is told, a line at a time, what is under way and done; nil tells nobody.
	Say func(line string)
	// Clients are the services whose clients an SDK in parts gets, beside those it has
	// already; see the variable Clients for the names, which nil stands for.
	Clients []string
	// Upgrade replaces what is there by the newest.
	Upgrade bool
	// InUse says that a server is running which has instances of what may be removed.
	InUse bool
}

// sourceWick is the Interpreter.Source of what was installed here.
const sourceWick = "wick"

func (i *Installer) say(format string, args ...any) {
	if i.Say != nil {
		i.Say(fmt.Sprintf(format, args...))
	}
}

// Interpreter gets what runs a runtime, unless an interpreter of its very version is on
// the machine, and has Machine find it. The error of a runtime that can't be had from any
// registry says how to get it.
func (i *Installer) Interpreter(ctx context.Context, runtime string) error {
	match, err := i.Machine.Look(runtime)
	if err == nil && match.Language == runtimes.Provided {
		i.say("%s: nothing is needed, functions bring their own program", runtime)
		return nil
	}
	if err == nil && match.Exact && (!i.Upgrade || match.Interpreter.Source != sourceWick) {
		i.say("%s: %s %s is at %s", runtime, match.Interpreter.Language.Title(), match.Interpreter.Version, match.Interpreter.Bin)
		return nil
	}
	want, ok := runtimes.ParseRuntime(runtime)
	if !ok {
		return fmt.Errorf("%s is no runtime that Wick runs; `wick runtimes` lists them", runtime)
	}
	get := map[runtimes.Language]func(context.Context, string, runtimes.Wanted) (*runtimes.Installed, error){
		runtimes.Node: i.node, runtimes.Python: i.python, runtimes.Ruby: i.ruby, runtimes.Java: i.fromWheel, runtimes.Dotnet: i.fromWheel,
	}[want.Language]
	if get == nil {
		return fmt.Errorf("%s can't be installed by Wick: install %s and have it on PATH, or name it with `wick runtimes add %s PATH`",
			runtime, want.Language.Title(), runtime)
	}
	made, err := get(ctx, runtime, want)
	if err != nil {
		return err
	}
	if made != nil {
		i.say("%s: %s %s is in %s", runtime, want.Language.Title(), made.Version, made.Dir)
	}
	return i.Machine.Refresh(ctx)
}

// SDK gets the SDK that AWS's images carry for the interpreter that runs a runtime here.
// Languages without one are no error.
func (i *Installer) SDK(ctx context.Context, runtime string) error {
	match, err := i.Machine.Look(runtime)
	if err != nil {
		return err
	}
	return i.SDKFor(ctx, match.Interpreter)
}

// SDKs gets the SDK for each version of each language that this machine has.
func (i *Installer) SDKs(ctx context.Context) error {
	done := map[string]bool{}
	var errs []error
	for _, in := range i.Machine.List() {
		version := in.SDKVersion()
		if version == "" || done[sdkKey(in)] {
			continue
		}
		done[sdkKey(in)] = true
		if err := i.SDKFor(ctx, in); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			errs = append(errs, fmt.Errorf("the SDK for %s %s: %w", in.Language.Title(), version, err))
		}
	}
	if len(done) == 0 {
		return errors.New("no language that AWS ships an SDK for is on this machine: none of Node.js, Python and Ruby was found")
	}
	return errors.Join(errs...)
}

// SDKFor gets the SDK for an interpreter.
func (i *Installer) SDKFor(ctx context.Context, in runtimes.Interpreter) error {
	version := in.SDKVersion()
	if version == "" {
		return nil
	}
	if err := checkClients(i.Clients); err != nil {
		return err
	}
	key := sdkKey(in)
	before := i.current(key)
	wanted := i.wanted(in, before)
	fill := map[runtimes.Language]func(tools, runtimes.Interpreter, []string, string) (runtimes.Installed, error){
		runtimes.Node: nodeSDK, runtimes.Python: pythonSDK, runtimes.Ruby: rubySDK,
	}[in.Language]
	have := func(there []runtimes.Installed) *runtimes.Installed {
		for n, one := range there {
			newer := before == nil || one.Name != before.Name // somebody else's doing
			if one.Key == key && holds(one.Wanted, wanted) && (!i.Upgrade || newer) {
				return &there[n]
			}
		}
		return nil
	}
	began := now()
	made, err := i.install(ctx, key, have, func(t tools, files string) (runtimes.Installed, error) {
		i.say("%s %s: getting %s", in.Language.Title(), version, described(wanted))
		made, err := fill(t, in, wanted, files)
		made.Kind, made.Language, made.For, made.Wanted = runtimes.KindSDK, in.Language, version, wanted
		return made, err
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s %s: %s %s", in.Language.Title(), version, mainPackage(in.Language), made.Version)
	if made.At.Before(began) {
		i.say("%s is in %s", what, made.Dir)
		return nil
	}
	bytes, files := sizeOf(made.Files())
	i.say("%s and %d packages with it, %d files, %.1f MB, in %.1f s", what, len(made.Packages)-1, files, float64(bytes)/1e6, now().Sub(began).Seconds())
	return nil
}

// wanted are the packages to ask for: those named, and those that are there.
func (i *Installer) wanted(in runtimes.Interpreter, before *runtimes.Installed) []string {
	var wanted []string
	clients := i.Clients
	if len(clients) == 0 {
		clients = Clients
	}
	switch {
	case in.Language == runtimes.Python:
		return []string{"boto3"}
	case in.Language == runtimes.Ruby:
		wanted = gems(clients)
	case isBeforeModular(in):
		return []string{"aws-sdk"}
	default:
		wanted = nodePackages(clients)
	}
	if before != nil {
		wanted = append(wanted, before.Wanted...)
	}
	slices.Sort(wanted)
	return slices.Compact(wanted)
}

func (i *Installer) current(key string) *runtimes.Installed {
	for _, there := range runtimes.ReadInstalled(i.Dir) {
		if there.Key == key {
			return &there
		}
	}
	return nil
}

func sdkKey(in runtimes.Interpreter) string {
	return "sdk-" + string(in.Language) + in.SDKVersion()
}

// holds says whether have has all of want.
func holds(have, want []string) bool {
	return !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(have, w) })
}

func described(packages []string) string {
	if len(packages) < 4 {
		return strings.Join(packages, ", ")
	}
	return fmt.Sprintf("%s, %s and %d more", packages[0], packages[1], len(packages)-2)
}

// mainPackage is what an SDK's version is told by.
func mainPackage(l runtimes.Language) string {
	switch l {
	case runtimes.Python:
		return "boto3"
	case runtimes.Ruby:
		return "aws-sdk-core"
	}
	return "the AWS SDK"
}
