package control

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/wick-run/wick"
)

// Limits and defaults of functions. Sources: Lambda quotas; CreateFunction.
const (
	maxNameLength     = 64
	maxEnvironment    = 4096
	maxMemoryMB       = 10240 // of ordinary functions; managed instances may have more
	maxTimeoutSeconds = 900   // of ordinary functions; durable ones may have more
	maxLayers         = 5
	maxTags           = 50
	maxCodeStorage    = 80530636800 // 75 GiB in an account and region

	defaultTimeoutSeconds = 3
	defaultMemoryMB       = 128
	defaultEphemeralMB    = 512
)

// runtimesInUse are the runtimes that AWS's message about a wrong one lists, in its
// order. Recorded: test_update_lambda_exceptions.
var runtimesInUse = []string{
	"nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x", "nodejs22.x", "java25",
	"python3.10", "python3.11", "java21", "ruby3.3", "ruby3.4", "ruby3.2", "python3.8", "python3.9", "java17",
	"nodejs16.x", "dotnet10", "dotnet8", "java11", "dotnet6", "nodejs18.x", "provided.al2", "java8.al2",
}

// newerRuntimes came after that recording. Source: the API model of 2026-08.
var newerRuntimes = []string{
	"nodejs26.x", "python3.15", "ruby4.0", "java8.al2023", "java11.al2023", "java17.al2023",
}

// deprecatedRuntimes are known to AWS and no longer taken. Source: the API model;
// recorded: test_create_deprecated_function_runtime_with_validation_enabled.
var deprecatedRuntimes = []string{
	"nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x",
	"python2.7", "python3.6", "python3.7", "ruby2.5", "ruby2.7", "java8", "go1.x", "provided",
	"dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1",
}

// checkRuntime refuses identifiers AWS doesn't know or no longer takes.
func (c *Control) checkRuntime(runtime string) error {
	switch {
	case slices.Contains(runtimesInUse, runtime), slices.Contains(newerRuntimes, runtime):
		return nil
	case slices.Contains(deprecatedRuntimes, runtime):
		if c.o.AllowDeprecatedRuntimes {
			return nil
		}
		return wick.Errorf(wick.InvalidParameter, "The runtime parameter of %s is no longer supported for creating or "+
			"updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.",
			runtime)
	}
	return wick.Errorf(wick.InvalidParameter,
		"Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN",
		runtime, strings.Join(runtimesInUse, ", "))
}

// checkMachine refuses a runtime that Wick doesn't run, and with StrictRuntimes one that
// isn't on this machine. Else it tells the operator when a runtime is missing, which the
// first invocation then answers, or will be run by something else than its name says.
func (c *Control) checkMachine(name, runtime, architecture string) error {
	if c.o.Runtimes != nil {
		m, err := c.o.Runtimes.Match(runtime)
		missing := err != nil && wick.KindOf(err) == wick.InvalidRuntime
		switch {
		case missing && c.o.StrictRuntimes:
			return wick.Errorf(wick.InvalidParameter, "%s", err.Error())
		case missing:
			c.o.Log.Warn("a function is taken that this machine can't run yet", "function", name, "reason", err)
		case err != nil:
			return err
		case !m.Exact && c.o.StrictRuntimes:
			return wick.Errorf(wick.InvalidParameter, "runtime %s is not on this machine, the nearest is %s, and Wick was "+
				"started with --strict-runtimes: run `wick runtimes install %s`, or start it without", runtime, m.Name, runtime)
		case !m.Exact:
			c.o.Log.Warn("exact runtime not on this machine, the nearest runs the function",
				"function", name, "runtime", runtime, "nearest", m.Name)
		}
	}
	if architecture != c.o.Architecture {
		c.o.Log.Warn("function is for another architecture than this machine's: "+
			"scripts run, compiled code in the package doesn't",
			"function", name, "architecture", architecture, "machine", c.o.Architecture)
	}
	return nil
}

// reservedVariables are those a function can't set. Source: Lambda, defined runtime
// environment variables, reserved.
var reservedVariables = map[string]bool{
	"_HANDLER": true, "_X_AMZN_TRACE_ID": true,
	"AWS_DEFAULT_REGION": true, "AWS_REGION": true, "AWS_EXECUTION_ENV": true,
	"AWS_LAMBDA_FUNCTION_NAME": true, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": true, "AWS_LAMBDA_FUNCTION_VERSION": true,
	"AWS_LAMBDA_INITIALIZATION_TYPE": true, "AWS_LAMBDA_LOG_GROUP_NAME": true, "AWS_LAMBDA_LOG_STREAM_NAME": true,
	"AWS_ACCESS_KEY": true, "AWS_ACCESS_KEY_ID": true, "AWS_SECRET_ACCESS_KEY": true, "AWS_SECRET_KEY": true,
	"AWS_SESSION_TOKEN": true, "AWS_SECURITY_TOKEN": true,
	"AWS_LAMBDA_RUNTIME_API": true, "LAMBDA_TASK_ROOT": true, "LAMBDA_RUNTIME_DIR": true,
	"AWS_LAMBDA_MAX_CONCURRENCY": true, "AWS_LAMBDA_METADATA_API": true, "AWS_LAMBDA_METADATA_TOKEN": true,
}

