// Package endurance starts and stops many instances on the real wick, in real sandboxes,
// and counts what the server and the machine have before and after: goroutines, files,
// processes, mounts, control groups, namespaces, network and loop devices. Everything
// here is a test; testdata holds its functions.
//
// go test runs it with 60 instances, make endurance with 1,000 and prints the table:
//
//	WICK_ENDURANCE_INSTANCES=1000 go test -count=1 -v -timeout 30m ./test/endurance
package endurance
