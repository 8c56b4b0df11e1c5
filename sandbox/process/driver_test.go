package process

import (
	"testing"

	"github.com/wick-run/wick/sandbox"
	"github.com/wick-run/wick/sandbox/sandboxtest"
)

func TestTheContractIsKept(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) sandbox.Driver {
		d, err := New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}, false)
}
