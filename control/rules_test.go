package control

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/code"
)

// The words AWS has for what is wrong, as recorded; where nothing is recorded, as its
// documentation and users quote it.
const (
	wordsRuntime = "Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: " +
		"[nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, " +
		"python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, " +
		"java11, dotnet6, nodejs18.x, provided.al2, java8.al2] or be a valid ARN"
	wordsDeprecated = "The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions. " +
		"We recommend you use a supported runtime while creating or updating functions."
	wordsReserved = "Lambda was unable to configure your environment variables because the environment variables you have " +
		"provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: "
	wordsEnvironment = "Lambda was unable to configure your environment variables because the environment variables you have " +
		"provided exceeded the 4KB limit. String measured: "
	wordsMandatory = "Runtime and Handler are mandatory parameters for functions created with deployment packages."
	wordsUnzip     = "Could not unzip uploaded file. Please check your file, then try to upload again."
	wordsRevision  = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to " +
		"retrieve the latest Revision Id"
	wordsUnqualified = "This operation is permitted on Lambda functions only. Aliases and versions do not support this " +
		"operation. Please specify either a function name or an unqualified function ARN."
	wordsLevel = `LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or change ` +
		`the LogFormat to "Json" and try again.`
)

func words(format, arg string) string { return strings.Replace(format, "%s", arg, 1) }

