package wick

import (
	"context"
	"time"
)

// LogEvent is one kept log record. Source: CloudWatch Logs, OutputLogEvent.
type LogEvent struct {
	Timestamp time.Time // millisecond precision
	Ingested  time.Time
	Stream    string
	// Seq numbers the records of one stream in the order they came, rising.
	Seq       int64
	RequestID string // "" outside an invocation
	Message   string // with its line end where the platform wrote one
}

// LogGroupID names a log group.
type LogGroupID struct{ Account, Region, Name string }

// LogChunk is a sealed, compressed run of one stream's records: the unit the store
// keeps, so that text costs a fraction of its size and a group of millions of lines
// stays fast to search by time.
type LogChunk struct {
	Group       LogGroupID
	Stream      string
	First, Last time.Time // timestamps of its oldest and newest record
	FirstSeq    int64
	Records     int
	RawBytes    int64
	// RequestIDs are the invocations whose records are inside, each once.
	RequestIDs []string
	Data       []byte // encoding: package logs
}

// LogQuery selects records of a group.
type LogQuery struct {
	Group     LogGroupID
	Streams   []string  // empty: all
	From, To  time.Time // [From, To); zero: open
	RequestID string
	Newest    bool // newest chunks first
	Limit     int  // chunks at most; 0: 1,000

	// Stored has the chunks come in the order they were stored in, those with an ID above
	// this one; nil by time.
	Stored *int64
	// IDs takes only these chunks; empty takes all.
	IDs []int64
	// NoData leaves the chunks' Data out, which is most of what reading one costs.
	NoData bool
}

// StoredLogChunk is a chunk with the ID the store gave it, rising in order of storing.
type StoredLogChunk struct {
	ID int64
	LogChunk
}

// LogStore keeps log text durably.
type LogStore interface {
	// AppendChunks stores chunks in one transaction, making groups and streams that
	// don't exist.
	AppendChunks(ctx context.Context, chunks []LogChunk) error
	// Chunks returns the chunks that may hold records a query asks for, ordered by
	// their oldest record and then by ID; with Newest by their newest record, latest
	// first. RequestIDs need not be filled: they are in Data.
	Chunks(ctx context.Context, q LogQuery) ([]StoredLogChunk, error)
}

// LogGroup is a log group and its settings. Source: CloudWatch Logs, LogGroup.
type LogGroup struct {
	LogGroupID
	Created time.Time
	// RetentionDays is after how long text is deleted; 0 keeps it for good.
	RetentionDays     int
	Class             string // STANDARD, INFREQUENT_ACCESS or DELIVERY
	KMSKeyID          string
	DeletionProtected bool
	Tags              map[string]string
	StoredBytes       int64 // of text, compressed
	MetricFilters     int
}

// LogStream is a stream of a group. First, Last and Ingested are zero while it has no
// records. Source: CloudWatch Logs, LogStream.
type LogStream struct {
	Name    string
	Created time.Time
	// First and Last are the timestamps of its oldest and newest record.
	First, Last time.Time
	Ingested    time.Time // when a record came last
}

// LogGroupQuery selects groups, by name in the order of their bytes.
type LogGroupQuery struct {
	Account, Region string
	Prefix          string // of the name
	Contains        string // a part of the name
	After           string // only names behind this one
	Limit           int    // at most; 0: 50
}

// LogStreamQuery selects streams of a group, by name, or with ByLast by the time of
// their newest record and then by name.
type LogStreamQuery struct {
	Group      LogGroupID
	Prefix     string // of the name
	ByLast     bool
	Descending bool
	// After continues behind this stream; of its members Name counts, and Last with
	// ByLast.
	After *LogStream
	Limit int // at most; 0: 50
}

// LogFilterKind is what a LogFilter does with the records that match.
type LogFilterKind string

// The kinds of filters.
const (
	MetricFilter       LogFilterKind = "metric"
	SubscriptionFilter LogFilterKind = "subscription"
)

// LogFilter is a metric filter or a subscription filter of a group.
type LogFilter struct {
	Group   LogGroupID
	Kind    LogFilterKind
	Name    string
	Pattern string
	Created time.Time

	// Of a metric filter. Source: CloudWatch Logs, MetricTransformation.
	MetricName, MetricNamespace, MetricValue, Unit string
	DefaultValue                                   *float64
	Dimensions                                     map[string]string

	// Of a subscription filter.
	DestinationARN, RoleARN, Distribution string // Distribution is ByLogStream or Random

	// SystemFields are which of @aws.account and @aws.region go along with what matches: as
	// a metric's dimensions, or in a subscription's records.
	SystemFields []string
	// Selection is an expression over those fields that decides whether the filter applies
	// to a record at all; "" is to all.
	Selection string

	// Position is how far the filter has come: it is done with all chunks up to this ID. The
	// store sets it, to where the group is when the filter is put.
	Position int64 `json:"-"`
}

// LogFilterQuery selects filters by group and name. A group without a name is all of its
// account and region; without an account, too, all there are.
type LogFilterQuery struct {
	Group  LogGroupID
	Kind   LogFilterKind
	Prefix string // of the filter's name
}

// LogGroupStore keeps log groups, their streams and filters. What names a group or
// stream that doesn't exist is NotFound, what makes one that does is Conflict, both in
// AWS's words.
type LogGroupStore interface {
	CreateLogGroup(ctx context.Context, g LogGroup) error
	LogGroup(ctx context.Context, id LogGroupID) (*LogGroup, error)
	LogGroups(ctx context.Context, q LogGroupQuery) ([]LogGroup, error)
	// UpdateLogGroup stores what change makes of a group's settings.
	UpdateLogGroup(ctx context.Context, id LogGroupID, change func(*LogGroup) error) error
	// DeleteLogGroup makes a group and all in it disappear at once; the text itself
	// goes with SweepLogs.
	DeleteLogGroup(ctx context.Context, id LogGroupID) error

	CreateLogStream(ctx context.Context, group LogGroupID, name string, at time.Time) error
	LogStream(ctx context.Context, group LogGroupID, name string) (*LogStream, error)
	LogStreams(ctx context.Context, q LogStreamQuery) ([]LogStream, error)
	// DeleteLogStream makes a stream disappear at once, likewise.
	DeleteLogStream(ctx context.Context, group LogGroupID, name string) error

	// PutLogFilter makes a filter or replaces the one of its name and kind, which keeps the
	// time it was made and its position; limit is how many of the kind a group may have,
	// beyond which it is TooManyRequests.
	PutLogFilter(ctx context.Context, f LogFilter, limit int) error
	// LogFilters returns filters by group and name.
	LogFilters(ctx context.Context, q LogFilterQuery) ([]LogFilter, error)
	DeleteLogFilter(ctx context.Context, group LogGroupID, kind LogFilterKind, name string) error
	// AdvanceLogFilter keeps a filter's position, unless it is further already. A filter
	// that isn't there is no error: it has been deleted.
	AdvanceLogFilter(ctx context.Context, group LogGroupID, kind LogFilterKind, name string, position int64) error

	// SweepLogs deletes up to limit chunks each that belong to deleted groups, to deleted
	// streams, or whose records are all older than their group keeps them, and says how
	// many it found.
	SweepLogs(ctx context.Context, now time.Time, limit int) (int, error)
}
