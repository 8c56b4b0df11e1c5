package control

import (
	"strings"
	"testing"
)

// FuzzLayerVersionARN has any text taken for an ARN: what is understood means the same
// when it is written again.
func FuzzLayerVersionARN(f *testing.F) {
	for _, arn := range []string{
		"arn:aws:lambda:us-east-1:111111111111:layer:l:1", "arn:aws-cn:lambda:cn-north-1:111111111111:layer:a-b_c:007",
		"arn:aws:lambda:us-east-1:111111111111:layer:l", "arn:aws:lambda:::awslayer:Linux", "", ":::::::",
	} {
		f.Add(arn)
	}
	f.Fuzz(func(t *testing.T, arn string) {
		id, version, ok := splitLayerVersionARN(arn)
		if !ok {
			return
		}
		if version < 0 || id.Name == "" || len(id.Account) != 12 {
			t.Fatalf("%q is %+v, version %d", arn, id, version)
		}
		again, sameVersion, ok := splitLayerVersionARN(id.VersionARN(version))
		if !ok || again != id || sameVersion != version || !strings.Contains(arn, ":layer:"+id.Name+":") {
			t.Fatalf("%q is %+v, version %d; written again %+v, %d", arn, id, version, again, sameVersion)
		}
	})
}
