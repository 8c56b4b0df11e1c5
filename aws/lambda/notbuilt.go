package lambda

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// The settings that exist on AWS and not yet in Wick, one list for each request that
// can carry them. What is set is refused by name; what is given empty says nothing
// and passes, as on AWS.

// named collects the names of what is set.
type named []string

func (n *named) add(name string, set bool) {
	if set {
		*n = append(*n, name)
	}
}

func notBuiltCreate(in *lambda.CreateFunctionInput) []string {
	var n named
	n.add("Publish", in.Publish)
	n.add("PublishTo", in.PublishTo != "")
	n.add("VpcConfig", vpc(in.VpcConfig))
	n.add("FileSystemConfigs", len(in.FileSystemConfigs) > 0)
	n.add("DeadLetterConfig", deadLetter(in.DeadLetterConfig))
	n.add("KMSKeyArn", aws.ToString(in.KMSKeyArn) != "")
	n.add("CodeSigningConfigArn", aws.ToString(in.CodeSigningConfigArn) != "")
	n.add("ImageConfig", image(in.ImageConfig))
	n.add("TenancyConfig", in.TenancyConfig != nil)
	n.add("CapacityProviderConfig", in.CapacityProviderConfig != nil)
	n.add("DurableConfig", in.DurableConfig != nil)
	if c := in.Code; c != nil {
		n.add("Code.SourceKMSKeyArn", aws.ToString(c.SourceKMSKeyArn) != "")
		n.add("Code.S3ObjectStorageMode REFERENCE", c.S3ObjectStorageMode == types.S3ObjectStorageModeReference)
	}
	return n
}

func notBuiltCode(in *lambda.UpdateFunctionCodeInput) []string {
	var n named
	n.add("Publish", in.Publish)
	n.add("PublishTo", in.PublishTo != "")
	n.add("SourceKMSKeyArn", aws.ToString(in.SourceKMSKeyArn) != "")
	n.add("S3ObjectStorageMode REFERENCE", in.S3ObjectStorageMode == types.S3ObjectStorageModeReference)
	return n
}

func notBuiltConfiguration(in *lambda.UpdateFunctionConfigurationInput) []string {
	var n named
	n.add("VpcConfig", vpc(in.VpcConfig))
	n.add("FileSystemConfigs", len(in.FileSystemConfigs) > 0)
	n.add("DeadLetterConfig", deadLetter(in.DeadLetterConfig))
	n.add("KMSKeyArn", aws.ToString(in.KMSKeyArn) != "")
	n.add("ImageConfig", image(in.ImageConfig))
	n.add("CapacityProviderConfig", in.CapacityProviderConfig != nil)
	n.add("DurableConfig", in.DurableConfig != nil)
	return n
}

func vpc(c *types.VpcConfig) bool {
	return c != nil && (len(c.SubnetIds) > 0 || len(c.SecurityGroupIds) > 0)
}

func deadLetter(c *types.DeadLetterConfig) bool { return c != nil && aws.ToString(c.TargetArn) != "" }

func image(c *types.ImageConfig) bool {
	return c != nil && (len(c.EntryPoint) > 0 || len(c.Command) > 0 || aws.ToString(c.WorkingDirectory) != "")
}
