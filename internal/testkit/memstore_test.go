package testkit_test

import (
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit"
	"github.com/wick-run/wick/internal/testkit/storetest"
)

func TestMemStoreKeepsTheContract(t *testing.T) {
	storetest.FunctionStore(t, func(*testing.T) wick.FunctionStore { return new(testkit.MemStore) })
}

func TestMemStoreKeepsTheContractOfLayers(t *testing.T) {
	storetest.LayerStore(t, func(*testing.T) storetest.Layers { return new(testkit.MemStore) })
}
