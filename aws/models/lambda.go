package models

import (
	_ "embed"
	"sync"
)

// The table is made from botocore's description of Lambda (data/lambda/2015-03-31/service-2.json
// in the botocore package); -model names the file. It also adds what the SDK has
// already and that file not yet.
//go:generate go run ./gen -model ../../../shared/spec/models/lambda.json -extra gen/lambda-extra.json -out lambda.json

//go:embed lambda.json
var lambdaTable []byte

// Lambda returns the model of AWS Lambda, read at the first call.
var Lambda = sync.OnceValue(func() *Service {
	s := load(lambdaTable)
	applyLambdaRecordings(s)
	return s
})
