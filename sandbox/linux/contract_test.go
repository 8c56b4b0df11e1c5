//go:build linux

package linux

import (
	"testing"

	"github.com/wick-run/wick/sandbox"
	"github.com/wick-run/wick/sandbox/sandboxtest"
)

func TestTheContractOfSandboxesIsKept(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) sandbox.Driver { return openUnclosed(t) }, true)
}
