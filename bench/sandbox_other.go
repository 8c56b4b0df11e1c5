//go:build !linux

package main

import (
	"context"
	"errors"
)

func sandboxes(context.Context, *bench) error { return sandboxRole(nil) }

func sandboxRole([]string) error { return errors.New("this system has no sandbox") }
