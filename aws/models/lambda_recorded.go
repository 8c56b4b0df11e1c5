package models

// applyLambdaRecordings corrects the model where the real service, as recorded,
// does otherwise. Each entry names the recording (the test of that name in the
// oracle's test_lambda_api) it comes from.
func applyLambdaRecordings(s *Service) {
	for name, pattern := range lambdaPatterns {
		s.shape(name).Pattern = pattern
	}
	for name, values := range lambdaEnumOrder {
		s.shape(name).EnumMessage = values
	}
	for _, name := range lambdaPackageOperations {
		s.Operations[name].MaxBody = lambdaPackageLimit
	}

	// A function's runtime is checked by the control plane, which answers
	// InvalidParameterValueException with a list of its own. Recorded:
	// test_update_lambda_exceptions, invalid_runtime_exc.
	anyRuntime := *s.shape("Runtime")
	anyRuntime.Enum = nil
	s.shape("CreateFunctionRequest").Member("Runtime").Shape = &anyRuntime
	s.shape("UpdateFunctionConfigurationRequest").Member("Runtime").Shape = &anyRuntime

	// A layer's runtimes are judged as one value, and the message lists the runtimes
	// in use. Recorded: test_layer_exceptions, publish_layer_version_exc_invalid_runtime_arch.
	layerRuntime, layerRuntimes := *s.shape("Runtime"), *s.shape("CompatibleRuntimes")
	layerRuntime.EnumMessage = RuntimesInUse
	layerRuntimes.Element, layerRuntimes.BareElement = &layerRuntime, true
	s.shape("PublishLayerVersionRequest").Member("CompatibleRuntimes").Shape = &layerRuntimes

	// Recorded: test_invalid_vpc_config_security_group, where the list of constraints
	// doesn't end in "Member must not be null" as those of other lists do.
	s.shape("SecurityGroupIds").Sparse = true
}

// RuntimesInUse is the set of runtimes that AWS's messages about functions and
// layers list, in their order. Recorded: test_update_lambda_exceptions,
// test_layer_exceptions.
var RuntimesInUse = []string{
	"nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x", "nodejs22.x", "java25",
	"python3.10", "python3.11", "java21", "ruby3.3", "ruby3.4", "ruby3.2", "python3.8", "python3.9", "java17", "nodejs16.x",
	"dotnet10", "dotnet8", "java11", "dotnet6", "nodejs18.x", "provided.al2", "java8.al2",
}

// lambdaPackageLimit is the most bytes a request that carries a package may have:
// 50 MiB in base64 and 256 KiB beside it.
// Recorded: test_oversized_request_create_lambda.
const lambdaPackageLimit = 70167211

var lambdaPackageOperations = []string{"CreateFunction", "UpdateFunctionCode", "PublishLayerVersion"}

// lambdaPatterns are the expressions in the service's own messages.
var lambdaPatterns = map[string]string{
	// test_function_name_and_qualifier_validation, test_invalid_invoke
	"NamespacedFunctionName": `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`,
	// test_layer_exceptions
	"LayerVersionArn": `(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)`,
	// test_tag_exceptions
	"TaggableResource": `arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)`,
}

// lambdaEnumOrder is how messages list an enum's values: the order of a hash set on
// the service's side, and now and then with values the public model hasn't.
var lambdaEnumOrder = map[string][]string{
	"EventSourcePosition": {"LATEST", "AT_TIMESTAMP", "TRIM_HORIZON"}, // test_create_event_source_validation
	"RecursiveLoop":       {"Terminate", "Allow"},                     // test_put_function_recursion_config_invalid_value
	"Architecture":        {"x86_64", "arm64"},                        // test_layer_exceptions
	// test_layer_exceptions, list_layers_exc_compatibleruntime_invalid
	"Runtime": {
		"ruby3.5", "ruby2.6", "dotnetcore1.0", "python3.7", "nodejs8.10", "nasa", "ruby2.7", "python2.7-greengrass",
		"dotnetcore2.0", "python3.8", "java21", "dotnet6", "dotnetcore2.1", "python3.9", "java11", "nodejs6.10", "provided",
		"dotnetcore3.1", "dotnet8", "java25", "java17", "nodejs", "nodejs4.3", "java8.al2", "go1.x", "dotnet10", "nodejs20.x",
		"go1.9", "byol", "nodejs10.x", "provided.al2023", "nodejs22.x", "python3.10", "java8", "nodejs12.x", "python3.11",
		"nodejs24.x", "nodejs8.x", "python3.12", "nodejs14.x", "nodejs8.9", "nodejs26.x", "python3.13", "python3.14",
		"nodejs16.x", "python3.15", "provided.al2", "nodejs4.3-edge", "nodejs18.x", "ruby3.2", "python3.4", "ruby3.3",
		"ruby3.4", "ruby2.5", "python3.6", "python2.7",
	},
}
