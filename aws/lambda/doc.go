// Package lambda is the Lambda API: it turns the SDK's inputs into domain values,
// asks package control or invoke, and turns what they answer into the SDK's outputs.
// It has no rules of its own; those of the wire are package protocol's, those of
// functions control's.
//
// cmd wires it: API.Service goes into the protocol server, API.Handler around it.
package lambda
