package lambda

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// wantAnswer checks the last answer's status, code and message.
func (h *harness) wantAnswer(t *testing.T, status int, code, message string) {
	t.Helper()
	got := h.wire.answer()
	var body struct{ Message, Type string }
	if err := json.Unmarshal(got.body, &body); err != nil { // encoding/json takes message for Message
		t.Errorf("%v: %q", err, got.body)
	}
	if got.status != status || got.header.Get("X-Amzn-Errortype") != code || body.Message != message {
		t.Errorf("got %d %s %q\nwant %d %s %q", got.status, got.header.Get("X-Amzn-Errortype"), body.Message, status, code, message)
	}
}

func TestWhatIsNotBuiltIsRefusedByName(t *testing.T) {
	h := newHarness(t, nil)
	h.create("f", nil)
	type create = lambda.CreateFunctionInput
	for name, change := range map[string]func(*create){
		"Publish":   func(in *create) { in.Publish = true },
		"PublishTo": func(in *create) { in.PublishTo = types.FunctionVersionLatestPublishedLatestPublished },
		"VpcConfig": func(in *create) { in.VpcConfig = &types.VpcConfig{SubnetIds: []string{"subnet-1"}} },
		"FileSystemConfigs": func(in *create) {
			in.FileSystemConfigs = []types.FileSystemConfig{{Arn: aws.String("arn:aws:elasticfilesystem:us-east-1:111111111111:access-point/fsap-0123456789abcdef0"), LocalMountPath: aws.String("/mnt/x")}}
		},
		"DeadLetterConfig": func(in *create) {
			in.DeadLetterConfig = &types.DeadLetterConfig{TargetArn: aws.String("arn:aws:sqs:us-east-1:111111111111:q")}
		},
		"KMSKeyArn": func(in *create) { in.KMSKeyArn = aws.String("arn:aws:kms:us-east-1:111111111111:key/k") },
		"CodeSigningConfigArn": func(in *create) {
			in.CodeSigningConfigArn = aws.String("arn:aws:lambda:us-east-1:111111111111:code-signing-config:csc-0123456789abcdef0")
		},
		"ImageConfig": func(in *create) { in.ImageConfig = &types.ImageConfig{Command: []string{"x"}} },
		"TenancyConfig": func(in *create) {
			in.TenancyConfig = &types.TenancyConfig{TenantIsolationMode: types.TenantIsolationModePerTenant}
		},
		"DurableConfig":                       func(in *create) { in.DurableConfig = &types.DurableConfig{} },
		"Code.SourceKMSKeyArn":                func(in *create) { in.Code.SourceKMSKeyArn = aws.String("arn:aws:kms:us-east-1:111111111111:key/k") },
		"SnapStart ApplyOn PublishedVersions": func(in *create) { in.SnapStart = &types.SnapStart{ApplyOn: types.SnapStartApplyOnPublishedVersions} },
	} {
		_, err := h.client.CreateFunction(h.ctx, h.createInput("g", change))
		if err == nil {
			t.Errorf("%s was taken", name)
		}
		h.wantAnswer(t, http.StatusNotImplemented, "NotImplementedException", "Wick doesn't support the setting "+name+" yet")
	}
	_, err := h.client.UpdateFunctionCode(h.ctx, &lambda.UpdateFunctionCodeInput{
		FunctionName: aws.String("f"), ZipFile: handlerZip(t, "x"), Publish: true, S3ObjectStorageMode: types.S3ObjectStorageModeReference,
	})
	if err == nil {
		t.Error("Publish was taken")
	}
	h.wantAnswer(t, http.StatusNotImplemented, "NotImplementedException",
		"Wick doesn't support these settings yet: Publish, S3ObjectStorageMode REFERENCE")
	_, err = h.client.UpdateFunctionConfiguration(h.ctx, &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("f"), KMSKeyArn: aws.String("arn:aws:kms:us-east-1:111111111111:key/k"),
	})
	if err == nil {
		t.Error("KMSKeyArn was taken")
	}
	h.wantAnswer(t, http.StatusNotImplemented, "NotImplementedException", "Wick doesn't support the setting KMSKeyArn yet")
}

