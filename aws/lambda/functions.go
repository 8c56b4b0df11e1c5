package lambda

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/code"
	"github.com/wick-run/wick/control"
)

// ref understands a function's name as the caller of a request means it.
func ref(ctx context.Context, name, qualifier *string) (control.Ref, error) {
	call := protocol.From(ctx)
	return control.ParseFunctionName(aws.ToString(name), aws.ToString(qualifier), call.Account, call.Region)
}

func (a *API) createFunction(ctx context.Context, in *lambda.CreateFunctionInput) (*lambda.CreateFunctionOutput, error) {
	r, err := ref(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	f, err := a.o.Control.Create(ctx, createInput(r, in))
	if err != nil {
		return nil, err
	}
	return as[lambda.CreateFunctionOutput](a.configuration(f, "")), nil
}

func createInput(r control.Ref, in *lambda.CreateFunctionInput) *control.CreateInput {
	out := &control.CreateInput{
		Function:       r,
		Runtime:        string(in.Runtime),
		Handler:        aws.ToString(in.Handler),
		Role:           aws.ToString(in.Role),
		Description:    aws.ToString(in.Description),
		TimeoutSeconds: int(aws.ToInt32(in.Timeout)),
		MemoryMB:       int(aws.ToInt32(in.MemorySize)),
		Architecture:   architecture(in.Architectures),
		Environment:    variables(in.Environment),
		PackageType:    string(in.PackageType),
		Logging:        loggingInput(in.LoggingConfig),
		Tags:           in.Tags,
		Layers:         in.Layers,
		NotBuilt:       notBuiltCreate(in),
	}
	if in.EphemeralStorage != nil {
		out.EphemeralMB = int(aws.ToInt32(in.EphemeralStorage.Size))
	}
	if in.TracingConfig != nil {
		out.TracingMode = string(in.TracingConfig.Mode)
	}
	if in.SnapStart != nil {
		out.SnapStartApplyOn = string(in.SnapStart.ApplyOn)
	}
	if c := in.Code; c != nil {
		out.Code = source(c.ZipFile, c.S3Bucket, c.S3Key, c.S3ObjectVersion, c.ImageUri)
	}
	return out
}

func (a *API) getFunction(ctx context.Context, in *lambda.GetFunctionInput) (*lambda.GetFunctionOutput, error) {
	r, err := ref(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	f, err := a.o.Control.Function(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &lambda.GetFunctionOutput{
		Configuration: a.configuration(f, r.Qualifier),
		Code: &types.FunctionCodeLocation{
			RepositoryType: aws.String("S3"),
			Location:       aws.String(a.location(ctx, f.Code.SHA256)),
		},
	}
	if len(f.Tags) > 0 {
		out.Tags = f.Tags
	}
	return out, nil
}

func (a *API) getFunctionConfiguration(
	ctx context.Context, in *lambda.GetFunctionConfigurationInput,
) (*lambda.GetFunctionConfigurationOutput, error) {
	r, err := ref(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	f, err := a.o.Control.Function(ctx, r)
	if err != nil {
		return nil, err
	}
	return as[lambda.GetFunctionConfigurationOutput](a.configuration(f, r.Qualifier)), nil
}

func (a *API) listFunctions(ctx context.Context, in *lambda.ListFunctionsInput) (*lambda.ListFunctionsOutput, error) {
	call := protocol.From(ctx)
	out := &lambda.ListFunctionsOutput{Functions: []types.FunctionConfiguration{}}
	// Functions replicated from another region are Lambda@Edge's; there are none.
	if m := aws.ToString(in.MasterRegion); m != "" && m != "ALL" && m != call.Region {
		return out, nil
	}
	fs, next, err := a.o.Control.Functions(ctx, call.Account, call.Region, aws.ToString(in.Marker), int(aws.ToInt32(in.MaxItems)))
	if err != nil {
		return nil, err
	}
	for _, f := range fs {
		qualifier := ""
		if in.FunctionVersion == types.FunctionVersionAll {
			qualifier = f.Version
		}
		out.Functions = append(out.Functions, a.listed(f, qualifier))
	}
	out.NextMarker = optional(next)
	return out, nil
}

func (a *API) updateFunctionCode(ctx context.Context, in *lambda.UpdateFunctionCodeInput) (*lambda.UpdateFunctionCodeOutput, error) {
	r, err := ref(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	f, err := a.o.Control.UpdateCode(ctx, &control.UpdateCodeInput{
		Function:     r,
		Code:         source(in.ZipFile, in.S3Bucket, in.S3Key, in.S3ObjectVersion, in.ImageUri),
		Architecture: architecture(in.Architectures),
		RevisionID:   aws.ToString(in.RevisionId),
		DryRun:       in.DryRun,
		NotBuilt:     notBuiltCode(in),
	})
	if err != nil {
		return nil, err
	}
	return as[lambda.UpdateFunctionCodeOutput](a.configuration(f, "")), nil
}

func (a *API) updateFunctionConfiguration(
	ctx context.Context, in *lambda.UpdateFunctionConfigurationInput,
) (*lambda.UpdateFunctionConfigurationOutput, error) {
	r, err := ref(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	update := &control.UpdateConfigurationInput{
		Function:       r,
		Handler:        in.Handler,
		Role:           in.Role,
		Description:    in.Description,
		TimeoutSeconds: intOf(in.Timeout),
		MemoryMB:       intOf(in.MemorySize),
		Environment:    variables(in.Environment),
		Logging:        loggingInput(in.LoggingConfig),
		Layers:         in.Layers,
		RevisionID:     aws.ToString(in.RevisionId),
		NotBuilt:       notBuiltConfiguration(in),
	}
	if in.Runtime != "" {
		update.Runtime = aws.String(string(in.Runtime))
	}
	if in.EphemeralStorage != nil {
		update.EphemeralMB = intOf(in.EphemeralStorage.Size)
	}
	if in.TracingConfig != nil && in.TracingConfig.Mode != "" {
		update.TracingMode = aws.String(string(in.TracingConfig.Mode))
	}
	if in.SnapStart != nil && in.SnapStart.ApplyOn != "" {
		update.SnapStartApplyOn = aws.String(string(in.SnapStart.ApplyOn))
	}
	f, err := a.o.Control.UpdateConfiguration(ctx, update)
	if err != nil {
		return nil, err
	}
	return as[lambda.UpdateFunctionConfigurationOutput](a.configuration(f, "")), nil
}

func (a *API) deleteFunction(ctx context.Context, in *lambda.DeleteFunctionInput) (*lambda.DeleteFunctionOutput, error) {
	r, err := ref(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if err := a.o.Control.Delete(ctx, r); err != nil {
		return nil, err
	}
	return &lambda.DeleteFunctionOutput{StatusCode: http.StatusNoContent}, nil
}

func (a *API) getAccountSettings(ctx context.Context, _ *lambda.GetAccountSettingsInput) (*lambda.GetAccountSettingsOutput, error) {
	call := protocol.From(ctx)
	s, err := a.o.Control.Account(ctx, call.Account, call.Region)
	if err != nil {
		return nil, err
	}
	return &lambda.GetAccountSettingsOutput{
		AccountLimit: &types.AccountLimit{
			TotalCodeSize:                  s.TotalCodeSize,
			CodeSizeUnzipped:               s.CodeSizeUnzipped,
			CodeSizeZipped:                 s.CodeSizeZipped,
			ConcurrentExecutions:           int32(s.ConcurrentExecutions),
			UnreservedConcurrentExecutions: aws.Int32(int32(s.ConcurrentExecutions)),
		},
		AccountUsage: &types.AccountUsage{TotalCodeSize: s.UsedCodeSize, FunctionCount: s.FunctionCount},
	}, nil
}

// taggable understands the ARN of a resource that carries tags; only functions do yet.
func taggable(ctx context.Context, resource *string) (control.Ref, error) {
	r, err := ref(ctx, resource, nil)
	if wick.KindOf(err) == wick.Validation && err != nil { // another kind of resource: the model let its ARN pass
		return r, wick.Errorf(wick.NotBuilt, "Wick doesn't support tags on %s yet", aws.ToString(resource))
	}
	return r, err
}

func (a *API) listTags(ctx context.Context, in *lambda.ListTagsInput) (*lambda.ListTagsOutput, error) {
	r, err := taggable(ctx, in.Resource)
	if err != nil {
		return nil, err
	}
	tags, err := a.o.Control.Tags(ctx, r)
	if err != nil {
		return nil, err
	}
	if tags == nil {
		tags = map[string]string{}
	}
	return &lambda.ListTagsOutput{Tags: tags}, nil
}

func (a *API) tagResource(ctx context.Context, in *lambda.TagResourceInput) (*lambda.TagResourceOutput, error) {
	r, err := taggable(ctx, in.Resource)
	if err != nil {
		return nil, err
	}
	return nil, a.o.Control.Tag(ctx, r, in.Tags)
}

func (a *API) untagResource(ctx context.Context, in *lambda.UntagResourceInput) (*lambda.UntagResourceOutput, error) {
	r, err := taggable(ctx, in.Resource)
	if err != nil {
		return nil, err
	}
	return nil, a.o.Control.Untag(ctx, r, in.TagKeys)
}

// source returns where a package comes from, as a request names it.
func source(zip []byte, bucket, key, version, image *string) control.Source {
	s := control.Source{Zip: zip, ImageURI: aws.ToString(image)}
	if bucket != nil || key != nil || version != nil {
		s.S3 = &code.Object{Bucket: aws.ToString(bucket), Key: aws.ToString(key), Version: aws.ToString(version)}
	}
	return s
}

func architecture(as []types.Architecture) string {
	if len(as) == 0 {
		return ""
	}
	return string(as[0])
}

// variables returns a request's environment: nil when it has none, an empty map when
// it has an empty one, which AWS shows again.
func variables(e *types.Environment) map[string]string {
	if e == nil {
		return nil
	}
	if e.Variables == nil {
		return map[string]string{}
	}
	return e.Variables
}

func loggingInput(l *types.LoggingConfig) *wick.LoggingConfig {
	if l == nil {
		return nil
	}
	return &wick.LoggingConfig{
		Format:           string(l.LogFormat),
		ApplicationLevel: string(l.ApplicationLogLevel),
		SystemLevel:      string(l.SystemLogLevel),
		Group:            aws.ToString(l.LogGroup),
	}
}

func intOf(n *int32) *int {
	if n == nil {
		return nil
	}
	return aws.Int(int(*n))
}
