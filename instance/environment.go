package instance

import (
	"maps"
	"net"
	"strconv"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/credentials"
)

// Addresses inside an instance, as recorded from AWS; only the last is Wick's own.
const (
	runtimeAPIAddress      = "169.254.100.1:9001"
	runtimeAPIAddressAL2   = "127.0.0.1:9001" // provided.al2
	xrayAddress            = "169.254.100.1:2000"
	xrayAddressAL2         = "169.254.79.129:2000" // provided.al2
	dnsAddress             = "169.254.100.1:53"
	wickAPIAddress         = "169.254.100.1:4566"
	initializationOnDemand = "on-demand"

	runtimeAL2 = "provided.al2"
)

// endpointVariable is how SDKs find Wick's own API from within a function: the one
// variable that AWS's environment doesn't have.
const endpointVariable = "AWS_ENDPOINT_URL"

// reachable are the addresses a function finds its services at; where there are no
// walls they differ from AWS's.
type reachable struct {
	runtimeAPI string // host:port
	wickAPI    string // host:port; "" when not injected
	xray       string
}

// environment returns all variables of a function's runtime: those of its language and
// the function's own (see runtimes.Environment), then the reserved ones, which nobody
// overrides.
// Source: Lambda developer guide, defined runtime environment variables.
func environment(language map[string]string, src *wick.Source, at reachable, c credentials.Credentials) map[string]string {
	f := src.Function
	env := make(map[string]string, len(language)+24)
	maps.Copy(env, language)
	if _, own := f.Environment[endpointVariable]; at.wickAPI != "" && !own {
		env[endpointVariable] = "http://" + at.wickAPI
	}
	maps.Copy(env, map[string]string{
		"_HANDLER":                        f.Handler,
		"AWS_REGION":                      f.Region,
		"AWS_DEFAULT_REGION":              f.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     f.Version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  initializationOnDemand,
		"AWS_LAMBDA_LOG_GROUP_NAME":       src.LogGroup,
		"AWS_LAMBDA_LOG_STREAM_NAME":      src.LogStream,
		"AWS_LAMBDA_RUNTIME_API":          at.runtimeAPI,
		"AWS_ACCESS_KEY_ID":               c.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":           c.SecretAccessKey,
		"AWS_SESSION_TOKEN":               c.SessionToken,
	})
	host, port, err := net.SplitHostPort(at.xray)
	if err == nil { // always: the addresses are constants
		env["AWS_XRAY_CONTEXT_MISSING"] = "LOG_ERROR"
		env["AWS_XRAY_DAEMON_ADDRESS"] = at.xray
		env["_AWS_XRAY_DAEMON_ADDRESS"] = host
		env["_AWS_XRAY_DAEMON_PORT"] = port
	}
	return env
}