// The members below are read by the API, or refused by name: when the SDK brings a
// new one, this test asks for it.
func TestEverySettingOfTheSDKIsReadOrRefused(t *testing.T) {
	shared := "Description Environment EphemeralStorage FunctionName Handler Layers LoggingConfig MemorySize Role Runtime SnapStart " +
		"Timeout TracingConfig CapacityProviderConfig DeadLetterConfig DurableConfig FileSystemConfigs ImageConfig KMSKeyArn VpcConfig "
	for typ, handled := range map[reflect.Type]string{
		reflect.TypeFor[lambda.CreateFunctionInput]():              shared + "Architectures Code PackageType Tags CodeSigningConfigArn Publish PublishTo TenancyConfig",
		reflect.TypeFor[lambda.UpdateFunctionConfigurationInput](): shared + "RevisionId",
		reflect.TypeFor[lambda.UpdateFunctionCodeInput](): "Architectures DryRun FunctionName ImageUri RevisionId S3Bucket S3Key S3ObjectVersion ZipFile " +
			"Publish PublishTo SourceKMSKeyArn S3ObjectStorageMode",
		reflect.TypeFor[lambda.PublishLayerVersionInput](): "CompatibleArchitectures CompatibleRuntimes Content Description LayerName LicenseInfo",
		reflect.TypeFor[types.LayerVersionContentInput]():  "S3Bucket S3Key S3ObjectVersion ZipFile S3ObjectStorageMode",
		reflect.TypeFor[types.FunctionCode]():              "ImageUri S3Bucket S3Key S3ObjectVersion ZipFile S3ObjectStorageMode SourceKMSKeyArn",
	} {
		for i := range typ.NumField() {
			if f := typ.Field(i); f.IsExported() && !slices.Contains(strings.Fields(handled), f.Name) {
				t.Errorf("%s.%s is new: read it, or refuse it by name", typ.Name(), f.Name)
			}
		}
	}
}

func TestEmptySettingsAreTakenAsAWSTakesThem(t *testing.T) {
	h := newHarness(t, nil)
	h.create("f", func(in *lambda.CreateFunctionInput) {
		in.VpcConfig = &types.VpcConfig{SubnetIds: []string{}, SecurityGroupIds: []string{}}
		in.DeadLetterConfig = &types.DeadLetterConfig{TargetArn: aws.String("")}
		in.KMSKeyArn = aws.String("")
		in.Layers = []string{}
		in.FileSystemConfigs = []types.FileSystemConfig{}
		in.SnapStart = &types.SnapStart{ApplyOn: types.SnapStartApplyOnNone}
		in.TracingConfig = &types.TracingConfig{Mode: types.TracingModeActive}
		in.Architectures = []types.Architecture{types.ArchitectureArm64}
		in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(1024)}
		in.Environment = nil
	})
	c, err := h.client.GetFunctionConfiguration(h.ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("f")})
	if err != nil {
		t.Fatal(err)
	}
	if c.TracingConfig.Mode != types.TracingModeActive || c.Architectures[0] != types.ArchitectureArm64 ||
		*c.EphemeralStorage.Size != 1024 || c.Environment != nil || c.DeadLetterConfig != nil {
		t.Errorf("got %+v", c)
	}
}

