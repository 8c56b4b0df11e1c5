// Package logs is CloudWatch Logs' API: the SDK's structs in, package logs and the
// store of groups, the SDK's structs out. It knows AWS's rules of what a request may
// ask; text, order and durability are package logs'. cmd/wick registers its Service.
package logs
