package wick

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// LayerID names a layer apart from its versions.
type LayerID struct {
	Account string // 12 digits
	Region  string
	Name    string // the bare name, never an ARN
}

// ARN returns the layer's ARN, arn:aws:lambda:REGION:ACCOUNT:layer:NAME.
func (id LayerID) ARN() string {
	return "arn:" + Partition(id.Region) + ":lambda:" + id.Region + ":" + id.Account + ":layer:" + id.Name
}

// VersionARN returns the ARN of a version of the layer.
func (id LayerID) VersionARN(version int64) string {
	return id.ARN() + ":" + strconv.FormatInt(version, 10)
}

// LayerVersion is one version of a layer. It never changes; deleting it takes it away
// from those who would use it, not from the functions that do.
type LayerVersion struct {
	LayerID
	Version     int64 // from 1
	Description string
	LicenseInfo string
	// CompatibleRuntimes and CompatibleArchitectures are nil where the publisher said
	// nothing, which AWS shows differently from an empty list.
	CompatibleRuntimes      []string
	CompatibleArchitectures []string
	Code                    Package
	Created                 time.Time
}

// ARN returns the version's ARN.
func (v *LayerVersion) ARN() string { return v.VersionARN(v.Version) }

// FunctionLayer is a layer version as a function uses it: all the function needs of it,
// so that it goes on working when the version is deleted.
type FunctionLayer struct {
	ARN  string // the version's
	Code Package
}

// LayerPackages returns the SHA-256 (hex) of the packages of the function's layers, in
// the order in which they are laid over one another.
func (f *Function) LayerPackages() []string {
	if len(f.Layers) == 0 {
		return nil
	}
	shas := make([]string, len(f.Layers))
	for i, l := range f.Layers {
		shas[i] = l.Code.SHA256
	}
	return shas
}

// MergedLayers returns the name of what packages make when they are laid over one
// another in this order: of one its own SHA-256, of several a hash of theirs, of none "".
func MergedLayers(packages []string) string {
	switch len(packages) {
	case 0:
		return ""
	case 1:
		return packages[0]
	}
	sum := sha256.Sum256([]byte("layers\n" + strings.Join(packages, "\n")))
	return hex.EncodeToString(sum[:])
}

// MarkLayers adds to used what the function's layers keep in use: their packages, and
// what they make together.
func (f *Function) MarkLayers(used map[string]bool) {
	packages := f.LayerPackages()
	for _, sha := range packages {
		used[sha] = true
	}
	if merged := MergedLayers(packages); merged != "" {
		used[merged] = true
	}
}

// LayerQuery selects layer versions.
type LayerQuery struct {
	Account, Region string
	// Runtime and Architecture select versions that name them as compatible; "": all.
	Runtime, Architecture string
	Limit                 int // at most
}

// LayerStore keeps layers durably. Every method that changes something has committed,
// to stable storage, when it returns nil.
type LayerStore interface {
	// PublishLayerVersion stores v as the next version of its layer and sets v.Version:
	// numbers only grow, also when versions or all of them have been deleted.
	PublishLayerVersion(ctx context.Context, v *LayerVersion) error
	// LayerVersion returns a version. NotFound if there is none.
	LayerVersion(ctx context.Context, id LayerID, version int64) (*LayerVersion, error)
	// DeleteLayerVersion removes a version; one that isn't there is no error.
	DeleteLayerVersion(ctx context.Context, id LayerID, version int64) error
	// Layers lists, by name, the newest matching version of each layer that has one and
	// whose name is greater than after.
	Layers(ctx context.Context, q LayerQuery, after string) ([]*LayerVersion, error)
	// LayerVersions lists the matching versions of the layer of that name, newest first;
	// before excludes those that aren't older, unless it is 0.
	LayerVersions(ctx context.Context, q LayerQuery, name string, before int64) ([]*LayerVersion, error)
}
