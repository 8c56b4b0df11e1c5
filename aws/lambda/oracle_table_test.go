package lambda

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// createInput is a function like those of the recordings: a Python one with an empty
// environment.
func (h *harness) createInput(name string, change func(*lambda.CreateFunctionInput)) *lambda.CreateFunctionInput {
	in := &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: types.RuntimePython312, Handler: aws.String("handler.handler"), Role: aws.String(testRole),
		Timeout: aws.Int32(30), Environment: &types.Environment{Variables: map[string]string{}},
		Code: &types.FunctionCode{ZipFile: handlerZip(h.t, "def handler(event, context): return event")},
	}
	if change != nil {
		change(in)
	}
	return in
}

// The calls of the replay, with nothing but what they send.

func (r *replay) createStep(step, name string, change func(*lambda.CreateFunctionInput)) {
	r.t.Helper()
	r.step(step, func() error {
		_, err := r.client.CreateFunction(r.ctx, r.createInput(name, change))
		return err
	})
}

func (r *replay) get(step, name, qualifier string) {
	r.t.Helper()
	r.step(step, func() error {
		_, err := r.client.GetFunction(r.ctx, &lambda.GetFunctionInput{FunctionName: &name, Qualifier: given(qualifier)})
		return err
	})
}

func (r *replay) getConfiguration(step, name, qualifier string) {
	r.t.Helper()
	r.step(step, func() error {
		_, err := r.client.GetFunctionConfiguration(r.ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name, Qualifier: given(qualifier)})
		return err
	})
}

func (r *replay) configure(step, name string, change func(*lambda.UpdateFunctionConfigurationInput)) {
	r.t.Helper()
	r.step(step, func() error {
		in := &lambda.UpdateFunctionConfigurationInput{FunctionName: &name}
		change(in)
		_, err := r.client.UpdateFunctionConfiguration(r.ctx, in)
		return err
	})
}

func (r *replay) recode(step, name string, change func(*lambda.UpdateFunctionCodeInput)) {
	r.t.Helper()
	r.step(step, func() error {
		in := &lambda.UpdateFunctionCodeInput{FunctionName: &name}
		change(in)
		_, err := r.client.UpdateFunctionCode(r.ctx, in)
		return err
	})
}

func (r *replay) delete(step, name, qualifier string) {
	r.t.Helper()
	r.step(step, func() error {
		_, err := r.client.DeleteFunction(r.ctx, &lambda.DeleteFunctionInput{FunctionName: &name, Qualifier: given(qualifier)})
		return err
	})
}

func (r *replay) invokeStep(step, name string) {
	r.t.Helper()
	r.step(step, func() error {
		_, err := r.client.Invoke(r.ctx, &lambda.InvokeInput{FunctionName: &name})
		return err
	})
}

func (r *replay) tag(step, arn string, tags map[string]string) {
	r.t.Helper()
	r.step(step, func() error {
		_, err := r.client.TagResource(r.ctx, &lambda.TagResourceInput{Resource: &arn, Tags: tags})
		return err
	})
}

func (r *replay) untag(step, arn string, keys ...string) {
	r.t.Helper()
	r.step(step, func() error {
		_, err := r.client.UntagResource(r.ctx, &lambda.UntagResourceInput{Resource: &arn, TagKeys: keys})
		return err
	})
}

func (r *replay) listTags(step, arn string) {
	r.t.Helper()
	r.step(step, func() error {
		_, err := r.client.ListTags(r.ctx, &lambda.ListTagsInput{Resource: &arn})
		return err
	})
}

func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// plainFunction is how the recordings create one without their fixture.
func plainFunction(in *lambda.CreateFunctionInput) {
	in.Environment, in.Timeout, in.Handler = nil, nil, aws.String("index.handler")
}

