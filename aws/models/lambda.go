package models

import "sync"

// The table is made from botocore's description of Lambda (data/lambda/2015-03-31/service-2.json
// in the botocore package); -model names the file. The extra file adds what the SDK
// has already and that description not yet.
//go:generate go run ./gen -model ../../../shared/spec/models/lambda.json -extra gen/lambda-extra.json -table lambdaTable -out lambda_table.go

// Lambda returns the model of AWS Lambda, put together at the first call.
var Lambda = sync.OnceValue(func() *Service {
	s := load(&lambdaTable)
	applyLambdaRecordings(s)
	return s
})
