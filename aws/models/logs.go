package models

import "sync"

// The table is made from botocore's description of CloudWatch Logs (data/logs/2014-03-28/service-2.json).
//go:generate go run ./gen -model ../../../shared/spec/models/logs.json -table logsTable -out logs_table.go

// Logs returns the model of CloudWatch Logs, put together at the first call.
var Logs = sync.OnceValue(func() *Service {
	s := load(&logsTable)
	applyLogsRecordings(s)
	return s
})