func TestWhatCreateRefuses(t *testing.T) {
	b := newBench(t, nil)
	b.create("taken")
	tags := map[string]string{}
	for i := range 51 {
		tags[strings.Repeat("k", i+1)] = "v"
	}
	for name, c := range map[string]struct {
		change func(*CreateInput)
		kind   wick.Kind
		words  string
	}{
		"a taken name":        {func(in *CreateInput) { in.Function = named("taken") }, wick.Conflict, "Function already exist: taken"},
		"a long name":         {func(in *CreateInput) { in.Function = named(strings.Repeat("a", 65)) }, wick.InvalidParameter, "1 validation error detected: Value '" + strings.Repeat("a", 65) + "' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		"a version":           {func(in *CreateInput) { in.Function.Qualifier = "1" }, wick.InvalidParameter, wordsUnqualified},
		"no runtime":          {func(in *CreateInput) { in.Runtime = "" }, wick.InvalidParameter, wordsMandatory},
		"no handler":          {func(in *CreateInput) { in.Handler = "" }, wick.InvalidParameter, wordsMandatory},
		"an unknown runtime":  {func(in *CreateInput) { in.Runtime = "cobol60" }, wick.InvalidParameter, words(wordsRuntime, "cobol60")},
		"an upper-case one":   {func(in *CreateInput) { in.Runtime = "PYTHON3.9" }, wick.InvalidParameter, words(wordsRuntime, "PYTHON3.9")},
		"a deprecated one":    {func(in *CreateInput) { in.Runtime = "nodejs14.x" }, wick.InvalidParameter, words(wordsDeprecated, "nodejs14.x")},
		"Go's old runtime":    {func(in *CreateInput) { in.Runtime = "go1.x" }, wick.InvalidParameter, words(wordsDeprecated, "go1.x")},
		"too much memory":     {func(in *CreateInput) { in.MemoryMB = 10241 }, wick.InvalidParameter, "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 10240"},
		"too much time":       {func(in *CreateInput) { in.TimeoutSeconds = 901 }, wick.InvalidParameter, "'Timeout' value failed to satisfy constraint: Member must have value less than or equal to 900"},
		"a reserved variable": {func(in *CreateInput) { in.Environment = map[string]string{"AWS_REGION": "x", "A": "b"} }, wick.InvalidParameter, wordsReserved + "AWS_REGION"},
		"two of them":         {func(in *CreateInput) { in.Environment = map[string]string{"_HANDLER": "x", "AWS_REGION": "x"} }, wick.InvalidParameter, wordsReserved + "AWS_REGION, _HANDLER"},
		"large variables": {func(in *CreateInput) {
			in.Environment = map[string]string{"LARGE": strings.Repeat("x", 4096), "SMALL": "<ok>"}
		}, wick.InvalidParameter, wordsEnvironment + `{"SMALL":"<ok>","LARGE":"` + strings.Repeat("x", 4096) + `"}`},
		"levels without JSON":  {func(in *CreateInput) { in.Logging = &wick.LoggingConfig{ApplicationLevel: "DEBUG"} }, wick.InvalidParameter, wordsLevel},
		"too many tags":        {func(in *CreateInput) { in.Tags = tags }, wick.InvalidParameter, "Number of tags exceeds resource tag limit."},
		"six layers":           {func(in *CreateInput) { in.Layers = make([]string, 6) }, wick.InvalidParameter, "Cannot reference more than 5 layers."},
		"no code":              {func(in *CreateInput) { in.Code = Source{} }, wick.InvalidParameter, "Please provide a source for function code."},
		"half an object":       {func(in *CreateInput) { in.Code = Source{S3: &code.Object{Bucket: "b"}} }, wick.InvalidParameter, "Please provide a source for function code."},
		"two sources":          {func(in *CreateInput) { in.Code.S3 = &code.Object{Bucket: "b", Key: "k"} }, wick.InvalidParameter, "Please do not provide other FunctionCode parameters when providing a ZipFile."},
		"an empty zip":         {func(in *CreateInput) { in.Code.Zip = []byte{} }, wick.InvalidParameter, "Uploaded file must be a non-empty zip"},
		"no zip":               {func(in *CreateInput) { in.Code.Zip = []byte("def handler") }, wick.InvalidParameter, wordsUnzip},
		"S3 without a service": {func(in *CreateInput) { in.Code = Source{S3: &code.Object{Bucket: "b", Key: "k"}} }, wick.NotBuilt, "S3Bucket needs an S3-compatible service: start Wick with --forward s3=URL, or send the package as ZipFile"},
		"an image":             {func(in *CreateInput) { in.PackageType = "Image" }, wick.NotBuilt, "Wick doesn't support container images (PackageType Image, Code.ImageUri) yet"},
		"an image's address":   {func(in *CreateInput) { in.Code = Source{ImageURI: "x/y:z"} }, wick.NotBuilt, "Wick doesn't support container images (PackageType Image, Code.ImageUri) yet"},
		"a layer of AWS's own": {func(in *CreateInput) { in.Layers = []string{"arn:aws:lambda:::awslayer:X"} }, wick.InvalidParameter, "Layer version arn:aws:lambda:::awslayer:X does not exist."},
		"SnapStart":            {func(in *CreateInput) { in.SnapStartApplyOn = "PublishedVersions" }, wick.NotBuilt, "Wick doesn't support the setting SnapStart ApplyOn PublishedVersions yet"},
		"settings":             {func(in *CreateInput) { in.NotBuilt = []string{"Publish", "VpcConfig"} }, wick.NotBuilt, "Wick doesn't support these settings yet: Publish, VpcConfig"},
	} {
		t.Run(name, func(t *testing.T) {
			in := b.input("new")
			c.change(in)
			_, err := b.Create(b.ctx, in)
			wantError(t, err, c.kind, c.words)
			if _, err := b.Function(b.ctx, named("new")); wick.KindOf(err) != wick.NotFound {
				t.Errorf("and yet the function is there: %v", err)
			}
		})
	}
}

func TestWhatUpdatesRefuse(t *testing.T) {
	b := newBench(t, nil)
	b.create("f")
	b.settled("f")
	p := func(s string) *string { return &s }
	n := func(i int) *int { return &i }
	config := func(change func(*UpdateConfigurationInput)) func() error {
		return func() error {
			in := &UpdateConfigurationInput{Function: named("f")}
			change(in)
			_, err := b.UpdateConfiguration(b.ctx, in)
			return err
		}
	}
	update := func(change func(*UpdateCodeInput)) func() error {
		return func() error {
			in := &UpdateCodeInput{Function: named("f"), Code: Source{Zip: zipOf(t, "new")}}
			change(in)
			_, err := b.UpdateCode(b.ctx, in)
			return err
		}
	}
	const absent = "Function not found: arn:aws:lambda:us-east-1:111111111111:function:absent"
	for name, c := range map[string]struct {
		do    func() error
		kind  wick.Kind
		words string
	}{
		"configuring what isn't there": {config(func(in *UpdateConfigurationInput) { in.Function = named("absent") }), wick.NotFound, absent},
		"configuring a version":        {config(func(in *UpdateConfigurationInput) { in.Function.Qualifier = "1" }), wick.InvalidParameter, wordsUnqualified},
		"an unknown runtime":           {config(func(in *UpdateConfigurationInput) { in.Runtime = p("x") }), wick.InvalidParameter, words(wordsRuntime, "x")},
		"a deprecated runtime":         {config(func(in *UpdateConfigurationInput) { in.Runtime = p("python2.7") }), wick.InvalidParameter, words(wordsDeprecated, "python2.7")},
		"a reserved variable":          {config(func(in *UpdateConfigurationInput) { in.Environment = map[string]string{"AWS_SECRET_ACCESS_KEY": "x"} }), wick.InvalidParameter, wordsReserved + "AWS_SECRET_ACCESS_KEY"},
		"too much memory":              {config(func(in *UpdateConfigurationInput) { in.MemoryMB = n(20000) }), wick.InvalidParameter, "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 10240"},
		"levels without JSON":          {config(func(in *UpdateConfigurationInput) { in.Logging = &wick.LoggingConfig{SystemLevel: "DEBUG"} }), wick.InvalidParameter, wordsLevel},
		"another revision":             {config(func(in *UpdateConfigurationInput) { in.RevisionID = "x" }), wick.PreconditionFailed, wordsRevision},
		"six layers":                   {config(func(in *UpdateConfigurationInput) { in.Layers = make([]string, 6) }), wick.InvalidParameter, "Cannot reference more than 5 layers."},
		"SnapStart":                    {config(func(in *UpdateConfigurationInput) { in.SnapStartApplyOn = p("PublishedVersions") }), wick.NotBuilt, "Wick doesn't support the setting SnapStart ApplyOn PublishedVersions yet"},
		"a setting":                    {config(func(in *UpdateConfigurationInput) { in.NotBuilt = []string{"KMSKeyArn"} }), wick.NotBuilt, "Wick doesn't support the setting KMSKeyArn yet"},
		"coding what isn't there":      {update(func(in *UpdateCodeInput) { in.Function = named("absent") }), wick.NotFound, absent},
		"an image for a zip":           {update(func(in *UpdateCodeInput) { in.Code = Source{ImageURI: "x"} }), wick.InvalidParameter, "Please don't provide ImageUri when updating a function with packageType Zip."},
		"no code":                      {update(func(in *UpdateCodeInput) { in.Code = Source{} }), wick.InvalidParameter, "Please provide a source for function code."},
		"no zip":                       {update(func(in *UpdateCodeInput) { in.Code.Zip = []byte("x") }), wick.InvalidParameter, wordsUnzip},
		"code for another revision":    {update(func(in *UpdateCodeInput) { in.RevisionID = "x" }), wick.PreconditionFailed, wordsRevision},
		"publishing":                   {update(func(in *UpdateCodeInput) { in.NotBuilt = []string{"Publish"} }), wick.NotBuilt, "Wick doesn't support the setting Publish yet"},
	} {
		t.Run(name, func(t *testing.T) {
			before := b.settled("f")
			wantError(t, c.do(), c.kind, c.words)
			if after := b.settled("f"); after.RevisionID != before.RevisionID {
				t.Error("and yet the function changed")
			}
		})
	}
}

func TestWhatDeleteRefuses(t *testing.T) {
	b := newBench(t, nil)
	b.create("f")
	const prefix = "arn:aws:lambda:us-east-1:111111111111:function:"
	for _, c := range []struct {
		name, qualifier string
		kind            wick.Kind
		words           string
	}{
		{"absent", "", wick.NotFound, "Function not found: " + prefix + "absent"},
		{"absent", "$LATEST", wick.InvalidParameter, "$LATEST version cannot be deleted without deleting the function."},
		{"absent", "alias", wick.InvalidParameter, "Deletion of aliases is not currently supported."},
		{"absent", "$latest", wick.NotFound, "Function not found: " + prefix + "absent"},
		{"absent", "1", wick.NotFound, "Function not found: " + prefix + "absent"},
		{"f", "1", wick.NotFound, "Function not found: " + prefix + "f:1"},
	} {
		r := named(c.name)
		r.Qualifier = c.qualifier
		wantError(t, b.Delete(b.ctx, r), c.kind, c.words)
	}
	if _, err := b.Function(b.ctx, named("f")); err != nil {
		t.Error(err)
	}
}

func TestDeprecatedRuntimesCanBeAllowed(t *testing.T) {
	b := newBench(t, func(o *Options) { o.AllowDeprecatedRuntimes = true })
	in := b.input("old")
	in.Runtime = "nodejs14.x"
	if _, err := b.Create(b.ctx, in); err != nil {
		t.Error(err)
	}
}

// machine is a Runtimes with Python 3.11 and nothing else.
type machine struct{}

func (machine) Match(runtime string) (Match, error) {
	if !strings.HasPrefix(runtime, "python") {
		return Match{}, wick.Errorf(wick.InvalidRuntime, "runtime %s isn't here: run `wick runtimes install %s`", runtime, runtime)
	}
	return Match{Exact: runtime == "python3.11", Name: "Python 3.11.2"}, nil
}

func TestTheOperatorIsToldWhatRunsInsteadOfTheExactRuntime(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Runtimes = machine{} })
	in := b.input("near")
	in.Architecture = "arm64"
	if _, err := b.Create(b.ctx, in); err != nil {
		t.Fatal(err)
	}
	b.settled("near")
	for _, want := range []string{"nearest", "Python 3.11.2", "architecture=arm64", "machine=x86_64"} {
		if !strings.Contains(b.log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, b.log)
		}
	}
}

