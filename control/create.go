package control

import (
	"bytes"
	"cmp"
	"context"
	"maps"

	"github.com/wick-run/wick"
)

// What AWS says of a function whose package is being prepared, at creation and at an
// update alike. Recorded: test_redundant_updates.
const (
	creatingReason = "The function is being created."
	creatingCode   = "Creating"
)

// Create makes a function. It answers when function and package are on stable
// storage, with the state Pending; Active follows by itself. It fails in AWS's words:
// InvalidParameter, Conflict for a name that is taken, CodeStorageExceeded, and
// NotBuilt naming the settings Wick doesn't have yet.
func (c *Control) Create(ctx context.Context, in *CreateInput) (*wick.Function, error) {
	f, err := c.newFunction(in)
	if err != nil {
		return nil, err
	}
	if f.Layers, err = c.layersOf(ctx, f.FunctionID, in.Layers); err != nil {
		return nil, err
	}
	if err := c.checkStorage(ctx, f.Account, f.Region, in.Code); err != nil {
		return nil, err
	}
	if f.Code, err = c.store(ctx, in.Code); err != nil {
		return nil, err
	}
	if err := c.checkUnpacked(f); err != nil {
		return nil, err
	}

	end, err := c.turns.take(ctx, f.FunctionID)
	if err != nil {
		return nil, err
	}
	defer end()
	if err := c.o.Store.CreateFunction(ctx, f); err != nil {
		if wick.KindOf(err) == wick.Conflict {
			return nil, wick.Errorf(wick.Conflict, "Function already exist: %s", f.Name)
		}
		return nil, err
	}
	c.committed(f.FunctionID, f.Version, f)
	c.continueSettling(f)
	return f, nil
}

// newFunction checks a request and makes the function it asks for, without its code.
func (c *Control) newFunction(in *CreateInput) (*wick.Function, error) {
	if err := checkName(in.Function.ID.Name); err != nil {
		return nil, err
	}
	if err := checkUnqualified(in.Function); err != nil {
		return nil, err
	}
	if err := c.checkKind(in); err != nil {
		return nil, err
	}
	f := &wick.Function{
		FunctionID:       in.Function.ID,
		Version:          wick.Latest,
		Runtime:          in.Runtime,
		Handler:          in.Handler,
		Role:             in.Role,
		Description:      in.Description,
		TimeoutSeconds:   cmp.Or(in.TimeoutSeconds, defaultTimeoutSeconds),
		MemoryMB:         cmp.Or(in.MemoryMB, defaultMemoryMB),
		EphemeralMB:      cmp.Or(in.EphemeralMB, defaultEphemeralMB),
		Architecture:     cmp.Or(in.Architecture, ArchitectureX86),
		Environment:      maps.Clone(in.Environment),
		PackageType:      "Zip",
		TracingMode:      cmp.Or(in.TracingMode, "PassThrough"),
		SnapStartApplyOn: "None",
		State:            wick.StatePending,
		StateReason:      creatingReason,
		StateReasonCode:  creatingCode,
		RevisionID:       newRevision(),
		LastModified:     c.now(),
		Tags:             maps.Clone(in.Tags),
	}
	if err := checkLimits(f); err != nil {
		return nil, err
	}
	if err := checkEnvironment(f.Environment); err != nil {
		return nil, err
	}
	if err := configureLogging(f, in.Logging); err != nil {
		return nil, err
	}
	if len(f.Tags) > maxTags {
		return nil, tooManyTags()
	}
	if err := checkSource(in.Code); err != nil {
		return nil, err
	}
	if err := checkBuilt(in.NotBuilt, in.SnapStartApplyOn); err != nil {
		return nil, err
	}
	return f, c.checkMachine(f.Name, f.Runtime, f.Architecture)
}

// checkKind checks what depends on the package's type.
func (c *Control) checkKind(in *CreateInput) error {
	if in.PackageType == "Image" || in.Code.ImageURI != "" {
		return wick.Errorf(wick.NotBuilt, "Wick doesn't support container images (PackageType Image, Code.ImageUri) yet")
	}
	if in.Runtime == "" || in.Handler == "" {
		return wick.Errorf(wick.InvalidParameter,
			"Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	return c.checkRuntime(in.Runtime)
}

// store puts a package into the store and unpacks it, so that a broken one is
// refused to the caller's face.
func (c *Control) store(ctx context.Context, s Source) (wick.Package, error) {
	var p wick.Package
	var err error
	if s.S3 != nil {
		p, err = c.o.Code.Fetch(ctx, *s.S3)
	} else {
		p, err = c.o.Code.Put(ctx, bytes.NewReader(s.Zip))
	}
	if err != nil {
		return wick.Package{}, err
	}
	if _, err := c.o.Code.Dir(ctx, p.SHA256); err != nil {
		return wick.Package{}, err
	}
	return p, nil
}

// checkStorage refuses what would exceed the account's storage. Source: Lambda
// quotas, function and layer storage.
func (c *Control) checkStorage(ctx context.Context, account, region string, s Source) error {
	_, used, err := c.o.Store.AccountUsage(ctx, account, region)
	if err != nil {
		return err
	}
	if used+int64(len(s.Zip)) > maxCodeStorage {
		return wick.Errorf(wick.CodeStorageExceeded, "Code storage limit exceeded.")
	}
	return nil
}
