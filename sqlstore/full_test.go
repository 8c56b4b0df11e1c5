package sqlstore

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/storetest"
)

func TestAFullDatabaseRefusesAndGoesOnWhenThereIsSpace(t *testing.T) {
	s := open(t)
	create := func(name string, bytes int) error {
		f := storetest.NewFunction(name)
		f.Description = strings.Repeat("d", bytes)
		return s.CreateFunction(t.Context(), f)
	}
	if err := create("before", 10); err != nil {
		t.Fatal(err)
	}
	limit := func(pages int) {
		t.Helper()
		if err := s.writer.write(t.Context(), func(tx *tx) error {
			var got int
			return tx.conn.QueryRowContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)).Scan(&got)
		}, nil); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // no fewer than it has
	checkFull(t, s, create)
	limit(1 << 30)
	if err := create("after", 100_000); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

// checkFull checks that a store without space refuses changes, alone and together,
// keeps none of them, and can be read.
func checkFull(t *testing.T, s *Store, create func(name string, bytes int) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() { errs[i] = create(fmt.Sprint("refused-", i), 1_000_000) })
	}
	wg.Wait()
	for i, err := range errs {
		var e *wick.Error
		if !errors.As(err, &e) || e.Kind != wick.Internal || !strings.Contains(e.Message, "is full: free some space") {
			t.Errorf("caller %d: %v", i, err)
		}
	}
	list, err := s.Functions(t.Context(), wick.DefaultAccount, wick.DefaultRegion, "", 100)
	if err != nil || len(list) != 1 || list[0].Name != "before" {
		t.Errorf("with no space: %d functions, %v", len(list), err)
	}
}
