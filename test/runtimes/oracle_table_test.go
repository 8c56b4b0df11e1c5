package runtimes

// table has every entry that is recorded for nodejs, python and provided, and how it is
// replayed. All of them pass. A runtime whose interpreter isn't on the machine is run by
// the nearest one, here as for any user, and the test says so; what follows the runtime's
// name (AWS_EXECUTION_ENV, NODE_PATH, the members of an error object, …) is as recorded
// all the same.
var table = map[string]func(*replay){
	"TestLambdaCallingLocalstack::test_manual_endpoint_injection[nodejs16.x]": (*replay).manualEndpointInjection,
	"TestLambdaCallingLocalstack::test_manual_endpoint_injection[nodejs18.x]": (*replay).manualEndpointInjection,
	"TestLambdaCallingLocalstack::test_manual_endpoint_injection[nodejs24.x]": (*replay).manualEndpointInjection,
	"TestLambdaCallingLocalstack::test_manual_endpoint_injection[python3.8]":  (*replay).endpointInjectionByHand,
	"TestLambdaCallingLocalstack::test_manual_endpoint_injection[python3.10]": (*replay).manualEndpointInjection,
	"TestLambdaCallingLocalstack::test_manual_endpoint_injection[python3.12]": (*replay).manualEndpointInjection,
	"TestLambdaCallingLocalstack::test_manual_endpoint_injection[python3.13]": (*replay).manualEndpointInjection,
	"TestLambdaCallingLocalstack::test_manual_endpoint_injection[python3.14]": (*replay).manualEndpointInjection,

	"TestLambdaRuntimesCommon::test_echo_invoke[nodejs16.x]":      (*replay).echo,
	"TestLambdaRuntimesCommon::test_echo_invoke[nodejs18.x]":      (*replay).echo,
	"TestLambdaRuntimesCommon::test_echo_invoke[nodejs20.x]":      (*replay).echo,
	"TestLambdaRuntimesCommon::test_echo_invoke[nodejs22.x]":      (*replay).echo,
	"TestLambdaRuntimesCommon::test_echo_invoke[nodejs24.x]":      (*replay).echo,
	"TestLambdaRuntimesCommon::test_echo_invoke[provided.al2]":    (*replay).echo,
	"TestLambdaRuntimesCommon::test_echo_invoke[provided.al2023]": (*replay).echo,
	"TestLambdaRuntimesCommon::test_echo_invoke[python3.8]":       (*replay).echo,
	"TestLambdaRuntimesCommon::test_echo_invoke[python3.9]":       (*replay).echo,
	"TestLambdaRuntimesCommon::test_echo_invoke[python3.11]":      (*replay).echo,
	"TestLambdaRuntimesCommon::test_echo_invoke[python3.14]":      (*replay).echo,

	"TestLambdaRuntimesCommon::test_introspection_invoke[nodejs18.x]":      (*replay).introspection,
	"TestLambdaRuntimesCommon::test_introspection_invoke[nodejs20.x]":      (*replay).introspection,
	"TestLambdaRuntimesCommon::test_introspection_invoke[nodejs24.x]":      (*replay).introspection,
	"TestLambdaRuntimesCommon::test_introspection_invoke[provided.al2023]": (*replay).introspection,
	"TestLambdaRuntimesCommon::test_introspection_invoke[python3.9]":       (*replay).introspection,
	"TestLambdaRuntimesCommon::test_introspection_invoke[python3.11]":      (*replay).introspection,
	"TestLambdaRuntimesCommon::test_introspection_invoke[python3.12]":      (*replay).introspection,
	"TestLambdaRuntimesCommon::test_introspection_invoke[python3.14]":      (*replay).introspection,

	"TestLambdaRuntimesCommon::test_runtime_wrapper_invoke[nodejs16.x]": (*replay).runtimeWrapper,
	"TestLambdaRuntimesCommon::test_runtime_wrapper_invoke[nodejs18.x]": (*replay).runtimeWrapper,
	"TestLambdaRuntimesCommon::test_runtime_wrapper_invoke[nodejs20.x]": (*replay).runtimeWrapper,
	"TestLambdaRuntimesCommon::test_runtime_wrapper_invoke[nodejs22.x]": (*replay).runtimeWrapper,
	"TestLambdaRuntimesCommon::test_runtime_wrapper_invoke[nodejs24.x]": (*replay).runtimeWrapper,
	"TestLambdaRuntimesCommon::test_runtime_wrapper_invoke[python3.8]":  (*replay).runtimeWrapper,
	"TestLambdaRuntimesCommon::test_runtime_wrapper_invoke[python3.9]":  (*replay).runtimeWrapper,
	"TestLambdaRuntimesCommon::test_runtime_wrapper_invoke[python3.10]": (*replay).runtimeWrapper,
	"TestLambdaRuntimesCommon::test_runtime_wrapper_invoke[python3.11]": (*replay).runtimeWrapper,
	"TestLambdaRuntimesCommon::test_runtime_wrapper_invoke[python3.12]": (*replay).runtimeWrapper,
	"TestLambdaRuntimesCommon::test_runtime_wrapper_invoke[python3.13]": (*replay).runtimeWrapper,
	"TestLambdaRuntimesCommon::test_runtime_wrapper_invoke[python3.14]": (*replay).runtimeWrapper,

	"TestLambdaRuntimesCommon::test_uncaught_exception_invoke[nodejs18.x]": (*replay).uncaughtException,
	"TestLambdaRuntimesCommon::test_uncaught_exception_invoke[nodejs22.x]": (*replay).uncaughtException,
	"TestLambdaRuntimesCommon::test_uncaught_exception_invoke[nodejs24.x]": (*replay).uncaughtException,
	"TestLambdaRuntimesCommon::test_uncaught_exception_invoke[python3.8]":  (*replay).uncaughtException,
	"TestLambdaRuntimesCommon::test_uncaught_exception_invoke[python3.9]":  (*replay).uncaughtException,
	"TestLambdaRuntimesCommon::test_uncaught_exception_invoke[python3.10]": (*replay).uncaughtException,
	"TestLambdaRuntimesCommon::test_uncaught_exception_invoke[python3.11]": (*replay).uncaughtException,
	"TestLambdaRuntimesCommon::test_uncaught_exception_invoke[python3.12]": (*replay).uncaughtException,
	"TestLambdaRuntimesCommon::test_uncaught_exception_invoke[python3.13]": (*replay).uncaughtException,
}
