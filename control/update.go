package control

import (
	"context"
	"maps"
	"slices"

	"github.com/wick-run/wick"
)

// UpdateCode gives a function another package. Like Create it answers when all is on
// stable storage, with LastUpdateStatus InProgress; Successful follows by itself.
// A dry run checks the same, changes nothing and answers what would have been.
func (c *Control) UpdateCode(ctx context.Context, in *UpdateCodeInput) (*wick.Function, error) {
	f, err := c.latest(ctx, in.Function)
	if err != nil {
		return nil, err
	}
	if in.Code.ImageURI != "" {
		return nil, wick.Errorf(wick.InvalidParameter,
			"Please don't provide ImageUri when updating a function with packageType Zip.")
	}
	if err := checkSource(in.Code); err != nil {
		return nil, err
	}
	if err := checkBuilt(in.NotBuilt, ""); err != nil {
		return nil, err
	}
	if err := checkChangeable(f, in.RevisionID); err != nil { // before the work is done
		return nil, err
	}
	if in.Architecture != "" && in.Architecture != f.Architecture {
		if err := c.checkMachine(f.Name, f.Runtime, in.Architecture); err != nil {
			return nil, err
		}
	}
	if err := c.checkStorage(ctx, f.Account, f.Region, in.Code); err != nil {
		return nil, err
	}
	p, err := c.store(ctx, in.Code)
	if err != nil {
		return nil, err
	}
	if err := c.checkUnpacked(&wick.Function{Code: p, Layers: f.Layers}); err != nil {
		return nil, err
	}
	fits := f.Layers
	edit := func(f *wick.Function) error {
		if !slices.Equal(f.Layers, fits) {
			return updateInProgress(f)
		}
		f.Code = p
		if in.Architecture != "" {
			f.Architecture = in.Architecture
		}
		return nil
	}
	if in.DryRun {
		would := *f
		err := edit(&would)
		return &would, err
	}
	return c.change(ctx, in.Function, in.RevisionID, edit)
}

// UpdateConfiguration changes a function's settings; states as with UpdateCode.
func (c *Control) UpdateConfiguration(ctx context.Context, in *UpdateConfigurationInput) (*wick.Function, error) {
	f, err := c.latest(ctx, in.Function)
	if err != nil {
		return nil, err
	}
	if in.Runtime != nil {
		if err := c.checkRuntime(*in.Runtime); err != nil {
			return nil, err
		}
	}
	if err := checkEnvironment(in.Environment); err != nil {
		return nil, err
	}
	snapStart := ""
	if in.SnapStartApplyOn != nil {
		snapStart = *in.SnapStartApplyOn
	}
	if err := checkBuilt(in.NotBuilt, snapStart); err != nil {
		return nil, err
	}
	if in.Runtime != nil {
		if err := c.checkMachine(f.Name, *in.Runtime, f.Architecture); err != nil {
			return nil, err
		}
	}
	if in.Layers == nil {
		return c.change(ctx, in.Function, in.RevisionID, in.apply)
	}
	layers, err := c.layersOf(ctx, f.FunctionID, in.Layers)
	if err != nil {
		return nil, err
	}
	if err := c.checkUnpacked(&wick.Function{Code: f.Code, Layers: layers}); err != nil {
		return nil, err
	}
	fits := f.Code
	return c.change(ctx, in.Function, in.RevisionID, func(f *wick.Function) error {
		if len(layers) > 0 && f.Code != fits {
			return updateInProgress(f)
		}
		f.Layers = layers
		return in.apply(f)
	})
}

// apply edits a function as the request asks.
func (in *UpdateConfigurationInput) apply(f *wick.Function) error {
	set(&f.Runtime, in.Runtime)
	set(&f.Handler, in.Handler)
	set(&f.Role, in.Role)
	set(&f.Description, in.Description)
	set(&f.TimeoutSeconds, in.TimeoutSeconds)
	set(&f.MemoryMB, in.MemoryMB)
	set(&f.EphemeralMB, in.EphemeralMB)
	set(&f.TracingMode, in.TracingMode)
	if in.Environment != nil {
		f.Environment = maps.Clone(in.Environment)
	}
	if err := configureLogging(f, in.Logging); err != nil {
		return err
	}
	return checkLimits(f)
}

// set assigns what was given.
func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// latest returns $LATEST of the function an update is for.
func (c *Control) latest(ctx context.Context, r Ref) (*wick.Function, error) {
	if err := checkUnqualified(r); err != nil {
		return nil, err
	}
	return c.version(ctx, r.ID, "")
}

// checkChangeable refuses a change while another is being prepared, or of another
// revision than the caller knows.
func checkChangeable(f *wick.Function, revision string) error {
	switch {
	case f.State == wick.StatePending:
		return wick.Errorf(wick.Conflict,
			"The operation cannot be performed at this time. The function is currently in the following state: %s", f.State)
	case f.UpdateStatus == wick.UpdateInProgress:
		return updateInProgress(f)
	case revision != "" && revision != f.RevisionID:
		return wick.Errorf(wick.PreconditionFailed, "The Revision Id provided does not match the latest Revision Id. "+
			"Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
	}
	return nil
}

// updateInProgress is AWS's answer to a change that comes while another is made.
func updateInProgress(f *wick.Function) error {
	return wick.Errorf(wick.Conflict,
		"The operation cannot be performed at this time. An update is in progress for resource: %s", f.ARN())
}

// change edits $LATEST in a transaction, makes it known and has it settle.
func (c *Control) change(ctx context.Context, r Ref, revision string, edit func(*wick.Function) error) (*wick.Function, error) {
	end, err := c.turns.take(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	defer end()
	f, err := c.o.Store.UpdateFunction(ctx, r.ID, wick.Latest, func(f *wick.Function) error {
		if err := checkChangeable(f, revision); err != nil {
			return err
		}
		if err := edit(f); err != nil {
			return err
		}
		f.UpdateStatus, f.UpdateReason, f.UpdateReasonCode = wick.UpdateInProgress, creatingReason, creatingCode
		f.LastModified = c.now()
		f.RevisionID = newRevision()
		return nil
	})
	if err != nil {
		if wick.KindOf(err) == wick.NotFound {
			return nil, notFound(r.ID, "")
		}
		return nil, err
	}
	c.committed(f.FunctionID, f.Version, f)
	c.continueSettling(f)
	return f, nil
}
