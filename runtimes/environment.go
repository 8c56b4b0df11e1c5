package runtimes

import (
	"strings"

	"github.com/wick-run/wick"
)

const (
	path64      = "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"
	libraryPath = "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
)

// Environment returns the variables a runtime itself has in an instance of f, under f's
// own: PATH, LD_LIBRARY_PATH, LANG, TZ, LAMBDA_TASK_ROOT, LAMBDA_RUNTIME_DIR, PWD, SHLVL,
// AWS_EXECUTION_ENV, NODE_PATH, NODE_EXTRA_CA_CERTS, PYTHONPATH, LC_CTYPE, _HANDLER,
// AWS_LAMBDA_LOG_FORMAT and AWS_LAMBDA_LOG_LEVEL (each where the runtime has it), and
// then f.Environment.
//
// Not among them, for they depend on the instance: AWS_LAMBDA_FUNCTION_NAME, -VERSION,
// -MEMORY_SIZE, AWS_LAMBDA_LOG_GROUP_NAME, -STREAM_NAME, AWS_LAMBDA_INITIALIZATION_TYPE,
// AWS_LAMBDA_RUNTIME_API, AWS_REGION, AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_XRAY_CONTEXT_MISSING,
// AWS_XRAY_DAEMON_ADDRESS, _AWS_XRAY_DAEMON_ADDRESS, _AWS_XRAY_DAEMON_PORT, and
// _X_AMZN_TRACE_ID for a provided runtime's init.
//
// Source: as recorded on AWS (test_introspection_invoke).
func Environment(f *wick.Function, m Match) map[string]string {
	env := base(m)
	env["_HANDLER"] = f.Handler
	if strings.EqualFold(f.Logging.Format, "JSON") {
		env["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
		env["AWS_LAMBDA_LOG_LEVEL"] = "INFO"
		if f.Logging.ApplicationLevel != "" {
			env["AWS_LAMBDA_LOG_LEVEL"] = f.Logging.ApplicationLevel
		}
	}
	for name, value := range f.Environment {
		env[name] = value
	}
	if l := m.Language.known(); l.adapt != nil {
		l.adapt(env, m)
	}
	return env
}

// base is what a runtime has whatever the function.
func base(m Match) map[string]string {
	env := map[string]string{
		"PATH":               path64,
		"LD_LIBRARY_PATH":    libraryPath,
		"LANG":               "en_US.UTF-8",
		"TZ":                 ":UTC",
		"LAMBDA_TASK_ROOT":   taskDir,
		"LAMBDA_RUNTIME_DIR": runtimeDir,
	}
	if m.Language != Provided || m.Runtime == goOneRuntime {
		env["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + m.Runtime
		env["PWD"] = taskDir
		env["SHLVL"] = "0"
	}
	if l := m.Language.known(); l.environment != nil {
		want, _ := parseRuntime(m.Runtime) // a Match is of a runtime that parses
		l.environment(env, m, want)
	}
	return env
}

func hasEntry(list, entry string) bool {
	for _, e := range strings.Split(list, ":") {
		if e == entry {
			return true
		}
	}
	return false
}
