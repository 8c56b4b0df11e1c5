package models

import "testing"

func BenchmarkLoadLambda(b *testing.B) {
	for b.Loop() {
		applyLambdaRecordings(load(lambdaTable))
	}
}