func TestAFunctionWhoseRuntimeIsMissingIsTakenUnlessStrict(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Runtimes = machine{} })
	in := b.input("none")
	in.Runtime = "ruby3.4"
	if _, err := b.Create(b.ctx, in); err != nil {
		t.Fatal(err)
	}
	if f := b.settled("none"); f.State != wick.StateActive {
		t.Errorf("it is %s", f.State)
	}
	if !strings.Contains(b.log.String(), "wick runtimes install ruby3.4") {
		t.Errorf("the operator isn't told:\n%s", b.log)
	}
	strict := newBench(t, func(o *Options) { o.Runtimes = machine{}; o.StrictRuntimes = true })
	_, err := strict.Create(strict.ctx, in)
	wantError(t, err, wick.InvalidParameter, "runtime ruby3.4 isn't here: run `wick runtimes install ruby3.4`")
	strict.create3_11(t)
	ruby := "ruby3.4"
	_, err = strict.UpdateConfiguration(strict.ctx, &UpdateConfigurationInput{Function: named("f"), Runtime: &ruby})
	wantError(t, err, wick.InvalidParameter, "runtime ruby3.4 isn't here: run `wick runtimes install ruby3.4`")
}

// create3_11 creates f with the one runtime that a machine has exactly.
func (b *bench) create3_11(t *testing.T) {
	t.Helper()
	in := b.input("f")
	in.Runtime = "python3.11"
	if _, err := b.Create(b.ctx, in); err != nil {
		t.Fatal(err)
	}
	b.settled("f")
}

