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
	// Seq orders the records of one stream that share a timestamp, from 0 up.
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
	Group      LogGroupID
	Streams    []string  // empty: all
	From, To   time.Time // [From, To); zero: open
	RequestID  string
	AfterChunk int64 // only chunks stored later than this chunk ID
	Newest     bool  // newest chunks first
	Limit      int   // chunks at most; 0: 1,000
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
