package protocol

import (
	"testing"

	"github.com/wick-run/wick/internal/testkit/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