// scripts replays the entries that pass; those about names come from nameCases.
var scripts = map[string]func(*replay){
	"TestLambdaFunction::test_redundant_updates": func(r *replay) {
		r.createStep("create_response", "f", func(in *lambda.CreateFunctionInput) { in.Description = aws.String("Initial description") })
		r.waitActive("f")
		describe := func(in *lambda.UpdateFunctionConfigurationInput) {
			in.Description = aws.String("1st update description")
		}
		r.configure("first_update_result", "f", describe)
		r.waitUpdated("f")
		r.getConfiguration("get_fn_config_result", "f", "")
		r.get("get_fn_result", "f", "")
		r.configure("redundant_update_result", "f", describe)
		r.waitUpdated("f")
		r.get("get_fn_result_after_redundant_update", "f", "")
	},
	"TestLambdaFunction::test_ops_with_arn_qualifier_mismatch[delete_function]": func(r *replay) {
		r.delete("not_match_exception", arnPrefix+"some-function:1", "$LATEST")
		r.delete("match_exception", arnPrefix+"some-function:$LATEST", "$LATEST")
	},
	"TestLambdaFunction::test_ops_with_arn_qualifier_mismatch[get_function]": func(r *replay) {
		r.get("not_match_exception", arnPrefix+"some-function:1", "$LATEST")
		r.get("match_exception", arnPrefix+"some-function:$LATEST", "$LATEST")
	},
	"TestLambdaFunction::test_ops_on_nonexisting_version[get_function]": func(r *replay) {
		r.create("f", nil)
		r.get("version_not_found_exception", "f", "1221")
	},
	"TestLambdaFunction::test_ops_on_nonexisting_version[get_function_configuration]": func(r *replay) {
		r.create("f", nil)
		r.getConfiguration("version_not_found_exception", "f", "1221")
	},
	"TestLambdaFunction::test_delete_on_nonexisting_version": func(r *replay) {
		r.delete("delete_function_response_non_existent", "absent", "")
		r.delete("delete_function_response_non_existent_with_qualifier", "absent", "1233")
	},
	"TestLambdaFunction::test_ops_on_nonexisting_fn[delete_function]": func(r *replay) {
		r.delete("not_found_exception", "absent", "")
	},
	"TestLambdaFunction::test_ops_on_nonexisting_fn[get_function]": func(r *replay) {
		r.get("not_found_exception", "absent", "")
	},
	"TestLambdaFunction::test_ops_on_nonexisting_fn[get_function_configuration]": func(r *replay) {
		r.getConfiguration("not_found_exception", "absent", "")
	},
	"TestLambdaFunction::test_get_function_wrong_region[get_function]": func(r *replay) {
		r.get("wrong_region_exception", elsewhere, "")
	},
	"TestLambdaFunction::test_get_function_wrong_region[get_function_configuration]": func(r *replay) {
		r.getConfiguration("wrong_region_exception", elsewhere, "")
	},
	"TestLambdaFunction::test_get_function_wrong_region[invoke]": func(r *replay) {
		r.invokeStep("wrong_region_exception", elsewhere)
	},
	"TestLambdaFunction::test_lambda_code_location_zipfile": func(r *replay) {
		r.codeLocation("create-response-zip-file", func(in *lambda.CreateFunctionInput) {}, func(in *lambda.UpdateFunctionCodeInput) {
			in.ZipFile = handlerZip(r.t, "changed")
		})
	},
	"TestLambdaFunction::test_lambda_code_location_s3": func(r *replay) {
		r.s3.objects["bucket/first"] = handlerZip(r.t, "first")
		r.s3.objects["bucket/second"] = handlerZip(r.t, "second")
		r.codeLocation("create_response_s3", func(in *lambda.CreateFunctionInput) {
			in.Code = &types.FunctionCode{S3Bucket: aws.String("bucket"), S3Key: aws.String("first")}
		}, func(in *lambda.UpdateFunctionCodeInput) {
			in.S3Bucket, in.S3Key = aws.String("bucket"), aws.String("second")
		})
	},
	"TestLambdaFunction::test_lambda_code_location_s3_errors": func(r *replay) {
		r.createStep("create-error-wrong-bucket", "f", func(in *lambda.CreateFunctionInput) {
			in.Code = &types.FunctionCode{S3Bucket: aws.String("no-bucket"), S3Key: aws.String("key")}
		})
		r.createStep("create-error-wrong-key", "f", func(in *lambda.CreateFunctionInput) {
			in.Code = &types.FunctionCode{S3Bucket: aws.String("bucket"), S3Key: aws.String("no-key")}
		})
		r.create("f", nil)
		r.recode("update-error-wrong-bucket", "f", func(in *lambda.UpdateFunctionCodeInput) {
			in.S3Bucket, in.S3Key = aws.String("no-bucket"), aws.String("key")
		})
		r.recode("update-error-wrong-key", "f", func(in *lambda.UpdateFunctionCodeInput) {
			in.S3Bucket, in.S3Key = aws.String("bucket"), aws.String("no-key")
		})
	},
	"TestLambdaFunction::test_update_lambda_exceptions": func(r *replay) {
		r.create("f", nil)
		r.configure("invalid_role_arn_exc", "f", func(in *lambda.UpdateFunctionConfigurationInput) { in.Role = aws.String("r1") })
		r.configure("invalid_runtime_exc", "f", func(in *lambda.UpdateFunctionConfigurationInput) { in.Runtime = "non-existent-runtime" })
		r.configure("uppercase_runtime_exc", "f", func(in *lambda.UpdateFunctionConfigurationInput) { in.Runtime = "PYTHON3.9" })
	},
	"TestLambdaFunction::test_invalid_invoke": func(r *replay) {
		r.invokeStep("invoke_function_name_pattern_exc", "arn:aws:lambda:us-east-1:123400000000@function:myfn")
	},
	"TestLambdaFunction::test_lambda_concurrent_config_updates": func(r *replay) {
		r.createStep("create-function-response", "f", nil)
		r.waitActive("f")
		r.code.shut()
		if _, err := r.client.UpdateFunctionConfiguration(r.ctx, &lambda.UpdateFunctionConfigurationInput{
			FunctionName: aws.String("f"), Description: aws.String("first"),
		}); err != nil {
			r.t.Fatal(err)
		}
		r.configure("update-during-in-progress-update-exc", "f", func(in *lambda.UpdateFunctionConfigurationInput) {
			in.Description = aws.String("second")
		})
	},

	"TestLambdaTag::test_create_tag_on_fn_create": func(r *replay) {
		r.create("f", func(in *lambda.CreateFunctionInput) { in.Tags = map[string]string{"testtag": "value"} })
		r.get("get_function_result", "f", "")
		r.listTags("list_tags_result", arnPrefix+"f")
	},
	"TestLambdaTag::test_tag_lifecycle":                  tagLifecycle,
	"TestLambdaTag::test_tag_lifecycle[lambda_function]": tagLifecycle,
	"TestLambdaTag::test_tag_nonexisting_resource": func(r *replay) {
		r.create("f", nil)
		r.get("pre_delete_get_function", "f", "")
		if _, err := r.client.DeleteFunction(r.ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("f")}); err != nil {
			r.t.Fatal(err)
		}
		r.tag("not_found_exception_tag", arnPrefix+"f", map[string]string{"A": "B"})
		r.untag("not_found_exception_untag", arnPrefix+"f", "A")
		r.listTags("not_found_exception_list", arnPrefix+"f")
	},
	"TestLambdaTag::test_tag_exceptions[lambda_function]": func(r *replay) {
		r.tag("not_found_exception_tag", arnPrefix+"absent", map[string]string{"A": "B"})
		r.untag("not_found_exception_untag", arnPrefix+"absent", "A")
		r.listTags("not_found_exception_list", arnPrefix+"absent")
		r.tag("aliased_arn_exception", arnPrefix+"absent:alias", map[string]string{"A": "B"})
		r.tag("invalid_arn_exception", strings.Replace(arnPrefix, ":function:", ":foobar:", 1)+"absent", map[string]string{"A": "B"})
	},
	"TestLambdaTags::test_tag_limits": func(r *replay) {
		r.create("f", nil)
		r.tag("tag_lambda_too_many_tags", arnPrefix+"f", manyTags(51))
		r.tag("tag_response", arnPrefix+"f", manyTags(50))
		r.listTags("list_tags_response", arnPrefix+"f")
		r.get("get_fn_response", "f", "")
		r.tag("tag_lambda_too_many_tags_additional", arnPrefix+"f", map[string]string{"a_key": "a_value"})
		r.createStep("create_function_invalid_tags", "g", func(in *lambda.CreateFunctionInput) { in.Tags = manyTags(51) })
	},
	"TestLambdaTags::test_tag_versions": func(r *replay) {
		r.create("f", nil)
		r.tag("tag_resource_exception", arnPrefix+"f:1", map[string]string{"key1": "value1"})
		r.tag("tag_resource_latest_exception", arnPrefix+"f:$LATEST", map[string]string{"key1": "value1"})
	},

	"TestLambdaSizeLimits::test_oversized_lambda":          oversized,
	"TestLambdaSizeLimits::test_oversized_unzipped_lambda": oversized,
	"TestLambdaSizeLimits::test_large_lambda": func(r *replay) {
		r.createStep("create_function_large_zip", "f", func(in *lambda.CreateFunctionInput) {
			in.Environment, in.Timeout = nil, aws.Int32(10)
			in.Code.ZipFile = zerosZip(r.t, 262144000-1000)
		})
		r.waitActive("f")
	},
	"TestLambdaSizeLimits::test_oversized_zipped_create_lambda": func(r *replay) {
		r.createStep("invalid_param_exc", "f", func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = noise(52428801) })
	},
	"TestLambdaSizeLimits::test_oversized_request_create_lambda": func(r *replay) {
		r.createStep("invalid_param_exc", "f", func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = noise(52700000) })
	},
	"TestLambdaSizeLimits::test_large_environment_fails_multiple_keys": func(r *replay) {
		r.createStep("failured_create_fn_result_multi_key", "f", func(in *lambda.CreateFunctionInput) {
			in.Environment.Variables = map[string]string{"SMALL_VAR": "ok", "LARGE_VAR": strings.Repeat("x", 4064)}
		})
	},

	"TestLambdaImages::test_lambda_zip_file_to_image": func(r *replay) {
		r.createStep("create-image-response", "f", func(in *lambda.CreateFunctionInput) { in.Environment, in.Timeout = nil, nil })
		r.waitActive("f")
		r.get("get-function-code-response", "f", "")
		r.getConfiguration("get-function-config-response", "f", "")
		r.recode("zipfile-to-image-error", "f", func(in *lambda.UpdateFunctionCodeInput) { in.ImageUri = aws.String("repo:latest") })
		r.get("get-function-code-response-after-update", "f", "")
		r.getConfiguration("get-function-config-response-after-update", "f", "")
	},
	"TestLambdaLayer::test_layer_lifecycle":  layerLifecycle,
	"TestLambdaLayer::test_layer_exceptions": layerExceptions,
	"TestLambdaLayer::test_layer_s3_content": func(r *replay) {
		r.s3.objects["bucket/layer"] = handlerZip(r.t, "layer")
		r.publishStep("publish_layer_result", "l", func(in *lambda.PublishLayerVersionInput) {
			in.Content = &types.LayerVersionContentInput{S3Bucket: aws.String("bucket"), S3Key: aws.String("layer")}
		})
	},
	"TestLambdaLayer::test_layer_compatibilities[runtimes0]": layerCompatibility(
		"nodejs24.x", "nodejs22.x", "nodejs20.x", "nodejs18.x", "nodejs16.x", "nodejs14.x", "nodejs12.x",
		"python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python3.9", "python3.8", "python3.7"),
	"TestLambdaLayer::test_layer_compatibilities[runtimes1]": layerCompatibility(
		"java25", "java21", "java17", "java11", "java8.al2", "java8", "dotnet10", "dotnet8", "dotnet6", "dotnetcore3.1", "go1.x",
		"ruby3.4", "ruby3.3", "ruby3.2", "ruby2.7"),
	"TestLambdaLayer::test_layer_compatibilities[runtimes2]": layerCompatibility("provided.al2023", "provided.al2", "provided"),
	"TestLambdaLayer::test_layer_function_quota_exception": func(r *replay) {
		r.createStep("create_function_with_six_layers", "f", func(in *lambda.CreateFunctionInput) {
			for i := range 6 {
				in.Layers = append(in.Layers, fmt.Sprintf("arn:aws:lambda:us-east-1:111111111111:layer:layer-%d:1", i))
			}
		})
	},

	"TestLoggingConfig::test_function_advanced_logging_configuration": func(r *replay) {
		r.logging(&types.LoggingConfig{LogFormat: types.LogFormatJson}, &types.LoggingConfig{LogGroup: aws.String("cool_lambda")})
	},
	"TestLoggingConfig::test_advanced_logging_configuration_format_switch": func(r *replay) {
		r.logging(nil, &types.LoggingConfig{LogFormat: types.LogFormatJson})
		r.configure("updated_config_v2", "f", func(in *lambda.UpdateFunctionConfigurationInput) {
			in.LoggingConfig = &types.LoggingConfig{LogFormat: types.LogFormatText}
		})
		r.waitUpdated("f")
		r.getConfiguration("received_config_v2", "f", "")
	},
	"TestLoggingConfig::test_function_partial_advanced_logging_configuration_update[partial_config1]": func(r *replay) {
		r.logging(nil, &types.LoggingConfig{LogFormat: types.LogFormatJson, ApplicationLogLevel: types.ApplicationLogLevelDebug})
	},
	"TestLoggingConfig::test_function_partial_advanced_logging_configuration_update[partial_config2]": func(r *replay) {
		r.logging(nil, &types.LoggingConfig{LogFormat: types.LogFormatJson, SystemLogLevel: types.SystemLogLevelDebug})
	},

	"TestRuntimeValidation::test_create_deprecated_function_runtime_with_validation_enabled[provided]":      deprecated("provided"),
	"TestRuntimeValidation::test_create_deprecated_function_runtime_with_validation_enabled[nodejs14.x]":    deprecated("nodejs14.x"),
	"TestRuntimeValidation::test_create_deprecated_function_runtime_with_validation_enabled[nodejs12.x]":    deprecated("nodejs12.x"),
	"TestRuntimeValidation::test_create_deprecated_function_runtime_with_validation_enabled[dotnetcore3.1]": deprecated("dotnetcore3.1"),
}

