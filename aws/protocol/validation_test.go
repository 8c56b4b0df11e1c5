package protocol

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/wick-run/wick/aws/models"
)

// accept registers a handler that takes anything.
func accept[In, Out any](svc *Service, name string) {
	Handle(svc, name, func(context.Context, *In) (*Out, error) { return nil, nil })
}

// permissive is Lambda with handlers that take whatever passes validation.
func permissive() *Service {
	svc := NewService(models.Lambda())
	accept[lambda.CreateFunctionInput, lambda.CreateFunctionOutput](svc, "CreateFunction")
	accept[lambda.GetFunctionInput, lambda.GetFunctionOutput](svc, "GetFunction")
	accept[lambda.DeleteFunctionInput, lambda.DeleteFunctionOutput](svc, "DeleteFunction")
	accept[lambda.UpdateFunctionConfigurationInput, lambda.UpdateFunctionConfigurationOutput](svc, "UpdateFunctionConfiguration")
	accept[lambda.CreateAliasInput, lambda.CreateAliasOutput](svc, "CreateAlias")
	accept[lambda.ListLayersInput, lambda.ListLayersOutput](svc, "ListLayers")
	accept[lambda.PublishLayerVersionInput, lambda.PublishLayerVersionOutput](svc, "PublishLayerVersion")
	accept[lambda.GetLayerVersionByArnInput, lambda.GetLayerVersionByArnOutput](svc, "GetLayerVersionByArn")
	accept[lambda.AddLayerVersionPermissionInput, lambda.AddLayerVersionPermissionOutput](svc, "AddLayerVersionPermission")
	accept[lambda.CreateEventSourceMappingInput, lambda.CreateEventSourceMappingOutput](svc, "CreateEventSourceMapping")
	accept[lambda.PutFunctionRecursionConfigInput, lambda.PutFunctionRecursionConfigOutput](svc, "PutFunctionRecursionConfig")
	accept[lambda.PutProvisionedConcurrencyConfigInput, lambda.PutProvisionedConcurrencyConfigOutput](svc, "PutProvisionedConcurrencyConfig")
	accept[lambda.CreateFunctionUrlConfigInput, lambda.CreateFunctionUrlConfigOutput](svc, "CreateFunctionUrlConfig")
	accept[lambda.TagResourceInput, lambda.TagResourceOutput](svc, "TagResource")
	accept[lambda.ListFunctionsInput, lambda.ListFunctionsOutput](svc, "ListFunctions")
	svc.HandleRaw("Invoke", func(w http.ResponseWriter, r *http.Request, _ *Call) { _, _ = io.Copy(w, r.Body) })
	return svc
}

// response is an answer as a client that isn't an SDK sees it.
type response struct {
	status int
	header http.Header
	body   string
}

func do(t testing.TB, h http.Handler, method, target, body string, header ...string) response {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return response{w.Code, w.Header(), w.Body.String()}
}

const (
	functionNamePattern   = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`
	namespacedNamePattern = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`
	code                  = `"Role":"arn:aws:iam::000000000000:role/r","Code":{"ZipFile":"UEsFBg=="}`
	inUse                 = "[nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2]"
)

