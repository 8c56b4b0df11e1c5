// Package invoke is the path of one invocation: resolve the version, admit it under
// the limits, have the fleet place it, deliver the event, and hand the answer back.
// It knows no HTTP and no SQL; aws/lambda (and every other edge) calls it.
package invoke
