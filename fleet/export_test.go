package fleet

import "time"

// CountOnSoonFor sets how long events wait for an instance that has answered.
func (f *Fleet) CountOnSoonFor(d time.Duration) { f.soonLimit = d }