// The wording of each is as AWS was recorded to say it (test_lambda_api of the
// oracle; the names are its tests'), but for those marked otherwise.
func TestValidationSpeaksInAWSsWords(t *testing.T) {
	long := strings.Repeat("a", 129)
	h := NewServer(Options{Services: []*Service{permissive()}})
	for _, c := range []struct {
		name, method, path, body string
		want                     []string
	}{
		{"test_function_name_and_qualifier_validation, invalid characters", "GET", "/2015-03-31/functions/my-function!", "",
			[]string{"Value 'my-function!' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: " + namespacedNamePattern}},
		{"test_function_name_and_qualifier_validation, a star, invoke", "POST", "/2015-03-31/functions/*/invocations", "",
			[]string{"Value '*' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: " + namespacedNamePattern}},
		{"test_function_name_and_qualifier_validation, invalid qualifier", "GET", "/2015-03-31/functions/f?Qualifier=invalid!", "",
			[]string{`Value 'invalid!' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+`}},
		{"test_function_name_and_qualifier_validation, long qualifier, invoke", "POST", "/2015-03-31/functions/f/invocations?Qualifier=" + long, "",
			[]string{"Value '" + long + "' at 'qualifier' failed to satisfy constraint: Member must have length less than or equal to 128"}},
		{"test_function_name_and_qualifier_validation, both", "DELETE", "/2015-03-31/functions/arn:aws:lambda:invalid-region:000000000000:function:f?Qualifier=" + long, "",
			[]string{
				"Value '" + long + "' at 'qualifier' failed to satisfy constraint: Member must have length less than or equal to 128",
				"Value 'arn:aws:lambda:invalid-region:000000000000:function:f' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: " + namespacedNamePattern,
			}},
		{"test_function_name_and_qualifier_validation, create, long and invalid", "POST", "/2015-03-31/functions", `{"FunctionName":"arn:aws:lambda:invalid-region:000000000000:function:` + long + `",` + code + `}`,
			[]string{
				"Value 'arn:aws:lambda:invalid-region:000000000000:function:" + long + "' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 140",
				"Value 'arn:aws:lambda:invalid-region:000000000000:function:" + long + "' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: " + functionNamePattern,
			}},
		{"test_function_name_and_qualifier_validation, two qualifiers", "GET", "/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f:1:2", "",
			[]string{"Value 'arn:aws:lambda:us-east-1:000000000000:function:f:1:2' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: " + namespacedNamePattern}},
		{"test_update_lambda_exceptions", "PUT", "/2015-03-31/functions/f/configuration", `{"Role":"r1"}`,
			[]string{`Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`}},
		{"test_alias_naming", "POST", "/2015-03-31/functions/f/aliases", `{"Name":"2024","FunctionVersion":"1"}`,
			[]string{"Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"}},
		{"test_notfound_and_invalid_routingconfigs, too high", "POST", "/2015-03-31/functions/f/aliases", `{"Name":"a","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":2.0}}}`,
			[]string{"Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]"}},
		{"test_notfound_and_invalid_routingconfigs, sub zero", "POST", "/2015-03-31/functions/f/aliases", `{"Name":"a","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":-1}}}`,
			[]string{"Value '{2=-1.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]"}},
		{"test_notfound_and_invalid_routingconfigs, latest", "POST", "/2015-03-31/functions/f/aliases", `{"Name":"a","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"$LATEST":0.5}}}`,
			[]string{"Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]"}},
		{"test_layer_exceptions, architecture", "GET", "/2018-10-31/layers?CompatibleArchitecture=archdoesnotexist", "",
			[]string{"Value 'archdoesnotexist' at 'compatibleArchitecture' failed to satisfy constraint: Member must satisfy enum value set: [x86_64, arm64]"}},
		{"test_layer_exceptions, publish", "POST", "/2018-10-31/layers/l/versions", `{"Content":{"ZipFile":"UEsFBg=="},"CompatibleArchitectures":["invalidarch","x86_64"],"CompatibleRuntimes":["invalidruntime","invalidruntime2","nodejs20.x"]}`,
			[]string{
				"Value '[invalidruntime, invalidruntime2, nodejs20.x]' at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy enum value set: " + inUse,
				"Value '[invalidarch, x86_64]' at 'compatibleArchitectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
			}},
		{"test_layer_exceptions, by ARN", "GET", "/2018-10-31/layers?find=LayerVersion&Arn=arn:aws:lambda:us-east-1:000000000000:layer:l", "",
			[]string{`Value 'arn:aws:lambda:us-east-1:000000000000:layer:l' at 'arn' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)`}},
		{"test_layer_policy_exceptions", "POST", "/2018-10-31/layers/l/versions/1/policy", `{"StatementId":"s","Action":"*","Principal":"*"}`,
			[]string{"Value '*' at 'action' failed to satisfy constraint: Member must satisfy regular expression pattern: lambda:GetLayerVersion"}},
		{"test_provisioned_concurrency_exceptions", "PUT", "/2019-09-30/functions/f/provisioned-concurrency?Qualifier=1", `{"ProvisionedConcurrentExecutions":0}`,
			[]string{"Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 1"}},
		{"test_url_config_exceptions", "POST", "/2021-10-31/functions/f/url?Qualifier=1", `{"AuthType":"NONE"}`,
			[]string{`Value '1' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)`}},
		{"test_create_event_source_validation", "POST", "/2015-03-31/event-source-mappings", `{"FunctionName":"f","StartingPosition":"invalid"}`,
			[]string{"Value 'invalid' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]"}},
		{"test_put_function_recursion_config_invalid_value", "PUT", "/2024-08-31/functions/f/recursion-config", `{"RecursiveLoop":"InvalidValue"}`,
			[]string{"Value 'InvalidValue' at 'recursiveLoop' failed to satisfy constraint: Member must satisfy enum value set: [Terminate, Allow]"}},
		{"test_invalid_vpc_config_security_group", "PUT", "/2015-03-31/functions/f/configuration", `{"VpcConfig":{"SecurityGroupIds":["x_y"]}}`,
			[]string{"Value '[x_y]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: sg-[0-9a-zA-Z]*]"}},
		{"test_tag_exceptions", "POST", "/2017-03-31/tags/arn:aws:lambda:us-east-1:000000000000:foobar:x", `{"Tags":{"k":"v"}}`,
			[]string{`Value 'arn:aws:lambda:us-east-1:000000000000:foobar:x' at 'resource' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)`}},
		// By the rules above; not recorded.
		{"what is missing", "POST", "/2015-03-31/functions", `{"FunctionName":null}`,
			[]string{
				"Value null at 'code' failed to satisfy constraint: Member must not be null",
				"Value null at 'role' failed to satisfy constraint: Member must not be null",
				"Value null at 'functionName' failed to satisfy constraint: Member must not be null",
			}},
		{"no body at all", "PUT", "/2024-08-31/functions/f/recursion-config", "",
			[]string{"Value null at 'recursiveLoop' failed to satisfy constraint: Member must not be null"}},
		{"an empty enum", "PUT", "/2024-08-31/functions/f/recursion-config", `{"RecursiveLoop":""}`,
			[]string{"Value '' at 'recursiveLoop' failed to satisfy constraint: Member must satisfy enum value set: [Terminate, Allow]"}},
		{"a secret", "PUT", "/2015-03-31/functions/f/configuration", `{"Environment":{"Variables":{"1bad":"hunter2"}}}`,
			[]string{"Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]"}},
		{"a null in a list", "PUT", "/2015-03-31/functions/f/configuration", `{"Layers":[null]}`,
			[]string{`Value '[]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+), Member must not be null]`}},
		{"a structure in a list", "PUT", "/2015-03-31/functions/f/configuration", `{"FileSystemConfigs":[{"Arn":"arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-00000000000000000"}]}`,
			[]string{"Value null at 'fileSystemConfigs.1.member.localMountPath' failed to satisfy constraint: Member must not be null"}},
		{"a number in the query", "GET", "/2015-03-31/functions?MaxItems=0", "",
			[]string{"Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			plural := "s"
			if len(c.want) == 1 {
				plural = ""
			}
			want := string(rune('0'+len(c.want))) + " validation error" + plural + " detected: " + strings.Join(c.want, "; ")
			got := do(t, h, c.method, c.path, c.body)
			var e map[string]string
			if err := json.Unmarshal([]byte(got.body), &e); err != nil {
				t.Fatalf("%d %q: %v", got.status, got.body, err)
			}
			if got.status != 400 || got.header.Get("X-Amzn-ErrorType") != "ValidationException" {
				t.Errorf("status %d, type %s", got.status, got.header.Get("X-Amzn-ErrorType"))
			}
			if len(e) != 1 || e["message"] != want {
				t.Errorf("got\n%v\nwant\n%s", e, want)
			}
		})
	}
}

