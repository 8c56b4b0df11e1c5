package journeys

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/wick-run/wick/internal/testkit/script"
)

// The scripts read as the command's documentation. They share one server.
func TestTheCommandLine(t *testing.T) {
	s := start(t)
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	// In a group of their own: the scripts run in parallel, and the server stops after
	// the last of them.
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:  "testdata/script",
			Cmds: script.Commands,
			Setup: func(env *testscript.Env) error {
				env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+env.Getenv("PATH"))
				env.Setenv("WICK_ENDPOINT", s.URL)
				env.Setenv("EXAMPLES", examples)
				return nil
			},
		})
	})
}
