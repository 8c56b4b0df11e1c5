// Package xray is the X-Ray API: it turns the SDK's inputs into questions for package
// traces, and what that answers into the SDK's outputs. It has no rules of its own.
//
// cmd wires it: API.Service goes into the protocol server.
package xray