func TestThePackageDownloadsFromItsLocation(t *testing.T) {
	h := newHarness(t, nil)
	z := handlerZip(t, "def handler(event, context): return 1")
	h.create("f", func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = z })
	f, err := h.client.GetFunction(h.ctx, &lambda.GetFunctionInput{FunctionName: aws.String("f")})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(*f.Code.Location, h.url+"/_wick/code/") {
		t.Errorf("Location is %s", *f.Code.Location)
	}
	get := func(location string) (int, []byte) {
		t.Helper()
		resp, err := h.wire.next.RoundTrip(mustRequest(t, http.MethodGet, location, nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // only read
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, body
	}
	status, body := get(*f.Code.Location)
	if status != http.StatusOK || !bytes.Equal(body, z) {
		t.Errorf("downloaded %d, %d bytes", status, len(body))
	}
	sum := sha256.Sum256(body)
	if *f.Configuration.CodeSha256 != base64.StdEncoding.EncodeToString(sum[:]) || f.Configuration.CodeSize != int64(len(body)) {
		t.Errorf("CodeSha256 %s, CodeSize %d", *f.Configuration.CodeSha256, f.Configuration.CodeSize)
	}

	u, err := url.Parse(*f.Code.Location)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("expires", "99999999999")
	u.RawQuery = q.Encode()
	if status, _ := get(u.String()); status != http.StatusForbidden {
		t.Errorf("with another end: %d", status)
	}
	u.RawQuery = ""
	if status, _ := get(u.String()); status != http.StatusForbidden {
		t.Errorf("without a signature: %d", status)
	}
	h.api.o.Now = func() time.Time { return time.Now().Add(11 * time.Minute) }
	if status, _ := get(*f.Code.Location); status != http.StatusForbidden {
		t.Errorf("eleven minutes later: %d", status)
	}
}

func mustRequest(t *testing.T, method, address string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestListsPageThroughTheSDKsPaginator(t *testing.T) {
	h := newHarness(t, nil)
	for _, name := range []string{"c", "a", "b", "e", "d"} {
		h.create(name, nil)
	}
	var names []string
	pages := 0
	p := lambda.NewListFunctionsPaginator(h.client, &lambda.ListFunctionsInput{MaxItems: aws.Int32(2)})
	for p.HasMorePages() {
		page, err := p.NextPage(h.ctx)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, f := range page.Functions {
			names = append(names, *f.FunctionName)
			if *f.FunctionArn != arnPrefix+*f.FunctionName || f.State != "" || f.LastUpdateStatus != "" || f.RuntimeVersionConfig != nil {
				t.Errorf("listed as %+v", f)
			}
		}
	}
	if strings.Join(names, "") != "abcde" || pages != 3 {
		t.Errorf("%v in %d pages", names, pages)
	}
	all, err := h.client.ListFunctions(h.ctx, &lambda.ListFunctionsInput{FunctionVersion: types.FunctionVersionAll, MasterRegion: aws.String("ALL")})
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Functions) != 5 || *all.Functions[0].FunctionArn != arnPrefix+"a:$LATEST" || all.NextMarker != nil {
		t.Errorf("all: %+v", all)
	}
	if _, err := h.client.ListFunctions(h.ctx, &lambda.ListFunctionsInput{Marker: aws.String("~")}); err == nil {
		t.Error("a wrong marker was taken")
	}
	h.wantAnswer(t, http.StatusBadRequest, "InvalidParameterValueException", "Invalid Marker: ~")
}

func TestAccountSettingsCount(t *testing.T) {
	h := newHarness(t, nil)
	h.create("f", nil)
	s, err := h.client.GetAccountSettings(h.ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		t.Fatal(err)
	}
	l, u := s.AccountLimit, s.AccountUsage
	if l.TotalCodeSize != 80530636800 || l.CodeSizeUnzipped != 262144000 || l.CodeSizeZipped != 52428800 ||
		l.ConcurrentExecutions != 1000 || *l.UnreservedConcurrentExecutions != 1000 ||
		u.FunctionCount != 1 || u.TotalCodeSize != int64(len(handlerZip(t, "def handler(event, context): return event"))) {
		t.Errorf("limits %+v, use %+v", l, u)
	}
}

func TestDeletedFunctionsAreGoneAndTheirNamesFree(t *testing.T) {
	h := newHarness(t, nil)
	for range 2 {
		h.create("f", nil)
		if _, err := h.client.DeleteFunction(h.ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String(arnPrefix + "f")}); err != nil {
			t.Fatal(err)
		}
		if got := h.wire.answer(); got.status != http.StatusNoContent || len(got.body) > 0 {
			t.Errorf("deleted with %d %q", got.status, got.body)
		}
		if _, err := h.client.GetFunction(h.ctx, &lambda.GetFunctionInput{FunctionName: aws.String("f")}); err == nil {
			t.Error("it is still there")
		}
		h.wantAnswer(t, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+arnPrefix+"f")
	}
}

func TestAnObjectsVersionIsFetched(t *testing.T) {
	h := newHarness(t, nil)
	h.s3.objects["bucket/key@v1"] = handlerZip(t, "old")
	h.s3.objects["bucket/key"] = handlerZip(t, "new")
	h.create("f", func(in *lambda.CreateFunctionInput) {
		in.Code = &types.FunctionCode{S3Bucket: aws.String("bucket"), S3Key: aws.String("key"), S3ObjectVersion: aws.String("v1")}
	})
	f, err := h.client.GetFunctionConfiguration(h.ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("f")})
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(h.s3.objects["bucket/key@v1"]); *f.CodeSha256 != base64.StdEncoding.EncodeToString(sum[:]) {
		t.Error("another version was fetched")
	}
}
