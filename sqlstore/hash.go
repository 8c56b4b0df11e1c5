package sqlstore

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/wick-run/wick"
)

// configHash returns a hash of all that an instance of f depends on: two values with
// the same hash can be served by the same instance. What only the API shows
// (Description, Tags, states, RevisionID, LastModified) and what the path around an
// instance reads for each invocation (DeadLetterTarget) are not in it.
func configHash(f *wick.Function) string {
	b, err := json.Marshal(struct {
		ID                                                wick.FunctionID
		Version, Runtime, Handler, Role                   string
		TimeoutSeconds, MemoryMB, EphemeralMB             int
		Architecture, PackageType, TracingMode, SnapStart string
		KMSKeyARN                                         string
		Environment                                       map[string]string
		Logging                                           wick.LoggingConfig
		Code                                              wick.Package
		Layers                                            []wick.FunctionLayer `json:",omitempty"`
	}{
		ID: f.FunctionID, Version: f.Version, Runtime: f.Runtime, Handler: f.Handler, Role: f.Role,
		TimeoutSeconds: f.TimeoutSeconds, MemoryMB: f.MemoryMB, EphemeralMB: f.EphemeralMB,
		Architecture: f.Architecture, PackageType: f.PackageType, TracingMode: f.TracingMode, SnapStart: f.SnapStartApplyOn,
		KMSKeyARN: f.KMSKeyARN, Environment: f.Environment, Logging: f.Logging, Code: f.Code, Layers: f.Layers,
	})
	if err != nil {
		panic(err) // strings, numbers and a map of strings always encode
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
