package install

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Clients are the services whose clients of the modular SDKs, for Node.js and Ruby, are
// installed unless others are named: those that functions talk to. AWS's images have all
// there are, some four hundred, of which most functions use two; any of them can be named.
// Names are those of the npm packages behind @aws-sdk/client-.
var Clients = strings.Fields(`
	acm api-gateway apigatewaymanagementapi appconfigdata application-auto-scaling athena auto-scaling batch
	bedrock-agent-runtime bedrock-runtime cloudformation cloudfront cloudtrail cloudwatch cloudwatch-logs codebuild
	codecommit codepipeline cognito-identity cognito-identity-provider comprehend cost-explorer dynamodb
	dynamodb-streams ec2 ecr ecs eks elastic-load-balancing-v2 eventbridge firehose glue iam iot iot-data-plane
	kinesis kms lambda mediaconvert opensearch organizations personalize-runtime polly rds rds-data redshift-data
	rekognition route-53 s3 s3-control scheduler secrets-manager servicediscovery ses sesv2 sfn sns sqs ssm sts
	textract timestream-query timestream-write transcribe translate wafv2 xray`)

// nodeLibraries are what stands beside the clients in AWS's Node.js images.
var nodeLibraries = strings.Fields(`
	lib-dynamodb lib-storage util-dynamodb s3-request-presigner s3-presigned-post credential-providers
	cloudfront-signer rds-signer`)

// nodePackages returns the npm packages of clients, named as in Clients or as packages.
func nodePackages(clients []string) []string {
	var names []string
	for _, c := range clients {
		if strings.HasPrefix(c, "@") {
			names = append(names, c)
		} else {
			names = append(names, "@aws-sdk/client-"+c)
		}
	}
	for _, l := range nodeLibraries {
		names = append(names, "@aws-sdk/"+l)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// gemNames are the clients whose gem isn't named as the npm package less its hyphens;
// STS is part of aws-sdk-core.
var gemNames = map[string]string{
	"opensearch": "opensearchservice", "rds-data": "rdsdataservice",
	"redshift-data": "redshiftdataapiservice", "sfn": "states", "sts": "core", "transcribe": "transcribeservice",
}

// gems returns the gems of clients, named as in Clients or as gems.
func gems(clients []string) []string {
	names := []string{"aws-sdk-core"}
	for _, c := range clients {
		name, ok := gemNames[c]
		switch {
		case strings.HasPrefix(c, "aws-"):
			names = append(names, c)
			continue
		case !ok:
			name = strings.ReplaceAll(c, "-", "")
		}
		names = append(names, "aws-sdk-"+name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var clientName = regexp.MustCompile(`^(?:@[a-z0-9-]+/)?[a-z0-9][a-z0-9._-]*$`)

// checkClients refuses what can't be the name of a client or a package.
func checkClients(clients []string) error {
	for _, c := range clients {
		if !clientName.MatchString(c) {
			return fmt.Errorf("%q is no client's name, such as dynamodb or cloudwatch-logs", c)
		}
	}
	return nil
}
