package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"
)

// LogQuery selects log records of a function. Zero members don't select.
type LogQuery struct {
	Function     string
	Since, Until time.Time
	RequestID    string
	Filter       string // a filter pattern of CloudWatch Logs
	Limit        int    // records at most, the newest
	Follow       bool   // stay, and send what comes
}

// LogRecord is one log record as the server sends it.
type LogRecord struct {
	Timestamp int64  `json:"timestamp"` // milliseconds since 1970
	Stream    string `json:"stream"`
	RequestID string `json:"requestId,omitempty"`
	Message   string `json:"message"` // with its line end where the platform wrote one
}

// Logs calls each with the records that q selects, oldest first, until there are no
// more, each fails, or ctx ends. A follower whose ctx ends gets nil: that is how
// following ends.
func (c *Client) Logs(ctx context.Context, q LogQuery, each func(LogRecord) error) error {
	v := url.Values{"function": {q.Function}}
	if !q.Since.IsZero() {
		v.Set("since", strconv.FormatInt(q.Since.UnixMilli(), 10))
	}
	if !q.Until.IsZero() {
		v.Set("until", strconv.FormatInt(q.Until.UnixMilli(), 10))
	}
	if q.RequestID != "" {
		v.Set("request", q.RequestID)
	}
	if q.Filter != "" {
		v.Set("filter", q.Filter)
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Follow {
		v.Set("follow", "true")
	}
	body, err := c.get(ctx, "/_wick/logs", v)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 1 {
			var r LogRecord
			if err := json.Unmarshal(line, &r); err != nil {
				return fmt.Errorf("%s sent a log record that isn't JSON: %w", c.Endpoint, err)
			}
			if err := each(r); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), q.Follow && ctx.Err() != nil:
			return nil
		case err != nil:
			return c.Explain(err)
		}
	}
}
