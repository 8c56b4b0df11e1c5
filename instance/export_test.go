package instance

import "time"

// AwaitLastWordsFor sets how long a runtime that has reported a failed init may take to end.
func (h *Host) AwaitLastWordsFor(d time.Duration) { h.lastWords = d }
