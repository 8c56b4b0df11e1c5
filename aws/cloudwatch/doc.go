// Package cloudwatch is the CloudWatch API for metrics: it turns the SDK's inputs into
// what package metrics takes and is asked, and what that answers into the SDK's outputs.
// Of rules it has AWS's own on what a request may say. Alarms, dashboards and the rest of
// CloudWatch are refused by package protocol, by name.
//
// cmd wires it: API.Service goes into the protocol server.
package cloudwatch
