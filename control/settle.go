package control

import (
	"context"
	"errors"
	"time"

	"github.com/wick-run/wick"
)

// A function settles: Pending becomes Active, InProgress becomes Successful, once
// its package is there and unpacked; or Failed, if that can't be. The functions
// below see to it, for what this process changed and for what an earlier one left.

// continueSettling has a function settle in the background unless it has or is.
func (c *Control) continueSettling(f *wick.Function) {
	if !unsettled(f) {
		return
	}
	c.settleMu.Lock()
	defer c.settleMu.Unlock()
	if c.closed || c.settling[f.FunctionID] {
		return
	}
	c.settling[f.FunctionID] = true
	c.work.Add(1)
	go func() {
		defer c.work.Done()
		c.settle(f)
	}()
}

func unsettled(f *wick.Function) bool {
	return f.State == wick.StatePending || f.UpdateStatus == wick.UpdateInProgress
}

// errOvertaken: the function changed, or went, while it was being prepared.
var errOvertaken = errors.New("function changed meanwhile")

// settle prepares a function's package and commits the outcome.
func (c *Control) settle(f *wick.Function) {
	prepared := c.prepare(c.ctx, f)
	if c.ctx.Err() != nil {
		prepared = c.ctx.Err()
	} else if err := c.commitSettled(f, prepared); err != nil && c.ctx.Err() == nil &&
		!errors.Is(err, errOvertaken) && wick.KindOf(err) != wick.NotFound {
		// It is tried again when somebody next looks at the function.
		c.o.Log.Error("function can't be made ready", "function", f.ARN(), "error", err)
	}
	if prepared != nil && c.ctx.Err() == nil {
		c.o.Log.Error("package can't be prepared", "function", f.ARN(), "sha256", f.Code.SHA256, "error", prepared)
	}
	c.settleMu.Lock()
	delete(c.settling, f.FunctionID)
	c.settleMu.Unlock()
	// A function made anew under the same name in between asked in vain.
	if now := c.cache.get(f.FunctionID, f.Version); now != nil && now.RevisionID != f.RevisionID {
		c.continueSettling(now)
	}
}

// commitSettled writes a function's new state, if it is still the one that was prepared.
func (c *Control) commitSettled(f *wick.Function, prepared error) error {
	end, err := c.turns.take(c.ctx, f.FunctionID)
	if err != nil {
		return err
	}
	defer end()
	settled, err := c.o.Store.UpdateFunction(c.ctx, f.FunctionID, f.Version, func(g *wick.Function) error {
		if g.RevisionID != f.RevisionID {
			return errOvertaken
		}
		markSettled(g, prepared)
		g.RevisionID = newRevision()
		return nil
	})
	if err != nil {
		return err
	}
	c.committed(f.FunctionID, f.Version, settled)
	return nil
}

// markSettled sets the states a function has after its package was prepared, or failed to be.
func markSettled(f *wick.Function, prepared error) {
	reason, code := "", ""
	if prepared != nil {
		reason, code = "The function's package could not be prepared.", "InternalError"
		if wick.KindOf(prepared) == wick.InvalidParameter {
			reason, code = "The function's package could not be unpacked.", "InvalidZipFileException"
		}
	}
	switch {
	case prepared == nil:
		f.State, f.StateReason, f.StateReasonCode = wick.StateActive, "", ""
		f.UpdateStatus, f.UpdateReason, f.UpdateReasonCode = wick.UpdateSuccessful, "", ""
		return
	case f.State == wick.StatePending:
		f.State, f.StateReason, f.StateReasonCode = wick.StateFailed, reason, code
	}
	f.UpdateStatus, f.UpdateReason, f.UpdateReasonCode = wick.UpdateFailed, reason, code
}

// resume continues what an earlier process left unsettled in the default account and
// region. Elsewhere, where the store isn't asked for a list of, a function is
// continued as soon as anybody looks at it.
func (c *Control) resume() {
	after := ""
	for {
		fs, err := c.o.Store.Functions(c.ctx, wick.DefaultAccount, wick.DefaultRegion, after, 1000)
		if err != nil {
			if c.ctx.Err() == nil {
				c.o.Log.Error("unfinished functions can't be continued", "error", err)
			}
			return
		}
		for _, f := range fs {
			c.continueSettling(f)
			after = f.Name
		}
		if len(fs) < 1000 {
			return
		}
	}
}

// collectNowAndThen removes packages without a function, at once and every so often.
func (c *Control) collectNowAndThen() {
	tick := time.NewTicker(c.o.CollectEvery)
	defer tick.Stop()
	for {
		if freed, err := c.collect(c.ctx); err != nil && c.ctx.Err() == nil {
			c.o.Log.Error("unused packages can't be removed", "error", err)
		} else if freed > 0 {
			c.o.Log.Info("unused packages removed", "bytes", freed)
		}
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *Control) collect(ctx context.Context) (int64, error) {
	inUse, err := c.o.Store.PackagesInUse(ctx)
	if err != nil {
		return 0, err
	}
	return c.o.Code.Collect(ctx, inUse)
}
