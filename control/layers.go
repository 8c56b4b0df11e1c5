package control

import (
	"context"
	"encoding/base64"
	"regexp"
	"strconv"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/code"
)

// PublishLayerInput describes a version of a layer to be.
type PublishLayerInput struct {
	Layer       wick.LayerID
	Description string
	LicenseInfo string
	// CompatibleRuntimes and CompatibleArchitectures are nil when the request has none.
	CompatibleRuntimes      []string
	CompatibleArchitectures []string
	Content                 Source
}

// PublishLayerVersion makes the next version of a layer, and the layer with its first.
// It fails in AWS's words: InvalidParameter for a package that is none, too large or
// missing, CodeStorageExceeded.
func (c *Control) PublishLayerVersion(ctx context.Context, in *PublishLayerInput) (*wick.LayerVersion, error) {
	if err := checkSource(in.Content); err != nil {
		return nil, err
	}
	if err := c.checkStorage(ctx, in.Layer.Account, in.Layer.Region, in.Content); err != nil {
		return nil, err
	}
	v := &wick.LayerVersion{
		LayerID: in.Layer, Description: in.Description, LicenseInfo: in.LicenseInfo,
		CompatibleRuntimes: in.CompatibleRuntimes, CompatibleArchitectures: in.CompatibleArchitectures,
		Created: c.now(),
	}
	var err error
	if v.Code, err = c.store(ctx, in.Content); err != nil {
		return nil, err
	}
	if err := c.o.Layers.PublishLayerVersion(ctx, v); err != nil {
		return nil, err
	}
	return v, nil
}

// LayerVersion returns a version of a layer. NotFound in AWS's words, and
// InvalidParameter for a number that no version has.
func (c *Control) LayerVersion(ctx context.Context, id wick.LayerID, version int64) (*wick.LayerVersion, error) {
	if err := checkLayerVersion(version); err != nil {
		return nil, err
	}
	v, err := c.o.Layers.LayerVersion(ctx, id, version)
	if wick.KindOf(err) == wick.NotFound && err != nil {
		return nil, noSuchLayer()
	}
	return v, err
}

// DeleteLayerVersion removes a version of a layer, from which on no function can be given
// it; those that have it keep it. One that isn't there is no error.
func (c *Control) DeleteLayerVersion(ctx context.Context, id wick.LayerID, version int64) error {
	if err := checkLayerVersion(version); err != nil {
		return err
	}
	return c.o.Layers.DeleteLayerVersion(ctx, id, version)
}

func checkLayerVersion(version int64) error {
	if version < 1 {
		return wick.Errorf(wick.InvalidParameter, "Layer Version Cannot be less than 1")
	}
	return nil
}

// Layers returns a page of layers, by name, each with its newest version that matches,
// and the marker of the next page ("" after the last). q.Limit 0 means the most there
// can be. InvalidParameter for a marker that Layers didn't give.
func (c *Control) Layers(ctx context.Context, q wick.LayerQuery, marker string) ([]*wick.LayerVersion, string, error) {
	after, err := base64.RawURLEncoding.DecodeString(marker)
	if err != nil || len(after) > 0 && !isName(string(after)) {
		return nil, "", wick.Errorf(wick.InvalidParameter, "Invalid Marker: %s", marker)
	}
	limit := pageOf(q.Limit)
	q.Limit = limit + 1 // one more than asked for tells whether there is another page
	vs, err := c.o.Layers.Layers(ctx, q, string(after))
	if err != nil || len(vs) <= limit {
		return vs, "", err
	}
	return vs[:limit], base64.RawURLEncoding.EncodeToString([]byte(vs[limit-1].Name)), nil
}

// LayerVersions returns a page of the versions of the layer of that name, newest first,
// and the marker of the next; a layer that isn't there has none. The rest is as with Layers.
func (c *Control) LayerVersions(ctx context.Context, q wick.LayerQuery, name, marker string) ([]*wick.LayerVersion, string, error) {
	before := int64(0)
	if marker != "" {
		var err error
		if before, err = strconv.ParseInt(marker, 10, 64); err != nil || before < 1 {
			return nil, "", wick.Errorf(wick.InvalidParameter, "Invalid Marker: %s", marker)
		}
	}
	limit := pageOf(q.Limit)
	q.Limit = limit + 1
	vs, err := c.o.Layers.LayerVersions(ctx, q, name, before)
	if err != nil || len(vs) <= limit {
		return vs, "", err
	}
	return vs[:limit], strconv.FormatInt(vs[limit-1].Version, 10), nil
}

// pageOf returns how many entries a page has that was asked for with a limit.
func pageOf(limit int) int {
	if limit <= 0 || limit > maxPage {
		return maxPage
	}
	return limit
}

// layerARN is the ARN of a layer, with or without a version. Source: the API model,
// LayerName and LayerVersionArn, whose pattern the model's room has checked.
var layerARN = regexp.MustCompile(`^arn:(?:aws[a-zA-Z-]*):lambda:([a-z0-9-]+):(\d{12}):layer:([a-zA-Z0-9-_]+)(?::(\d+))?$`)

