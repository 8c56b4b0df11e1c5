package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/otlp"
)

// openOTLP begins to send what is recorded to the receiver that --otlp names, if any.
func (s *server) openOTLP() (err error) {
	if s.c.OTLP == "" {
		return nil
	}
	s.otlp, err = otlp.Open(otlp.Options{
		Endpoint: s.c.OTLP, Protocol: s.c.OTLPProtocol, Headers: s.c.OTLPHeaders, Version: buildVersion(), Log: s.log, Totals: s.metrics.Totals,
	})
	if err != nil {
		return err
	}
	s.opened(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.metrics.Sync(ctx) // the last values are told to the exporter; storing them is tried again
		return s.otlp.Close()
	})
	if s.c.Record.has("metrics") {
		s.metrics.Subscribe(s.otlp.Points)
	}
	return nil
}

// forward returns where segments go beside the store; nil for nowhere.
func (s *server) forward() func(*wick.Source, *wick.TraceSegment) {
	if s.otlp == nil {
		return nil
	}
	return s.otlp.Segment
}

// headers are names and values of HTTP headers, as a flag.
type headers map[string]string

// Set implements pflag.Value; a variable may hold several, separated by commas.
func (h *headers) Set(s string) error {
	for one := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(one, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return fmt.Errorf("%q is not NAME=VALUE", one)
		}
		(*h)[name] = strings.TrimSpace(value)
	}
	return nil
}

// String implements pflag.Value. The values are secrets.
func (h *headers) String() string { return strings.Join(slices.Sorted(maps.Keys(*h)), ",") }

// Type implements pflag.Value.
func (h *headers) Type() string { return "NAME=VALUE" }
