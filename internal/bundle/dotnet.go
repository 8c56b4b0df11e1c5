package bundle

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// .NET functions come as a project, which dotnet publish builds, or compiled: assemblies
// beside their .deps.json and .runtimeconfig.json. What AWS's tools for .NET and PowerShell
// keep in a folder says the rest.

var (
	dotnetAssembly  = regexp.MustCompile(`<AssemblyName>\s*([^<\s$]+)\s*</AssemblyName>`)
	dotnetFramework = regexp.MustCompile(`<TargetFrameworks?>\s*net(\d+)\.0`)
	dotnetProgram   = regexp.MustCompile(`(?i)<OutputType>\s*exe\s*</OutputType>`)

	csharpNamespace = regexp.MustCompile(`(?m)^\s*namespace\s+([\w.]+)`)
	csharpClass     = regexp.MustCompile(`\bpublic\s+(?:(?:static|sealed|partial)\s+)*class\s+(\w+)`)
	csharpMethod    = regexp.MustCompile(`\bpublic\s+(?:(?:static|async|virtual)\s+)*[\w<>\[\], .?]+\s(FunctionHandler(?:Async)?|Handler|Handle)\s*\(`)
)

func lookDotnet(dir string, p *project) (bool, error) {
	projects, err := filepath.Glob(filepath.Join(dir, "*.??proj"))
	if err != nil {
		return false, err
	}
	settings, err := filepath.Glob(filepath.Join(dir, "*.runtimeconfig.json"))
	if err != nil {
		return false, err
	}
	switch {
	case len(projects) > 0:
		if err := p.lookProject(dir, projects[0]); err != nil {
			return false, err
		}
	case len(settings) > 0:
		p.runtimeReason = relative(dir, settings[0])
	default:
		return false, nil
	}
	return true, p.lookLambdaTools(dir)
}

// lookProject reads a project's file and guesses the handler from its sources.
func (p *project) lookProject(dir, name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	p.runtimeReason = relative(dir, name)
	p.build = func(ctx context.Context, dir, scratch string, o Options) ([]file, string, error) {
		return publish(ctx, dir, name, scratch, o)
	}
	if m := dotnetFramework.FindSubmatch(text); m != nil {
		p.runtime = "dotnet" + string(m[1])
	}
	assembly := strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	if m := dotnetAssembly.FindSubmatch(text); m != nil {
		assembly = string(m[1])
	}
	if dotnetProgram.Match(text) {
		p.handler, p.handlerReason = assembly, p.runtimeReason
		return nil
	}
	sources, err := filepath.Glob(filepath.Join(dir, "*.cs"))
	if err != nil {
		return err
	}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		if handler := csharpHandler(text); handler != "" {
			p.handler, p.handlerReason = assembly+"::"+handler, relative(dir, source)
			break
		}
	}
	return nil
}

// csharpHandler returns the type and method that a source file seems to have as its handler,
// or "".
func csharpHandler(source []byte) string {
	class, method := csharpClass.FindSubmatch(source), csharpMethod.FindSubmatch(source)
	if class == nil || method == nil {
		return ""
	}
	name := string(class[1])
	if namespace := csharpNamespace.FindSubmatch(source); namespace != nil {
		name = string(namespace[1]) + "." + name
	}
	return name + "::" + string(method[1])
}

// lambdaTools is the file that AWS's tools keep their options in.
// Source: Amazon.Lambda.Tools.
const lambdaTools = "aws-lambda-tools-defaults.json"

func (p *project) lookLambdaTools(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, lambdaTools))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var defaults struct {
		Runtime string `json:"function-runtime"`
		Handler string `json:"function-handler"`
	}
	_ = json.Unmarshal(data, &defaults) // of one with comments, which those tools allow, nothing is taken
	if strings.HasPrefix(defaults.Runtime, "dotnet") {
		p.runtime, p.runtimeReason = defaults.Runtime, lambdaTools
	}
	if defaults.Handler != "" {
		p.handler, p.handlerReason = defaults.Handler, lambdaTools
	}
	return nil
}

// publish builds a project, with the settings beside it that Lambda's runtime starts from.
func publish(ctx context.Context, dir, project, scratch string, o Options) ([]file, string, error) {
	out := filepath.Join(scratch, "publish")
	args := []string{"publish", project, "--configuration", "Release", "--nologo", "--output", out, "-p:GenerateRuntimeConfigurationFiles=true"}
	if err := run(ctx, dir, nil, o.Output, o.Output, "dotnet", args...); err != nil {
		return nil, "", err
	}
	files, err := loaded(out, "")
	return files, "dotnet publish", err
}