// elsewhere is a function of another region.
const elsewhere = "arn:aws:lambda:eu-west-3:111111111111:function:f"

// codeLocation creates a function, reads it, changes its code and reads it while the
// change is in progress; each Code.Location must give the package.
func (r *replay) codeLocation(created string, create func(*lambda.CreateFunctionInput), update func(*lambda.UpdateFunctionCodeInput)) {
	r.createStep(created, "f", func(in *lambda.CreateFunctionInput) {
		plainFunction(in)
		create(in)
	})
	r.waitActive("f")
	r.get("get-function-response", "f", "")
	r.code.shut()
	r.recode("update-function-response", "f", update)
	r.get("get-function-response-updated", "f", "")
}

func (r *replay) logging(created, updated *types.LoggingConfig) {
	r.createStep("create_response", "f", func(in *lambda.CreateFunctionInput) {
		in.LoggingConfig, in.MemorySize, in.Timeout = created, aws.Int32(256), aws.Int32(5)
	})
	r.waitActive("f")
	r.get("get_function_response", "f", "")
	r.getConfiguration("function_config", "f", "")
	r.configure("updated_config", "f", func(in *lambda.UpdateFunctionConfigurationInput) { in.LoggingConfig = updated })
	r.waitUpdated("f")
	r.getConfiguration("received_config", "f", "")
}

