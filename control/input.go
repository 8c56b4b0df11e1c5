package control

import (
	"github.com/wick-run/wick"
	"github.com/wick-run/wick/code"
)

// Source is where a package comes from: the bytes of a zip, or an object in S3.
type Source struct {
	Zip      []byte       // nil when not given; empty when given empty
	S3       *code.Object // nil when not given
	ImageURI string       // of a container image; refused
}

// given counts the kinds of source that were named.
func (s Source) given() (n int) {
	if s.Zip != nil {
		n++
	}
	if s.S3 != nil {
		n++
	}
	if s.ImageURI != "" {
		n++
	}
	return n
}

// CreateInput describes a function to be. Zero values take AWS's defaults.
type CreateInput struct {
	Function Ref

	Runtime          string
	Handler          string
	Role             string
	Description      string
	TimeoutSeconds   int
	MemoryMB         int
	EphemeralMB      int
	Architecture     string
	Environment      map[string]string // nil: none; an empty map is kept as such
	PackageType      string
	TracingMode      string
	Logging          *wick.LoggingConfig
	SnapStartApplyOn string
	Tags             map[string]string
	Layers           []string // ARNs of versions
	Code             Source
	// NotBuilt names the settings of the request that exist on AWS and not yet in
	// Wick, as the request names them: they are refused, after AWS's own checks.
	NotBuilt []string
}

// UpdateCodeInput is a new package for a function.
type UpdateCodeInput struct {
	Function     Ref
	Code         Source
	Architecture string // "": unchanged
	RevisionID   string // "": whatever the function's is
	DryRun       bool   // check, and change nothing
	NotBuilt     []string
}

// UpdateConfigurationInput changes settings; nil leaves one as it is.
type UpdateConfigurationInput struct {
	Function Ref

	Runtime          *string
	Handler          *string
	Role             *string
	Description      *string
	TimeoutSeconds   *int
	MemoryMB         *int
	EphemeralMB      *int
	Environment      map[string]string // nil: unchanged
	TracingMode      *string
	Logging          *wick.LoggingConfig // empty members are unchanged
	SnapStartApplyOn *string
	Layers           []string // ARNs of versions; nil: unchanged, empty: none
	RevisionID       string
	NotBuilt         []string
}
