package models

import "sync"

// The table is made from botocore's description of X-Ray (data/xray/2016-04-12/service-2.json).
//go:generate go run ./gen -model ../../../shared/spec/models/xray.json -table xrayTable -out xray_table.go

// XRay returns the model of AWS X-Ray, put together at the first call.
var XRay = sync.OnceValue(func() *Service { return load(&xrayTable) })
