package logs

import (
	"fmt"
	"hash/fnv"

	"github.com/wick-run/wick"
)

// EventID identifies a record in AWS's form: 56 digits that sort by time.
func EventID(e *wick.LogEvent) string { return Digits(e.Timestamp.UnixMilli(), e.Seq, e.Stream) }

// Digits is EventID of a record's position.
func Digits(millis, seq int64, stream string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(stream)) // a hash takes everything
	return fmt.Sprintf("%016d%020d%020d", millis, seq, h.Sum64())
}