func tagLifecycle(r *replay) {
	r.create("f", nil)
	arn := arnPrefix + "f"
	r.tag("tag_single_response", arn, map[string]string{"A": "tag-a"})
	r.listTags("tag_single_response_listtags", arn)
	r.tag("tag_multiple_response", arn, map[string]string{"B": "tag-b", "C": "tag-c"})
	r.listTags("tag_multiple_response_listtags", arn)
	r.tag("tag_overlap_response", arn, map[string]string{"C": "tag-c-newsuffix", "D": "tag-d"})
	r.listTags("tag_overlap_response_listtags", arn)
	r.untag("untag_single_response", arn, "A")
	r.listTags("untag_single_response_listtags", arn)
	r.untag("untag_multiple_response", arn, "B", "C")
	r.listTags("untag_multiple_response_listtags", arn)
	r.untag("untag_nonexisting_response", arn, "X")
	r.listTags("untag_nonexisting_response_listtags", arn)
	r.untag("untag_existing_and_nonexisting_response", arn, "X", "D")
	r.listTags("untag_existing_and_nonexisting_response_listtags", arn)
}

func manyTags(n int) map[string]string {
	tags := map[string]string{}
	for i := range n {
		tags[fmt.Sprint(i, "_key")] = fmt.Sprint(i, "_value")
	}
	return tags
}

