package models

// applyLogsRecordings adds what the model doesn't say and the real service, as
// recorded (the oracle's test_logs_*), does.
func applyLogsRecordings(s *Service) {
	// A broken constraint is an InvalidParameterException, with the words that
	// ValidationException has elsewhere. Recorded: test_put_metric_filter_invalid_filter_name.
	s.Codes = map[string]string{
		"ValidationException":            "InvalidParameterException",
		"InvalidParameterValueException": "InvalidParameterException",
		"ResourceConflictException":      "ResourceAlreadyExistsException",
		"PreconditionFailedException":    "OperationAbortedException",
		"TooManyRequestsException":       "LimitExceededException",
		"ServiceException":               "ServiceUnavailableException",
	}
	// A batch of 1 MiB can be several times that as JSON: every byte may be an escape
	// of six, and the batch's limit is the service's to tell.
	s.Operations["PutLogEvents"].MaxBody = 12 << 20

	// Recorded: test_put_metric_filter_too_many_transformations, whose message has the
	// unit before the dimensions.
	m := s.shape("MetricTransformation").Members
	for i := range m[:len(m)-1] {
		if m[i].Name == "dimensions" && m[i+1].Name == "unit" {
			m[i], m[i+1] = m[i+1], m[i]
		}
	}
}