func TestStrictRuntimesRefusesTheNearest(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Runtimes = machine{}; o.StrictRuntimes = true })
	_, err := b.Create(b.ctx, b.input("f"))
	wantError(t, err, wick.InvalidParameter,
		"runtime python3.12 is not on this machine, the nearest is Python 3.11.2, and Wick was started with --strict-runtimes: run `wick runtimes install python3.12`, or start it without")
	in := b.input("f")
	in.Runtime = "python3.11"
	if _, err := b.Create(b.ctx, in); err != nil {
		t.Error(err)
	}
}

func TestTheEnvironmentMayHave4096Bytes(t *testing.T) {
	env := map[string]string{"LARGE_VAR": strings.Repeat("x", 4096-len(`{"LARGE_VAR":""}`))}
	if err := checkEnvironment(env); err != nil {
		t.Error(err)
	}
	env["LARGE_VAR"] += "x"
	if err := checkEnvironment(env); err == nil {
		t.Error("4,097 bytes passed")
	}
}

func TestLoggingSettingsAreMerged(t *testing.T) {
	in := func(format, app, system, group string) *wick.LoggingConfig {
		return &wick.LoggingConfig{Format: format, ApplicationLevel: app, SystemLevel: system, Group: group}
	}
	steps := []struct{ in, want *wick.LoggingConfig }{
		{nil, in("Text", "", "", "/aws/lambda/f")},
		{in("JSON", "", "", ""), in("JSON", "INFO", "INFO", "/aws/lambda/f")},
		{in("", "DEBUG", "", ""), in("JSON", "DEBUG", "INFO", "/aws/lambda/f")},
		{in("", "", "WARN", "mine"), in("JSON", "DEBUG", "WARN", "mine")},
		{in("Text", "", "", ""), in("Text", "", "", "mine")},
		{in("JSON", "", "DEBUG", ""), in("JSON", "INFO", "DEBUG", "mine")},
	}
	f := &wick.Function{FunctionID: named("f").ID}
	for i, s := range steps {
		if err := configureLogging(f, s.in); err != nil || f.Logging != *s.want {
			t.Errorf("step %d: %+v, %v", i, f.Logging, err)
		}
	}
}

