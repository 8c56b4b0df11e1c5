// Package sqlstore keeps what must survive a restart, from functions to log text, in an
// SQLite database: the implementation of package wick's stores.
//
// All writes go through one goroutine (writer.go) that commits what is waiting in
// one transaction; reads have connections of their own and never wait for a write.
// What a method stores is on stable storage when it returns. cmd/wick opens the
// store and hands it to control, invoke and logs; no SQL lives anywhere else.
package sqlstore
