package lambda

import (
	"encoding/base64"
	"encoding/hex"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick"
)

// lastModifiedFormat is Lambda's own ISO 8601. Source: GetFunctionConfiguration, LastModified.
const lastModifiedFormat = "2006-01-02T15:04:05.000-0700"

// configuration returns a function as the API shows it; qualifier is the one it was
// asked for with, and goes into the ARN.
func (a *API) configuration(f *wick.Function, qualifier string) *types.FunctionConfiguration {
	c := &types.FunctionConfiguration{
		FunctionName:         &f.Name,
		FunctionArn:          aws.String(f.QualifiedARN(qualifier)),
		Runtime:              types.Runtime(f.Runtime),
		Role:                 &f.Role,
		Handler:              &f.Handler,
		CodeSize:             f.Code.Size,
		CodeSha256:           aws.String(codeSha256(f.Code.SHA256)),
		Description:          &f.Description,
		Timeout:              aws.Int32(int32(f.TimeoutSeconds)),
		MemorySize:           aws.Int32(int32(f.MemoryMB)),
		LastModified:         aws.String(f.LastModified.UTC().Format(lastModifiedFormat)),
		Version:              &f.Version,
		TracingConfig:        &types.TracingConfigResponse{Mode: types.TracingMode(f.TracingMode)},
		RevisionId:           &f.RevisionID,
		PackageType:          types.PackageType(f.PackageType),
		Architectures:        []types.Architecture{types.Architecture(f.Architecture)},
		EphemeralStorage:     &types.EphemeralStorage{Size: aws.Int32(int32(f.EphemeralMB))},
		SnapStart:            &types.SnapStartResponse{ApplyOn: types.SnapStartApplyOn(f.SnapStartApplyOn), OptimizationStatus: types.SnapStartOptimizationStatusOff},
		RuntimeVersionConfig: &types.RuntimeVersionConfig{RuntimeVersionArn: aws.String(wick.RuntimeVersionARN(f.Region, f.Runtime))},
		LoggingConfig:        logging(&f.Logging),

		State:                      types.State(f.State),
		StateReason:                optional(f.StateReason),
		StateReasonCode:            types.StateReasonCode(f.StateReasonCode),
		LastUpdateStatus:           types.LastUpdateStatus(f.UpdateStatus),
		LastUpdateStatusReason:     optional(f.UpdateReason),
		LastUpdateStatusReasonCode: types.LastUpdateStatusReasonCode(f.UpdateReasonCode),
	}
	for _, l := range f.Layers {
		c.Layers = append(c.Layers, types.Layer{Arn: aws.String(l.ARN), CodeSize: l.Code.Size})
	}
	if f.Environment != nil {
		c.Environment = &types.EnvironmentResponse{Variables: f.Environment}
	}
	return c
}

// listed returns a function as lists show it: without what GetFunction is for.
// Source: ListFunctions.
func (a *API) listed(f *wick.Function, qualifier string) types.FunctionConfiguration {
	c := a.configuration(f, qualifier)
	c.State, c.StateReason, c.StateReasonCode = "", nil, ""
	c.LastUpdateStatus, c.LastUpdateStatusReason, c.LastUpdateStatusReasonCode = "", nil, ""
	c.RuntimeVersionConfig = nil
	return *c
}

func logging(l *wick.LoggingConfig) *types.LoggingConfig {
	return &types.LoggingConfig{
		LogFormat:           types.LogFormat(l.Format),
		ApplicationLogLevel: types.ApplicationLogLevel(l.ApplicationLevel),
		SystemLogLevel:      types.SystemLogLevel(l.SystemLevel),
		LogGroup:            &l.Group,
	}
}

// as returns a configuration as one of the outputs that have the same members:
// creating, getting and updating a function all answer it.
func as[Out any](c *types.FunctionConfiguration) *Out {
	out := new(Out)
	to, from := reflect.ValueOf(out).Elem(), reflect.ValueOf(c).Elem()
	for i := range from.NumField() {
		if field := from.Type().Field(i); field.IsExported() {
			to.FieldByName(field.Name).Set(from.Field(i))
		}
	}
	return out
}

// codeSha256 returns a package's hash in the form of CodeSha256, base64.
func codeSha256(inHex string) string {
	b, err := hex.DecodeString(inHex)
	if err != nil {
		return "" // only a damaged database has a hash that isn't hex
	}
	return base64.StdEncoding.EncodeToString(b)
}

// optional returns nil for what isn't set.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
