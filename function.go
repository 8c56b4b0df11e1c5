package wick

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// FunctionID names a function apart from its versions: the key every store uses.
type FunctionID struct {
	Account string // 12 digits
	Region  string
	Name    string // the bare name, never an ARN
}

// ARN returns the unqualified ARN, arn:aws:lambda:REGION:ACCOUNT:function:NAME.
func (id FunctionID) ARN() string {
	return "arn:" + Partition(id.Region) + ":lambda:" + id.Region + ":" + id.Account + ":function:" + id.Name
}

// QualifiedARN returns the ARN with a version or alias behind it; an empty
// qualifier gives the unqualified ARN.
func (id FunctionID) QualifiedARN(qualifier string) string {
	if qualifier == "" {
		return id.ARN()
	}
	return id.ARN() + ":" + qualifier
}

// Partition returns the ARN partition a region belongs to.
func Partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// RuntimeVersionARN names the version of a runtime that functions get. Wick's versions
// are its own, so the ARN says which runtime it is of and no more.
// Source: Lambda API, RuntimeVersionConfig.
func RuntimeVersionARN(region, runtime string) string {
	sum := sha256.Sum256([]byte(runtime))
	return "arn:" + Partition(region) + ":lambda:" + region + "::runtime:" + hex.EncodeToString(sum[:])
}

// State is a function version's State as Lambda reports it.
type State string

// Function states. Source: Lambda API, GetFunctionConfiguration, State.
const (
	StatePending  State = "Pending"
	StateActive   State = "Active"
	StateInactive State = "Inactive"
	StateFailed   State = "Failed"
)

// UpdateStatus is a function's LastUpdateStatus.
type UpdateStatus string

// Update states. Source: Lambda API, GetFunctionConfiguration, LastUpdateStatus.
const (
	UpdateSuccessful UpdateStatus = "Successful"
	UpdateFailed     UpdateStatus = "Failed"
	UpdateInProgress UpdateStatus = "InProgress"
)

// Function is one version of a function with all that is needed to run it.
// Values are immutable once stored: a change is a new value with a new RevisionID,
// so whoever holds one may keep it (an instance runs to its end on the value it
// was assigned).
type Function struct {
	FunctionID
	Version string // "$LATEST" or a number

	Runtime          string // a Lambda runtime identifier, e.g. python3.12
	Handler          string
	Role             string
	Description      string
	TimeoutSeconds   int
	MemoryMB         int
	EphemeralMB      int               // size of /tmp
	Architecture     string            // x86_64 or arm64
	Environment      map[string]string // nil when the function has none
	PackageType      string            // Zip
	TracingMode      string            // PassThrough or Active
	Logging          LoggingConfig
	SnapStartApplyOn string // None or PublishedVersions
	DeadLetterTarget string
	KMSKeyARN        string

	Code Package
	// Layers are laid over one another in /opt, later ones on top.
	Layers []FunctionLayer

	State            State
	StateReason      string
	StateReasonCode  string
	UpdateStatus     UpdateStatus
	UpdateReason     string
	UpdateReasonCode string
	RevisionID       string // changes with every change
	// ConfigHash changes when, and only when, something an instance depends on
	// changed: code, environment, handler, limits. Instances of another hash never
	// serve. The store sets it.
	ConfigHash   string
	LastModified time.Time
	Tags         map[string]string
}

// LoggingConfig is where and how a function's log lines are kept.
type LoggingConfig struct {
	Format           string // Text or JSON
	ApplicationLevel string // JSON only: TRACE … FATAL, "" when unset
	SystemLevel      string // JSON only: DEBUG, INFO, WARN
	Group            string // /aws/lambda/NAME unless configured
}

// Package identifies a deployment package by content.
type Package struct {
	SHA256 string // hex; the base64 form is CodeSha256
	Size   int64  // bytes of the zip
}

// Timeout returns the invocation time-out as a duration.
func (f *Function) Timeout() time.Duration { return time.Duration(f.TimeoutSeconds) * time.Second }

// FunctionStore keeps functions durably. Every method that changes something has
// committed, to stable storage, when it returns nil.
type FunctionStore interface {
	// CreateFunction stores a new function's $LATEST. Conflict if the name is taken.
	CreateFunction(ctx context.Context, f *Function) error
	// Function returns a version of a function. NotFound if there is none.
	Function(ctx context.Context, id FunctionID, version string) (*Function, error)
	// UpdateFunction replaces a version: change gets a copy of the stored value and
	// edits it inside the transaction; its error aborts and is returned as it is.
	// NotFound if there is none.
	UpdateFunction(ctx context.Context, id FunctionID, version string, change func(*Function) error) (*Function, error)
	// DeleteFunction removes a function and all its versions. NotFound if there is none.
	DeleteFunction(ctx context.Context, id FunctionID) error
	// Functions lists $LATEST of up to limit functions whose name is greater than
	// after, by name.
	Functions(ctx context.Context, account, region, after string, limit int) ([]*Function, error)
	// AccountUsage returns how many functions an account has in a region and the
	// bytes of their packages and of its layers' together.
	AccountUsage(ctx context.Context, account, region string) (functions int, codeBytes int64, err error)
	// PackagesInUse returns the SHA-256 (hex) of every package some version of a function
	// or a layer refers to, and the MergedLayers of every function's.
	PackagesInUse(ctx context.Context) (map[string]bool, error)
}