func TestARuntimeIsNotTheProtocolsToJudgeForFunctions(t *testing.T) {
	h := NewServer(Options{Services: []*Service{permissive()}})
	if got := do(t, h, "PUT", "/2015-03-31/functions/f/configuration", `{"Runtime":"PYTHON3.9"}`); got.status != 200 {
		t.Errorf("got %+v", got)
	}
}

func TestRuntimeNamesOfLayersAreListedAsRecorded(t *testing.T) {
	h := NewServer(Options{Services: []*Service{permissive()}})
	got := do(t, h, "GET", "/2018-10-31/layers?CompatibleRuntime=runtimedoesnotexist", "")
	if !strings.Contains(got.body, "at 'compatibleRuntime' failed to satisfy constraint: Member must satisfy enum value set: [ruby3.5, ruby2.6, dotnetcore1.0,") ||
		!strings.Contains(got.body, "python3.6, python2.7]") {
		t.Errorf("got %s", got.body)
	}
	// What the SDK knows is taken, whether the recorded list has it or not.
	if got := do(t, h, "GET", "/2018-10-31/layers?CompatibleRuntime=ruby4.0", ""); got.status != 200 {
		t.Errorf("got %+v", got)
	}
}

func TestWrongJSONIsASerializationException(t *testing.T) {
	h := NewServer(Options{Services: []*Service{permissive()}})
	for body, want := range map[string]string{
		`{"FunctionName":1}`:       "NUMBER_VALUE can not be converted to a String",
		`{"FunctionName":true}`:    "TRUE_VALUE can not be converted to a String",
		`{"Timeout":"3"}`:          "STRING_VALUE can not be converted to an Integer",
		`{"Timeout":99999999999}`:  "NUMBER_VALUE can not be converted to an Integer",
		`{"Publish":"true"}`:       "STRING_VALUE can not be converted to a Boolean",
		`{"FunctionName":{}}`:      "Start of structure or map found where not expected.",
		`{"FunctionName":[]}`:      "Start of list found where not expected",
		`{"Code":[]}`:              "Start of list found where not expected",
		`{"Code":"x"}`:             "Unexpected field type",
		`{"Layers":"x"}`:           "Expected list or null",
		`{"Code":{"ZipFile":"*"}}`: "Invalid Base64 in a blob: illegal base64 data at input byte 0",
		`{`:                        "Could not parse request body into json",
		`{"FunctionName":"f"`:      "Could not parse request body into json",
		`{"FunctionName":"f"}}`:    "Could not parse request body into json",
		`{"FunctionName":"f",}`:    "Could not parse request body into json",
		`{"Layers":["a",]}`:        "Could not parse request body into json",
		`{"FunctionName":"\x"}`:    "Could not parse request body into json",
		`{"Timeout":01}`:           "Could not parse request body into json",
		`[]`:                       "Start of list found where not expected",
		`"x"`:                      "Unexpected field type",
		`x`:                        "Could not parse request body into json",
		`{"X":` + strings.Repeat("[", 1000) + `}`:    "The document is nested too deeply",
		`{"X":` + strings.Repeat(`{"a":`, 600) + `}`: "The document is nested too deeply",
	} {
		got := do(t, h, "POST", "/2015-03-31/functions", body)
		if got.status != 400 || got.header.Get("X-Amzn-ErrorType") != "SerializationException" || got.body != `{"Message":"`+want+`"}` {
			t.Errorf("%.60s: got %d %s", body, got.status, got.body)
		}
	}
	if got := do(t, h, "GET", "/2015-03-31/functions?MaxItems=many", ""); got.body != `{"Message":"STRING_VALUE can not be converted to an Integer"}` {
		t.Errorf("query: got %s", got.body)
	}
}
