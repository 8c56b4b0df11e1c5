package lambda

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func (h *harness) publish(name string, change func(*lambda.PublishLayerVersionInput)) *lambda.PublishLayerVersionOutput {
	h.t.Helper()
	out, err := h.client.PublishLayerVersion(h.ctx, h.publishInput(name, change))
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func TestALayersContentDownloadsFromItsLocation(t *testing.T) {
	h := newHarness(t, nil)
	zip := handlerZip(t, "a layer")
	published := h.publish("l", func(in *lambda.PublishLayerVersionInput) { in.Content.ZipFile = zip })
	got, err := h.client.GetLayerVersion(h.ctx, &lambda.GetLayerVersionInput{LayerName: aws.String("l"), VersionNumber: aws.Int64(1)})
	if err != nil {
		t.Fatal(err)
	}
	byARN, err := h.client.GetLayerVersionByArn(h.ctx, &lambda.GetLayerVersionByArnInput{Arn: published.LayerVersionArn})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(zip)
	for _, content := range []*types.LayerVersionContentOutput{published.Content, got.Content, byARN.Content} {
		if *content.CodeSha256 != base64.StdEncoding.EncodeToString(sum[:]) || content.CodeSize != int64(len(zip)) {
			t.Errorf("content %+v", content)
		}
		resp, err := http.Get(*content.Location)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || !bytes.Equal(body, zip) {
			t.Errorf("%d, %d bytes, %v", resp.StatusCode, len(body), err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if _, err := time.Parse("2006-01-02T15:04:05.000-0700", *published.CreatedDate); err != nil || !strings.HasSuffix(*got.CreatedDate, "+0000") {
		t.Errorf("created %s, %v", *published.CreatedDate, err)
	}
}

func TestLayersThatCantBePublished(t *testing.T) {
	h := newHarness(t, nil)
	type publish = lambda.PublishLayerVersionInput
	for name, c := range map[string]struct {
		change        func(*publish)
		status        int
		code, message string
	}{
		"no zip":         {func(in *publish) { in.Content.ZipFile = []byte("text") }, 400, "InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again."},
		"an empty zip":   {func(in *publish) { in.Content.ZipFile = []byte{} }, 400, "InvalidParameterValueException", "Uploaded file must be a non-empty zip"},
		"too large":      {func(in *publish) { in.Content.ZipFile = zerosZip(t, 262144000) }, 400, "InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes"},
		"no such bucket": {func(in *publish) { in.Content = inS3("nowhere", "key") }, 400, "InvalidParameterValueException", "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist"},
		"no such object": {func(in *publish) { in.Content = inS3("bucket", "nothing") }, 400, "InvalidParameterValueException", "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."},
		"by reference": {func(in *publish) {
			in.Content = inS3("bucket", "key")
			in.Content.S3ObjectStorageMode = types.S3ObjectStorageModeReference
		}, 501, "NotImplementedException", "Wick doesn't support the setting Content.S3ObjectStorageMode REFERENCE yet"},
		"another account's": {func(in *publish) { in.LayerName = aws.String("arn:aws:lambda:us-east-1:222222222222:layer:l") }, 403, "AccessDeniedException", "User: arn:aws:iam::111111111111:root is not authorized to perform: lambda:GetLayerVersion on resource: arn:aws:lambda:us-east-1:222222222222:layer:l because no resource-based policy allows the lambda:GetLayerVersion action"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := h.client.PublishLayerVersion(h.ctx, h.publishInput("l", c.change)); err == nil {
				t.Error("it was taken")
			}
			h.wantAnswer(t, c.status, c.code, c.message)
		})
	}
	if out := h.publish("l", nil); out.Version != 1 {
		t.Errorf("what was refused took a number: the first version is %d", out.Version)
	}
	if out := h.publish(layerPrefix+"l", nil); out.Version != 2 || *out.LayerArn != layerPrefix+"l" {
		t.Errorf("by its ARN: %d of %s", out.Version, *out.LayerArn)
	}
}

func inS3(bucket, key string) *types.LayerVersionContentInput {
	return &types.LayerVersionContentInput{S3Bucket: &bucket, S3Key: &key}
}

func TestLayersAreListedByCompatibility(t *testing.T) {
	h := newHarness(t, nil)
	for range 3 {
		h.publish("python", forPython)
	}
	h.publish("node", func(in *lambda.PublishLayerVersionInput) {
		in.CompatibleRuntimes, in.Description, in.LicenseInfo = []types.Runtime{types.RuntimeNodejs22x}, aws.String("text"), aws.String("MIT")
	})
	h.publish("any", nil)
	names := func(in *lambda.ListLayersInput) []string {
		t.Helper()
		out, err := h.client.ListLayers(h.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, l := range out.Layers {
			got = append(got, *l.LayerName)
		}
		return got
	}
	for _, c := range []struct {
		in   lambda.ListLayersInput
		want []string
	}{
		{lambda.ListLayersInput{}, []string{"any", "node", "python"}},
		{lambda.ListLayersInput{CompatibleRuntime: types.RuntimePython312}, []string{"python"}},
		{lambda.ListLayersInput{CompatibleRuntime: types.RuntimePython313}, []string{}},
		{lambda.ListLayersInput{CompatibleArchitecture: types.ArchitectureX8664}, []string{"python"}},
		{lambda.ListLayersInput{CompatibleArchitecture: types.ArchitectureArm64}, []string{}},
		{lambda.ListLayersInput{MaxItems: aws.Int32(1)}, []string{"any"}},
	} {
		if got := names(&c.in); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.in, got, c.want)
		}
	}
	var got []string
	pages := lambda.NewListLayersPaginator(h.client, &lambda.ListLayersInput{MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(h.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Layers {
			v := l.LatestMatchingVersion
			got = append(got, *v.LayerVersionArn+" "+aws.ToString(v.Description)+" "+aws.ToString(v.LicenseInfo))
		}
	}
	if want := []string{layerPrefix + "any:1  ", layerPrefix + "node:1 text MIT", layerPrefix + "python:3  "}; !reflect.DeepEqual(got, want) {
		t.Errorf("in pages: %q", got)
	}
	versions := lambda.NewListLayerVersionsPaginator(h.client, &lambda.ListLayerVersionsInput{LayerName: aws.String("python"), MaxItems: aws.Int32(2)})
	var numbers []int64
	for versions.HasMorePages() {
		page, err := versions.NextPage(h.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.LayerVersions {
			numbers = append(numbers, v.Version)
		}
	}
	if !reflect.DeepEqual(numbers, []int64{3, 2, 1}) {
		t.Errorf("versions in pages: %v", numbers)
	}
}

func TestAFunctionShowsItsLayers(t *testing.T) {
	h := newHarness(t, nil)
	one, two := h.publish("one", nil), h.publish("two", func(in *lambda.PublishLayerVersionInput) { in.Content.ZipFile = handlerZip(t, "longer than the other") })
	want := []types.Layer{
		{Arn: two.LayerVersionArn, CodeSize: two.Content.CodeSize}, {Arn: one.LayerVersionArn, CodeSize: one.Content.CodeSize},
	}
	h.create("f", func(in *lambda.CreateFunctionInput) { in.Layers = []string{*two.LayerVersionArn, *one.LayerVersionArn} })
	got, err := h.client.GetFunction(h.ctx, &lambda.GetFunctionInput{FunctionName: aws.String("f")})
	if err != nil || !reflect.DeepEqual(got.Configuration.Layers, want) {
		t.Errorf("GetFunction: %+v, %v", got.Configuration.Layers, err)
	}
	list, err := h.client.ListFunctions(h.ctx, &lambda.ListFunctionsInput{})
	if err != nil || !reflect.DeepEqual(list.Functions[0].Layers, want) {
		t.Errorf("ListFunctions: %+v, %v", list.Functions[0].Layers, err)
	}
	// An empty list takes them away, and so does no list not.
	for _, c := range []struct {
		layers []string
		want   []types.Layer
	}{{nil, want}, {[]string{}, nil}} {
		if _, err := h.client.UpdateFunctionConfiguration(h.ctx, &lambda.UpdateFunctionConfigurationInput{
			FunctionName: aws.String("f"), Layers: c.layers, Timeout: aws.Int32(7),
		}); err != nil {
			t.Fatal(err)
		}
		h.waitUpdated("f")
		if got, err := h.client.GetFunctionConfiguration(h.ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("f")}); err != nil ||
			!reflect.DeepEqual(got.Layers, c.want) {
			t.Errorf("after an update with %v: %+v, %v", c.layers, got.Layers, err)
		}
	}
}

// Recorded: test_account_settings_total_code_size, where each step adds its package.
func TestTheAccountsCodeSizeIsThatOfFunctionsAndLayers(t *testing.T) {
	h := newHarness(t, nil)
	used := func() int64 {
		t.Helper()
		s, err := h.client.GetAccountSettings(h.ctx, &lambda.GetAccountSettingsInput{})
		if err != nil {
			t.Fatal(err)
		}
		return s.AccountUsage.TotalCodeSize
	}
	function, layer := int64(len(handlerZip(t, "def handler(event, context): return event"))), int64(len(handlerZip(t, "hello")))
	h.create("f", nil)
	h.publish("l", nil)
	h.publish("l", nil)
	if got := used(); got != function+2*layer {
		t.Errorf("%d bytes, want %d", got, function+2*layer)
	}
	if _, err := h.client.DeleteLayerVersion(h.ctx, &lambda.DeleteLayerVersionInput{LayerName: aws.String("l"), VersionNumber: aws.Int64(1)}); err != nil {
		t.Fatal(err)
	}
	if got := used(); got != function+layer {
		t.Errorf("%d bytes after a version was deleted, want %d", got, function+layer)
	}
}