func oversized(r *replay) {
	r.createStep("invalid_param_exc", "f", func(in *lambda.CreateFunctionInput) {
		in.Code.ZipFile = zerosZip(r.t, 262144000)
	})
}

func deprecated(runtime types.Runtime) func(*replay) {
	return func(r *replay) {
		r.createStep("deprecation_error", "f", func(in *lambda.CreateFunctionInput) { in.Runtime = runtime })
	}
}

// noise returns n bytes that don't compress.
func noise(n int) []byte {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		panic(err) // it never fails on systems Go runs on
	}
	return b
}

// nameCase is a name with a qualifier, and what is sent as the name to CreateFunction,
// which has no qualifier ("": not recorded).
type nameCase struct{ name, qualifier, create string }

var (
	long65, long129, long170 = strings.Repeat("a", 65), strings.Repeat("a", 129), strings.Repeat("a", 170)

	// nameCases are the cases of test_function_name_and_qualifier_validation.
	nameCases = map[string]nameCase{
		"function_name_is_single_invalid":                    {"*", "", "*"},
		"invalid_characters_in_function_name":                {"my-function!", "", "my-function!"},
		"invalid_characters_in_qualifier":                    {"my-function", "invalid!", "my-function:invalid!"},
		"qualifier_too_long0":                                {"my-function", long129, "my-function:" + long129},
		"qualifier_too_long":                                 {"my-function", long129, "my-function:" + long129},
		"invalid_account_id_in_partial_arn":                  same("invalid-account:function:my-function"),
		"invalid_region_in_arn":                              same("arn:aws:lambda:invalid-region:111111111111:function:my-function"),
		"non_lambda_arn":                                     same("arn:aws:ec2:us-east-1:111111111111:instance:i-1234567890abcdef0"),
		"function_name_too_long":                             same(long65),
		"function_name_too_long_and_invalid_region":          same("arn:aws:lambda:invalid-region:111111111111:function:my-function" + long170),
		"full_arn_and_qualifier_too_long_and_invalid_region": {"arn:aws:lambda:invalid-region:111111111111:function:my-function-" + long170, long129, ""},
		"qualifier_too_long1":                                {"my-function:" + long65, "", ""},
		"function_name_and_qualifier_too_long":               {"my-function:" + long65, "", ""},
		"full_arn_with_multiple_qualifiers":                  same(arnPrefix + "my-function:1:2"),
		"incomplete_arn":                                     {"arn:aws:lambda:us-east-1:111111111111:function", "", ""},
		"partial_arn_with_extra_qualifier":                   same("function:my-function:$LATEST:extra"),
		"latest_version_with_additional_qualifier":           {arnPrefix + "my-function:$LATEST", "1", arnPrefix + "my-function:$LATEST:1"},
		"lowercase_latest_qualifier":                         {arnPrefix + "my-function", "$latest", arnPrefix + "my-function:$latest"},
		"missing_region_in_arn":                              same("arn:aws:lambda::111111111111:function:my-function"),
		"missing_account_id_in_arn":                          same("arn:aws:lambda:us-east-1::function:my-function"),
		"misspelled_latest_in_arn":                           same(arnPrefix + "my-function:$LATES"),
	}
)

