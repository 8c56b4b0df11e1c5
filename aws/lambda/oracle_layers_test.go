package lambda

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// The recordings of layers: what they send.

const layerPrefix = "arn:aws:lambda:us-east-1:111111111111:layer:"

// publishInput is a layer like those of the recordings, for one runtime and architecture.
func (h *harness) publishInput(name string, change func(*lambda.PublishLayerVersionInput)) *lambda.PublishLayerVersionInput {
	in := &lambda.PublishLayerVersionInput{
		LayerName: &name, Content: &types.LayerVersionContentInput{ZipFile: handlerZip(h.t, "hello")},
	}
	if change != nil {
		change(in)
	}
	return in
}

func forPython(in *lambda.PublishLayerVersionInput) {
	in.CompatibleRuntimes = []types.Runtime{types.RuntimePython312}
	in.CompatibleArchitectures = []types.Architecture{types.ArchitectureX8664}
}

func (r *replay) publishStep(step, name string, change func(*lambda.PublishLayerVersionInput)) {
	r.t.Helper()
	r.step(step, func() error {
		_, err := r.client.PublishLayerVersion(r.ctx, r.publishInput(name, change))
		return err
	})
}

func (r *replay) getLayer(step, name string, version int64) {
	r.t.Helper()
	r.step(step, func() error {
		_, err := r.client.GetLayerVersion(r.ctx, &lambda.GetLayerVersionInput{LayerName: &name, VersionNumber: &version})
		return err
	})
}

func (r *replay) getLayerByARN(step, arn string) {
	r.t.Helper()
	r.step(step, func() error {
		_, err := r.client.GetLayerVersionByArn(r.ctx, &lambda.GetLayerVersionByArnInput{Arn: &arn})
		return err
	})
}

func (r *replay) deleteLayer(step, name string, version int64) {
	r.t.Helper()
	r.step(step, func() error {
		_, err := r.client.DeleteLayerVersion(r.ctx, &lambda.DeleteLayerVersionInput{LayerName: &name, VersionNumber: &version})
		return err
	})
}

func (r *replay) listLayerVersions(step, name string) {
	r.t.Helper()
	r.step(step, func() error {
		_, err := r.client.ListLayerVersions(r.ctx, &lambda.ListLayerVersionsInput{LayerName: &name})
		return err
	})
}

func layerLifecycle(r *replay) {
	r.create("f", nil)
	r.get("get_fn_result", "f", "")
	r.getConfiguration("get_fn_config_result", "f", "")
	described := func(in *lambda.PublishLayerVersionInput) {
		forPython(in)
		in.Description, in.LicenseInfo = aws.String("description"), aws.String("license")
	}
	r.publishStep("publish_result", "l", described)
	r.publishStep("publish_result_2", "l", described)
	r.code.shut()
	r.configure("update_fn_config", "f", func(in *lambda.UpdateFunctionConfigurationInput) { in.Layers = []string{layerPrefix + "l:1"} })
	r.code.open()
	r.waitUpdated("f")
	r.getConfiguration("get_fn_config", "f", "")
	r.getLayer("get_layer_ver_result", "l", 1)
	r.getLayerByARN("get_layer_by_arn_version", layerPrefix+"l:1")
	r.listLayerVersions("list_layer_versions_predelete", "l")
	r.deleteLayer("delete_layer_1", "l", 1)
	r.getConfiguration("get_fn_config_postdelete", "f", "")
	r.deleteLayer("delete_layer_2", "l", 2)
	r.listLayerVersions("list_layer_versions_postdelete", "l")
	r.publishStep("publish_result_3", "l", described)
}

func layerExceptions(r *replay) {
	r.publishStep("publish_result", "l", forPython)
	r.step("list_layers_exc_compatibleruntime_invalid", func() error {
		_, err := r.client.ListLayers(r.ctx, &lambda.ListLayersInput{CompatibleRuntime: "runtimedoesnotexist"})
		return err
	})
	r.step("list_layers_exc_compatiblearchitecture_invalid", func() error {
		_, err := r.client.ListLayers(r.ctx, &lambda.ListLayersInput{CompatibleArchitecture: "archdoesnotexist"})
		return err
	})
	r.listLayerVersions("list_nonexistent_layer", "absent")
	r.getLayer("get_layer_version_exc_layer_doesnotexist", "absent", 1)
	r.getLayer("get_layer_version_exc_layer_version_doesnotexist_negative", "l", -1)
	r.getLayer("get_layer_version_exc_layer_version_doesnotexist_zero", "l", 0)
	r.getLayer("get_layer_version_exc_layer_version_doesnotexist_2", "l", 2)
	r.getLayerByARN("get_layer_version_by_arn_exc_invalidarn", layerPrefix+"l")
	r.getLayerByARN("get_layer_version_by_arn_exc_nonexistentversion", layerPrefix+"l:2")
	r.deleteLayer("delete_nonexistent_response", "absent", 1)
	r.deleteLayer("delete_nonexistent_version_response", "l", 2)
	r.deleteLayer("delete_layer_response", "l", 1)
	r.deleteLayer("delete_layer_again_response", "l", 1)
	r.deleteLayer("delete_layer_version_exc_layerversion_invalid_version", "l", -1)
	r.publishStep("publish_empty_result", "empty", func(in *lambda.PublishLayerVersionInput) {
		in.CompatibleRuntimes, in.CompatibleArchitectures = []types.Runtime{}, []types.Architecture{}
	})
	r.publishStep("publish_layer_version_exc_invalid_runtime_arch", "l", func(in *lambda.PublishLayerVersionInput) {
		in.CompatibleRuntimes = []types.Runtime{"invalidruntime"}
		in.CompatibleArchitectures = []types.Architecture{"invalidarch"}
	})
	r.publishStep("publish_layer_version_exc_partially_invalid_values", "l", func(in *lambda.PublishLayerVersionInput) {
		in.CompatibleRuntimes = []types.Runtime{"invalidruntime", "invalidruntime2", types.RuntimeNodejs20x}
		in.CompatibleArchitectures = []types.Architecture{"invalidarch", types.ArchitectureX8664}
	})
}

func layerCompatibility(runtimes ...types.Runtime) func(*replay) {
	return func(r *replay) {
		r.publishStep("publish_result", "l", func(in *lambda.PublishLayerVersionInput) {
			in.CompatibleRuntimes = runtimes
			in.CompatibleArchitectures = []types.Architecture{types.ArchitectureArm64, types.ArchitectureX8664}
		})
	}
}
