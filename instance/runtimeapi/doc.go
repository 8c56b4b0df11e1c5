// Package runtimeapi is Lambda's Runtime API: the HTTP conversation between an
// instance and the runtime inside it. It parses and answers; what a call means for
// the instance's life is decided by the Runtime it is given (package instance).
//
// It has its own HTTP/1.1 server because this conversation is the warm path: a
// parked poll is answered by the goroutine that brings the event, and a response
// and the poll behind it arrive in one read.
//
// Source: Lambda runtime API, 2018-06-01.
package runtimeapi
