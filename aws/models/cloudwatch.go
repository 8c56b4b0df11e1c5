package models

import "sync"

// The table is made from botocore's description of CloudWatch (data/cloudwatch/2010-08-01/service-2.json).
//go:generate go run ./gen -model ../../../shared/spec/models/cloudwatch.json -table cloudwatchTable -out cloudwatch_table.go

// CloudWatch returns the model of CloudWatch, put together at the first call.
var CloudWatch = sync.OnceValue(func() *Service {
	s := load(&cloudwatchTable)
	s.Codes = map[string]string{
		"ServiceException":         "InternalServiceFault",
		"TooManyRequestsException": "ThrottlingException",
	}
	s.QueryCodes = map[string]string{
		"ValidationException":       "ValidationError",
		"SerializationException":    "MalformedInput",
		"AccessDeniedException":     "AccessDenied",
		"UnknownOperationException": "InvalidAction",
		"ThrottlingException":       "Throttling",

		"InvalidSignatureException":           "SignatureDoesNotMatch",
		"MissingAuthenticationTokenException": "MissingAuthenticationToken",
		"IncompleteSignatureException":        "IncompleteSignature",
		"UnrecognizedClientException":         "InvalidClientTokenId",
		"ExpiredTokenException":               "ExpiredToken",
	}
	return s
})
