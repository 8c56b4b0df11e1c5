package control

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/code"
)

// Function returns the version a caller named. NotFound in AWS's words.
func (c *Control) Function(ctx context.Context, r Ref) (*wick.Function, error) {
	f, err := c.version(ctx, r.ID, r.Qualifier)
	if err != nil {
		return nil, err
	}
	c.continueSettling(f)
	return f, nil
}

// maxPage is the most functions one page of a list has. Source: ListFunctions, MaxItems.
const maxPage = 50

// Functions returns a page of an account's functions in a region, by name, and the
// marker of the next page ("" after the last). limit 0 means the most there can be.
// InvalidParameter for a marker that Functions didn't give.
func (c *Control) Functions(ctx context.Context, account, region, marker string, limit int) ([]*wick.Function, string, error) {
	limit = pageOf(limit)
	after, err := base64.RawURLEncoding.DecodeString(marker)
	if err != nil || len(after) > 0 && !isName(string(after)) {
		return nil, "", wick.Errorf(wick.InvalidParameter, "Invalid Marker: %s", marker)
	}
	// One more than asked for tells whether there is another page.
	fs, err := c.o.Store.Functions(ctx, account, region, string(after), limit+1)
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(fs) > limit {
		fs = fs[:limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(fs[limit-1].Name))
	}
	for _, f := range fs {
		c.continueSettling(f)
	}
	return fs, next, nil
}

// Delete removes a function with all its versions. Running invocations end as they
// would have. AWS's words for a qualifier that can't be deleted, and NotFound.
func (c *Control) Delete(ctx context.Context, r Ref) error {
	switch {
	case r.Qualifier == wick.Latest:
		return wick.Errorf(wick.InvalidParameter, "$LATEST version cannot be deleted without deleting the function.")
	case r.Qualifier != "" && isAlias(r.Qualifier):
		return wick.Errorf(wick.InvalidParameter, "Deletion of aliases is not currently supported.")
	case r.Qualifier != "":
		// No version but $LATEST exists before publishing does.
		if _, err := c.version(ctx, r.ID, ""); err != nil {
			return err
		}
		return notFound(r.ID, r.Qualifier)
	}
	end, err := c.turns.take(ctx, r.ID)
	if err != nil {
		return err
	}
	defer end()
	if err := c.o.Store.DeleteFunction(ctx, r.ID); err != nil {
		if wick.KindOf(err) == wick.NotFound {
			return notFound(r.ID, "")
		}
		return err
	}
	c.committed(r.ID, wick.Latest, nil)
	return nil
}

// isAlias says whether a qualifier has the form of an alias's name.
func isAlias(q string) bool { return isQualifier(q) && !isVersion(q) && q[0] != '$' }

// Account is what GetAccountSettings reports: limits, and what is used of them.
type Account struct {
	TotalCodeSize, CodeSizeUnzipped, CodeSizeZipped int64
	ConcurrentExecutions                            int
	UsedCodeSize                                    int64
	FunctionCount                                   int64
}

// Account returns an account's limits and use in a region.
func (c *Control) Account(ctx context.Context, account, region string) (Account, error) {
	n, used, err := c.o.Store.AccountUsage(ctx, account, region)
	if err != nil {
		return Account{}, err
	}
	return Account{
		TotalCodeSize:        maxCodeStorage,
		CodeSizeUnzipped:     code.MaxUnzippedBytes,
		CodeSizeZipped:       code.MaxZippedBytes,
		ConcurrentExecutions: c.o.AccountConcurrency,
		UsedCodeSize:         used,
		FunctionCount:        int64(n),
	}, nil
}

// Tags returns a function's tags. NotFound in AWS's words.
func (c *Control) Tags(ctx context.Context, r Ref) (map[string]string, error) {
	if err := checkTaggable(r); err != nil {
		return nil, err
	}
	f, err := c.version(ctx, r.ID, "")
	if err != nil {
		return nil, err
	}
	return f.Tags, nil
}

// Tag adds tags to a function, over those of the same key.
func (c *Control) Tag(ctx context.Context, r Ref, tags map[string]string) error {
	return c.retag(ctx, r, func(have map[string]string) error {
		maps.Copy(have, tags)
		if len(have) > maxTags {
			return tooManyTags()
		}
		return nil
	})
}

// Untag removes tags from a function; keys it hasn't are no error.
func (c *Control) Untag(ctx context.Context, r Ref, keys []string) error {
	return c.retag(ctx, r, func(have map[string]string) error {
		maps.DeleteFunc(have, func(k, _ string) bool { return slices.Contains(keys, k) })
		return nil
	})
}

// retag changes a function's tags. They are no part of its configuration: revision
// and time of modification stay.
func (c *Control) retag(ctx context.Context, r Ref, edit func(map[string]string) error) error {
	if err := checkTaggable(r); err != nil {
		return err
	}
	end, err := c.turns.take(ctx, r.ID)
	if err != nil {
		return err
	}
	defer end()
	f, err := c.o.Store.UpdateFunction(ctx, r.ID, wick.Latest, func(f *wick.Function) error {
		tags := maps.Clone(f.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		if err := edit(tags); err != nil {
			return err
		}
		f.Tags = tags
		return nil
	})
	if err != nil {
		if wick.KindOf(err) == wick.NotFound {
			return notFound(r.ID, "")
		}
		return err
	}
	c.committed(f.FunctionID, f.Version, f)
	return nil
}

func checkTaggable(r Ref) error {
	if r.Qualifier != "" {
		return wick.Errorf(wick.InvalidParameter,
			"Tags on function aliases and versions are not supported. Please specify a function ARN.")
	}
	return nil
}

func tooManyTags() error {
	return wick.Errorf(wick.InvalidParameter, "Number of tags exceeds resource tag limit.")
}
