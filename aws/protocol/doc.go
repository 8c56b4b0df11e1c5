// Package protocol is the server half of AWS's protocols, driven by the API models
// in package models, with the AWS SDK's own structs as the server's types: a
// handler has the signature of the SDK client's method. It routes requests, knows
// the caller (with package sigv4), reads and checks inputs in AWS's words, writes
// outputs and errors, and passes on what Wick doesn't serve. It knows no service's
// rules: those are the adapters' beside it (aws/lambda, …), which register their
// handlers here.
//
// A request walks through it once: Server.ServeHTTP, Service.serve, then the
// registered handler.
package protocol