func TestTagsAreKeptApartFromTheConfiguration(t *testing.T) {
	b := newBench(t, nil)
	in := b.input("f")
	in.Tags = map[string]string{"A": "a"}
	if _, err := b.Create(b.ctx, in); err != nil {
		t.Fatal(err)
	}
	before := b.settled("f")
	err := errors.Join(
		b.Tag(b.ctx, named("f"), map[string]string{"A": "a2", "B": "b"}),
		b.Untag(b.ctx, named("f"), []string{"A", "absent"}),
	)
	tags, terr := b.Tags(b.ctx, named("f"))
	if err != nil || terr != nil || !maps.Equal(tags, map[string]string{"B": "b"}) {
		t.Errorf("tags %v, %v, %v", tags, err, terr)
	}
	if after := b.settled("f"); after.RevisionID != before.RevisionID || after.ConfigHash != before.ConfigHash {
		t.Error("the configuration changed")
	}
	qualified := named("f")
	qualified.Qualifier = "$LATEST"
	wantError(t, b.Tag(b.ctx, qualified, nil), wick.InvalidParameter,
		"Tags on function aliases and versions are not supported. Please specify a function ARN.")
	wantError(t, b.Untag(b.ctx, named("absent"), nil), wick.NotFound,
		"Function not found: arn:aws:lambda:us-east-1:111111111111:function:absent")
	many := map[string]string{}
	for i := range 50 {
		many[strings.Repeat("k", i+1)] = ""
	}
	wantError(t, b.Tag(b.ctx, named("f"), many), wick.InvalidParameter, "Number of tags exceeds resource tag limit.")
}