func same(name string) nameCase { return nameCase{name, "", name} }

// reasons says of the entries that aren't replayed what they wait for. The first
// expression that matches an entry counts.
var reasons = []struct{ entries, reason string }{
	{`nonexisting_(version|fn)\[get_function_event_invoke_config\]|wrong_region\[get_function_event_invoke_config\]`, "asynchronous invocation's configuration is not built yet"},
	{`nonexisting_fn\[get_function_url_config\]|^TestLambdaUrl::`, "function URLs are not built yet"},
	{`nonexisting_fn\[get_function_concurrency\]|^TestLambdaReservedConcurrency::`, "reserved concurrency is not built yet"},
	{`wrong_region\[get_function_code_signing_config\]|^TestCodeSigningConfig::`, "code signing is not built yet"},
	{`test_invalid_vpc_config_security_group`, "VpcConfig is not built yet; Wick refuses it by name"},
	{`^TestLambdaVersions::|test_account_settings_total_code_size_config_update|^TestLambdaRevisions::test_function_revisions_version`, "publishing versions is not built yet"},
	{`^TestLambdaAlias::`, "aliases are not built yet"},
	{`^TestLambdaProvisionedConcurrency::`, "provisioned concurrency is not built yet"},
	{`^TestLambdaPermissions::|^TestLambdaRevisions::test_function_revisions_permissions`, "resource policies are not built yet"},
	{`^TestLambdaLayer::test_layer_policy`, "permissions of layers are not built yet"},
	{`test_account_settings_total_code_size$`, "it is four plain numbers; TestTheAccountsCodeSizeIsThatOfFunctionsAndLayers has its rule"},
	{`^TestLambdaImages::test_lambda_image_`, "container images are not built yet"},
	{`^TestLambdaSnapStart::`, "SnapStart and publishing are not built yet"},
	{`^TestLambdaEventSourceMappings::|\[event_source_mapping\]|test_create_tag_on_esm_create`, "event source mappings are not built yet"},
	{`\[capacity_provider\]`, "capacity providers are not built yet"},
	{`^TestLambdaRecursion::`, "recursive loop settings are not built yet"},
	{`^TestPartialARNMatching::|validation\[(qualifier_too_long1|incomplete_arn|function_name_and_qualifier_too_long)-create_function\]`, "the recording has no steps"},
}

func reasonOf(entry string) string {
	for _, r := range reasons {
		if regexp.MustCompile(r.entries).MatchString(entry) {
			return r.reason
		}
	}
	return ""
}