// checkEnvironment refuses variables that the platform sets itself and more than 4 KB
// of them.
func checkEnvironment(env map[string]string) error {
	var reserved []string
	for name := range env {
		if reservedVariables[name] {
			reserved = append(reserved, name)
		}
	}
	if len(reserved) > 0 {
		slices.Sort(reserved)
		return wick.Errorf(wick.InvalidParameter, "Lambda was unable to configure your environment variables because the "+
			"environment variables you have provided contains reserved keys that are currently not supported for "+
			"modification. Reserved keys used in this request: %s", strings.Join(reserved, ", "))
	}
	if measured := measureEnvironment(env); len(measured) > maxEnvironment {
		return wick.Errorf(wick.InvalidParameter, "Lambda was unable to configure your environment variables because the "+
			"environment variables you have provided exceeded the 4KB limit. String measured: %s", measured)
	}
	return nil
}

// measureEnvironment returns the JSON whose length AWS limits. AWS has the variables
// in the order they were sent, which doesn't get this far; the largest come last, so
// that a reader of the message sees the others.
func measureEnvironment(env map[string]string) []byte {
	names := slices.SortedFunc(maps.Keys(env), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(env[a]), len(env[b])), cmp.Compare(a, b))
	})
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	write := func(s string) {
		if e.Encode(s) == nil { // strings always encode
			b.Truncate(b.Len() - 1) // the encoder's newline
		}
	}
	b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		write(name)
		b.WriteByte(':')
		write(env[name])
	}
	b.WriteByte('}')
	return b.Bytes()
}

// checkLimits refuses more memory or time than ordinary functions may have; the
// model's own, higher limits are those of managed instances and durable functions.
func checkLimits(f *wick.Function) error {
	if f.MemoryMB > maxMemoryMB {
		return wick.Errorf(wick.InvalidParameter,
			"'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to %d", maxMemoryMB)
	}
	if f.TimeoutSeconds > maxTimeoutSeconds {
		return wick.Errorf(wick.InvalidParameter,
			"'Timeout' value failed to satisfy constraint: Member must have value less than or equal to %d", maxTimeoutSeconds)
	}
	return nil
}

// configureLogging applies a request's logging settings to a function's.
func configureLogging(f *wick.Function, in *wick.LoggingConfig) error {
	l := f.Logging
	if in != nil {
		l.Format = cmp.Or(in.Format, l.Format)
		l.Group = cmp.Or(in.Group, l.Group)
		l.ApplicationLevel = cmp.Or(in.ApplicationLevel, l.ApplicationLevel)
		l.SystemLevel = cmp.Or(in.SystemLevel, l.SystemLevel)
	}
	l.Format = cmp.Or(l.Format, "Text")
	l.Group = cmp.Or(l.Group, "/aws/lambda/"+f.Name)
	if l.Format == "Text" {
		if in != nil && (in.ApplicationLevel != "" || in.SystemLevel != "") {
			return wick.Errorf(wick.InvalidParameter, `LogLevel is not supported when LogFormat is set to "Text". `+
				`Remove LogLevel from your request or change the LogFormat to "Json" and try again.`)
		}
		l.ApplicationLevel, l.SystemLevel = "", ""
	} else {
		l.ApplicationLevel = cmp.Or(l.ApplicationLevel, "INFO")
		l.SystemLevel = cmp.Or(l.SystemLevel, "INFO")
	}
	f.Logging = l
	return nil
}

// checkBuilt refuses settings that AWS has and Wick hasn't yet, by name.
func checkBuilt(notBuilt []string, snapStart string) error {
	names := slices.Clone(notBuilt)
	if snapStart != "" && snapStart != "None" {
		names = append(names, "SnapStart ApplyOn "+snapStart)
	}
	switch len(names) {
	case 0:
		return nil
	case 1:
		return wick.Errorf(wick.NotBuilt, "Wick doesn't support the setting %s yet", names[0])
	}
	return wick.Errorf(wick.NotBuilt, "Wick doesn't support these settings yet: %s", strings.Join(names, ", "))
}

// checkUnqualified refuses a version or alias where only a function can be meant.
func checkUnqualified(r Ref) error {
	if r.Qualifier == "" || r.Qualifier == wick.Latest {
		return nil
	}
	return wick.Errorf(wick.InvalidParameter, "This operation is permitted on Lambda functions only. Aliases and versions "+
		"do not support this operation. Please specify either a function name or an unqualified function ARN.")
}

// checkName refuses names longer than AWS takes; the model only bounds the ARN.
// Recorded: test_function_name_and_qualifier_validation[function_name_too_long-create_function].
func checkName(name string) error {
	if len(name) > maxNameLength {
		return wick.Errorf(wick.InvalidParameter, "1 validation error detected: Value '%s' at 'functionName' failed to "+
			"satisfy constraint: Member must have length less than or equal to %d", name, maxNameLength)
	}
	return nil
}

// checkSource refuses no package at all, or two.
func checkSource(s Source) error {
	switch {
	case s.Zip != nil && s.given() > 1:
		return wick.Errorf(wick.InvalidParameter, "Please do not provide other FunctionCode parameters when providing a ZipFile.")
	case s.given() != 1:
		return wick.Errorf(wick.InvalidParameter, "Please provide a source for function code.")
	case s.S3 != nil && (s.S3.Bucket == "" || s.S3.Key == ""):
		return wick.Errorf(wick.InvalidParameter, "Please provide a source for function code.")
	}
	return nil
}
