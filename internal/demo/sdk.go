package main

import (
	"context"
	"fmt"

	"github.com/wick-run/wick/internal/client"
)

// sdkExamples are the examples that use the SDK of their runtime, and their languages.
var sdkExamples = map[string]string{"python-inventory": "python", "node-inventory": "node"}

// installSDK has the running server get the SDK for the newest runtime of a language that
// it has the very version of, which is what wick deploy takes. missing says what there is to
// do without: the registries may not be reached from here.
func (d *demo) installSDK(ctx context.Context, language string) (missing string, err error) {
	c, err := client.New(d.url, func(string) string { return "" })
	if err != nil {
		return "", err
	}
	all, err := c.Runtimes(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range all {
		if r.Language != language || !r.Exact || r.Deprecated {
			continue
		}
		if err := d.command(ctx, binary, "runtimes", "install", r.Runtime, "--sdk-clients", "lambda"); err != nil {
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			fmt.Println("The SDK couldn't be had; its example is left out.")
			return "AWS SDK", nil
		}
		return "", nil
	}
	return language, nil
}
