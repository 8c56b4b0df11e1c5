package protocol

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/wick-run/wick/aws/models"
)

// Timestamp formats. Source: Smithy, timestampFormat trait.
const (
	formatEpoch    = "unixTimestamp" // seconds with a fraction: JSON's default
	formatDateTime = "iso8601"       // RFC 3339: the default of query and labels
	formatHTTPDate = "rfc822"        // the default of headers
)

// timestampFormat is the format of a member's timestamp.
func timestampFormat(m *models.Member) string {
	switch {
	case m.TimestampFormat != "":
		return m.TimestampFormat
	case m.Shape.TimestampFormat != "":
		return m.Shape.TimestampFormat
	}
	switch m.Location {
	case models.Query, models.Label:
		return formatDateTime
	case models.Header, models.PrefixHeads:
		return formatHTTPDate
	}
	return formatEpoch
}

// parseTimestamp reads a timestamp in whichever format it is in.
func parseTimestamp(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) <= 1e12 {
		return epoch(f), nil
	}
	t, err := http.ParseTime(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no timestamp", s)
	}
	return t.UTC(), nil
}

// epoch makes a time of seconds since 1970, kept to the millisecond AWS keeps.
func epoch(seconds float64) time.Time {
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
}

// appendTimestamp renders a time; quoted only where JSON needs it to be.
func appendTimestamp(b []byte, t time.Time, format string, inJSON bool) []byte {
	switch format {
	case formatEpoch:
		ms := t.UnixMilli()
		if ms%1000 == 0 {
			return strconv.AppendInt(b, ms/1000, 10)
		}
		return strconv.AppendFloat(b, float64(ms)/1000, 'f', 3, 64)
	case formatHTTPDate:
		return appendMaybeQuoted(b, t.UTC().Format(http.TimeFormat), inJSON)
	}
	return appendMaybeQuoted(b, t.UTC().Format("2006-01-02T15:04:05.999Z"), inJSON)
}

func appendMaybeQuoted(b []byte, s string, quote bool) []byte {
	if quote {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}
