package lambda

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/control"
)

// layersPath is where the operations on layers are; answers below it name addresses.
const layersPath = "/2018-10-31/layers/"

// layer understands a layer's name as the caller of a request means it.
func layer(ctx context.Context, name *string) (wick.LayerID, error) {
	call := protocol.From(ctx)
	return control.ParseLayerName(aws.ToString(name), call.Account, call.Region)
}

func (a *API) publishLayerVersion(
	ctx context.Context, in *lambda.PublishLayerVersionInput,
) (*lambda.PublishLayerVersionOutput, error) {
	id, err := layer(ctx, in.LayerName)
	if err != nil {
		return nil, err
	}
	publish := &control.PublishLayerInput{
		Layer:                   id,
		Description:             aws.ToString(in.Description),
		LicenseInfo:             aws.ToString(in.LicenseInfo),
		CompatibleRuntimes:      texts(in.CompatibleRuntimes),
		CompatibleArchitectures: texts(in.CompatibleArchitectures),
	}
	if c := in.Content; c != nil {
		if c.S3ObjectStorageMode == types.S3ObjectStorageModeReference {
			return nil, wick.Errorf(wick.NotBuilt, "Wick doesn't support the setting Content.S3ObjectStorageMode REFERENCE yet")
		}
		publish.Content = source(c.ZipFile, c.S3Bucket, c.S3Key, c.S3ObjectVersion, nil)
	}
	v, err := a.o.Control.PublishLayerVersion(ctx, publish)
	if err != nil {
		return nil, err
	}
	out := lambda.PublishLayerVersionOutput(*a.layerVersion(ctx, v))
	return &out, nil
}

func (a *API) getLayerVersion(ctx context.Context, in *lambda.GetLayerVersionInput) (*lambda.GetLayerVersionOutput, error) {
	id, err := layer(ctx, in.LayerName)
	if err != nil {
		return nil, err
	}
	v, err := a.o.Control.LayerVersion(ctx, id, aws.ToInt64(in.VersionNumber))
	if err != nil {
		return nil, err
	}
	return a.layerVersion(ctx, v), nil
}

func (a *API) getLayerVersionByArn(
	ctx context.Context, in *lambda.GetLayerVersionByArnInput,
) (*lambda.GetLayerVersionByArnOutput, error) {
	call := protocol.From(ctx)
	id, version, err := control.ParseLayerVersionARN(aws.ToString(in.Arn), call.Account, call.Region)
	if err != nil {
		return nil, err
	}
	v, err := a.o.Control.LayerVersion(ctx, id, version)
	if err != nil {
		return nil, err
	}
	out := lambda.GetLayerVersionByArnOutput(*a.layerVersion(ctx, v))
	return &out, nil
}

// layerVersion returns a version as the operations on one show it.
func (a *API) layerVersion(ctx context.Context, v *wick.LayerVersion) *lambda.GetLayerVersionOutput {
	return &lambda.GetLayerVersionOutput{
		LayerArn:                aws.String(v.LayerID.ARN()),
		LayerVersionArn:         aws.String(v.ARN()),
		Version:                 v.Version,
		Description:             &v.Description,
		LicenseInfo:             optional(v.LicenseInfo),
		CreatedDate:             aws.String(v.Created.Format(lastModifiedFormat)),
		CompatibleRuntimes:      values[types.Runtime](v.CompatibleRuntimes),
		CompatibleArchitectures: values[types.Architecture](v.CompatibleArchitectures),
		Content: &types.LayerVersionContentOutput{
			CodeSha256: aws.String(codeSha256(v.Code.SHA256)),
			CodeSize:   v.Code.Size,
			Location:   aws.String(a.location(ctx, v.Code.SHA256)),
		},
	}
}

func (a *API) deleteLayerVersion(
	ctx context.Context, in *lambda.DeleteLayerVersionInput,
) (*lambda.DeleteLayerVersionOutput, error) {
	id, err := layer(ctx, in.LayerName)
	if err != nil {
		return nil, err
	}
	return nil, a.o.Control.DeleteLayerVersion(ctx, id, aws.ToInt64(in.VersionNumber))
}

func (a *API) listLayers(ctx context.Context, in *lambda.ListLayersInput) (*lambda.ListLayersOutput, error) {
	q := layerQuery(ctx, in.CompatibleRuntime, in.CompatibleArchitecture, in.MaxItems)
	vs, next, err := a.o.Control.Layers(ctx, q, aws.ToString(in.Marker))
	if err != nil {
		return nil, err
	}
	out := &lambda.ListLayersOutput{Layers: []types.LayersListItem{}, NextMarker: optional(next)}
	for _, v := range vs {
		out.Layers = append(out.Layers, types.LayersListItem{
			LayerName: &v.Name, LayerArn: aws.String(v.LayerID.ARN()), LatestMatchingVersion: listedLayer(v),
		})
	}
	return out, nil
}

func (a *API) listLayerVersions(
	ctx context.Context, in *lambda.ListLayerVersionsInput,
) (*lambda.ListLayerVersionsOutput, error) {
	id, err := layer(ctx, in.LayerName)
	if err != nil {
		return nil, err
	}
	q := layerQuery(ctx, in.CompatibleRuntime, in.CompatibleArchitecture, in.MaxItems)
	vs, next, err := a.o.Control.LayerVersions(ctx, q, id.Name, aws.ToString(in.Marker))
	if err != nil {
		return nil, err
	}
	out := &lambda.ListLayerVersionsOutput{LayerVersions: []types.LayerVersionsListItem{}, NextMarker: optional(next)}
	for _, v := range vs {
		out.LayerVersions = append(out.LayerVersions, *listedLayer(v))
	}
	return out, nil
}

func layerQuery(ctx context.Context, runtime types.Runtime, architecture types.Architecture, max *int32) wick.LayerQuery {
	call := protocol.From(ctx)
	return wick.LayerQuery{
		Account: call.Account, Region: call.Region,
		Runtime: string(runtime), Architecture: string(architecture), Limit: int(aws.ToInt32(max)),
	}
}

// listedLayer returns a version as lists show it.
func listedLayer(v *wick.LayerVersion) *types.LayerVersionsListItem {
	return &types.LayerVersionsListItem{
		LayerVersionArn:         aws.String(v.ARN()),
		Version:                 v.Version,
		Description:             &v.Description,
		LicenseInfo:             optional(v.LicenseInfo),
		CreatedDate:             aws.String(v.Created.Format(lastModifiedFormat)),
		CompatibleRuntimes:      values[types.Runtime](v.CompatibleRuntimes),
		CompatibleArchitectures: values[types.Architecture](v.CompatibleArchitectures),
	}
}

// texts returns an enum's values as strings, nil for nil.
func texts[E ~string](list []E) []string { return values[string](list) }

// values converts a list of strings of one type into another, nil to nil.
func values[To, From ~string](list []From) []To {
	if list == nil {
		return nil
	}
	out := make([]To, len(list))
	for i, v := range list {
		out[i] = To(v)
	}
	return out
}

// namesAddresses says whether a request's answer holds an address on this server.
func namesAddresses(r *http.Request) bool {
	return r.Method == http.MethodGet || len(r.URL.Path) > len(layersPath) && r.URL.Path[:len(layersPath)] == layersPath
}
