package control

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/wick-run/wick"
)

// ConfigHash returns a function's Function.ConfigHash: it depends on what an
// instance depends on, and on nothing else.
func ConfigHash(f *wick.Function) string {
	b, err := json.Marshal([]any{
		f.FunctionID, f.Version, f.Runtime, f.Handler, f.Role, f.TimeoutSeconds, f.MemoryMB, f.EphemeralMB,
		f.Architecture, f.Environment, f.PackageType, f.TracingMode, f.Logging, f.SnapStartApplyOn, f.Code.SHA256,
	})
	if err != nil {
		panic("control: strings and numbers always encode: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
