// Package control is the life of functions and layers: creating, reading, changing,
// listing and deleting them, the rules AWS has for each, and the states a function
// passes through until it can be invoked.
//
// The Lambda API (aws/lambda) hands it domain values and turns its answers into
// AWS's form; package invoke resolves functions through it on every invocation; the
// fleet is told of every change so that instances of an old configuration retire.
// It keeps its state in package wick's stores and packages in package code; it runs
// no functions.
package control
