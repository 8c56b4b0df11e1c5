package main

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/wick-run/wick/internal/bundle"
)

// noLayers is what --layer says to take a function's layers away.
const noLayers = "none"

// layerARNs returns the versions that --layer names, publishing what isn't yet; nil when
// the flag wasn't given, empty when it takes layers away.
func (d *deployment) layerARNs(ctx context.Context) ([]string, error) {
	if len(d.flags.layers) == 0 {
		return nil, nil
	}
	arns := []string{}
	for _, l := range d.flags.layers {
		switch {
		case l == noLayers && len(d.flags.layers) > 1:
			return nil, usagef("--layer %s stands alone", noLayers)
		case l == noLayers:
		case strings.HasPrefix(l, "arn:"):
			arns = append(arns, l)
		default:
			arn, err := d.publishLayer(ctx, l)
			if err != nil {
				return nil, err
			}
			arns = append(arns, arn)
		}
	}
	return arns, nil
}

// publishLayer publishes a folder or zip as the layer of its name, unless that layer's
// newest version is the same already.
func (d *deployment) publishLayer(ctx context.Context, dir string) (arn string, err error) {
	l, err := bundle.MakeLayer(dir)
	if err != nil {
		return "", err
	}
	name := bundle.Name(dir)
	newest, err := d.newestLayer(ctx, name)
	if err != nil {
		return "", d.client.Explain(err)
	}
	if newest != nil && aws.ToString(newest.Content.CodeSha256) == l.CodeSHA256 {
		return aws.ToString(newest.LayerVersionArn), nil
	}
	out, err := d.client.Lambda.PublishLayerVersion(ctx, &lambda.PublishLayerVersionInput{
		LayerName: &name, Content: &types.LayerVersionContentInput{ZipFile: l.Zip},
	})
	if err != nil {
		return "", d.client.Explain(err)
	}
	return aws.ToString(out.LayerVersionArn), nil
}

// newestLayer returns the newest version of a layer, nil if there is none.
func (d *deployment) newestLayer(ctx context.Context, name string) (*lambda.GetLayerVersionOutput, error) {
	list, err := d.client.Lambda.ListLayerVersions(ctx, &lambda.ListLayerVersionsInput{LayerName: &name, MaxItems: aws.Int32(1)})
	if err != nil || len(list.LayerVersions) == 0 {
		return nil, err
	}
	newest, err := d.client.Lambda.GetLayerVersion(ctx, &lambda.GetLayerVersionInput{
		LayerName: &name, VersionNumber: &list.LayerVersions[0].Version,
	})
	var gone *types.ResourceNotFoundException
	if errors.As(err, &gone) { // deleted in between
		return nil, nil
	}
	return newest, err
}

// layersOf returns the ARNs of the layers that a function has.
func layersOf(c *types.FunctionConfiguration) []string {
	arns := []string{}
	for _, l := range c.Layers {
		arns = append(arns, aws.ToString(l.Arn))
	}
	return arns
}

// shortLayers returns NAME:VERSION of each ARN.
func shortLayers(arns []string) string {
	short := make([]string, len(arns))
	for i, arn := range arns {
		_, short[i], _ = strings.Cut(arn, ":layer:")
	}
	return strings.Join(short, ", ")
}