// ParseLayerName understands a layer's name or ARN as a caller of an account in a region
// means it. NotFound when it is of another region; AccessDenied when it is another
// account's, as no permissions can be given yet.
func ParseLayerName(name, account, region string) (wick.LayerID, error) {
	m := layerARN.FindStringSubmatch(name)
	if m == nil || m[4] != "" {
		return wick.LayerID{Account: account, Region: region, Name: name}, nil
	}
	id := wick.LayerID{Account: m[2], Region: m[1], Name: m[3]}
	return id, reachable(id, name, account, region)
}

// ParseLayerVersionARN takes the ARN of a layer's version apart; errors as with
// ParseLayerName, and NotFound for one that isn't of a layer here.
func ParseLayerVersionARN(arn, account, region string) (wick.LayerID, int64, error) {
	id, version, ok := splitLayerVersionARN(arn)
	if !ok {
		return wick.LayerID{}, 0, noSuchLayer()
	}
	return id, version, reachable(id, arn, account, region)
}

func splitLayerVersionARN(arn string) (id wick.LayerID, version int64, ok bool) {
	m := layerARN.FindStringSubmatch(arn)
	if m == nil || m[4] == "" {
		return wick.LayerID{}, 0, false
	}
	version, err := strconv.ParseInt(m[4], 10, 64)
	return wick.LayerID{Account: m[2], Region: m[1], Name: m[3]}, version, err == nil
}

// reachable refuses what a caller can't see of layers.
func reachable(id wick.LayerID, resource, account, region string) error {
	switch {
	case id.Account != account:
		return deniedLayer(account, region, resource)
	case id.Region != region:
		return noSuchLayer()
	}
	return nil
}

func noSuchLayer() error {
	return wick.Errorf(wick.NotFound, "The resource you requested does not exist.")
}

func missingLayer(arn string) error {
	return wick.Errorf(wick.InvalidParameter, "Layer version %s does not exist.", arn)
}

// deniedLayer is AWS's answer to a layer of another account that nobody may use.
func deniedLayer(account, region, resource string) error {
	return wick.Errorf(wick.AccessDenied, "User: arn:%s:iam::%s:root is not authorized to perform: lambda:GetLayerVersion on "+
		"resource: %s because no resource-based policy allows the lambda:GetLayerVersion action",
		wick.Partition(region), account, resource)
}

// layersOf finds the layers that a function is to have, by the ARNs of their versions.
// It fails in AWS's words.
func (c *Control) layersOf(ctx context.Context, f wick.FunctionID, arns []string) ([]wick.FunctionLayer, error) {
	if len(arns) > maxLayers {
		return nil, wick.Errorf(wick.InvalidParameter, "Cannot reference more than %d layers.", maxLayers)
	}
	var layers []wick.FunctionLayer
	seen := map[wick.LayerID]string{}
	for _, arn := range arns {
		id, version, ok := splitLayerVersionARN(arn)
		if !ok {
			return nil, missingLayer(arn) // e.g. one of AWS's own, arn:aws:lambda:::awslayer:NAME
		}
		if id.Account != f.Account {
			c.o.Log.Warn("a layer of another account can't be used: publish a copy of it with wick deploy --layer ZIP",
				"function", f.Name, "layer", arn)
			return nil, deniedLayer(f.Account, f.Region, arn)
		}
		if id.Region != f.Region {
			return nil, wick.Errorf(wick.InvalidParameter,
				"Layers are not in the same region as the function. Layers are expected to be in region %s.", f.Region)
		}
		v, err := c.o.Layers.LayerVersion(ctx, id, version)
		if err != nil && wick.KindOf(err) == wick.NotFound {
			return nil, missingLayer(arn)
		}
		if err != nil {
			return nil, err
		}
		if other, twice := seen[id]; twice {
			return nil, wick.Errorf(wick.InvalidParameter, "Two different versions of the same layer are not allowed to be "+
				"referenced in the same function. %s and %s are versions of the same layer.", other, arn)
		}
		seen[id] = arn
		layers = append(layers, wick.FunctionLayer{ARN: arn, Code: v.Code})
	}
	return layers, nil
}

// checkUnpacked refuses code and layers that are too large together, which each of them
// can't be by itself. Source: Lambda quotas, deployment package; the words are those
// users of the service report.
func (c *Control) checkUnpacked(f *wick.Function) error {
	if len(f.Layers) == 0 {
		return nil
	}
	var inLayers int64
	for _, sha := range f.LayerPackages() {
		n, err := c.o.Code.UnpackedBytes(sha)
		if err != nil {
			return err
		}
		inLayers += n
	}
	if inLayers > code.MaxUnzippedBytes {
		return wick.Errorf(wick.InvalidParameter, "Layers consume more than the available size of %d bytes", code.MaxUnzippedBytes)
	}
	inCode, err := c.o.Code.UnpackedBytes(f.Code.SHA256)
	if err != nil {
		return err
	}
	if total := inLayers + inCode; total > code.MaxUnzippedBytes {
		return wick.Errorf(wick.InvalidParameter, "Function code combined with layers exceeds the maximum allowed size of %d bytes. "+
			"The actual size is %d bytes.", code.MaxUnzippedBytes, total)
	}
	return nil
}

// prepare unpacks all that a function's instances mount.
func (c *Control) prepare(ctx context.Context, f *wick.Function) error {
	if _, err := c.o.Code.Dir(ctx, f.Code.SHA256); err != nil {
		return err
	}
	return c.o.Code.DirOfLayers(ctx, f.LayerPackages())
}
