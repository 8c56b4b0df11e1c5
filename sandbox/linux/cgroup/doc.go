// Package cgroup puts each sandbox into a control group of its own: what its
// processes may use together, what they have used, and freezing and killing all of
// them at once. Its caller is the driver in sandbox/linux.
//
// Both versions of the kernel's interface are served. Version 1 has one hierarchy
// per controller (memory, cpu, cpuacct, pids, freezer) and a group is a folder in
// each of them; version 2 has one hierarchy, and the controllers have to be
// delegated to it from above. [Tree] finds out which it is, where this process
// stands in it, and makes a folder "wick-ID" there; each [Group] is a folder in that.
//
// It is written directly on the files instead of on opencontainers/cgroups: a group
// is a handful of mkdirs and writes (well under a millisecond), and the path of a
// warm invocation reads and writes descriptors kept open, which that library has no
// place for.
//
// # CPU
//
// A limit is a quota of CFS time in periods of 20 ms, not the kernel's 100: a
// function of 128 MB has a fourteenth of a CPU, and in periods of 100 ms it would
// run for 7 ms and then stand for 93, which a caller sees as latency. In 20 ms it
// runs for 1.4 and waits for at most 18.6. The kernel takes no quota below 1 ms, so
// the period grows when the share is smaller than 50 thousandths.
//
// # Memory
//
// A limit covers memory and swap together. Version 2 ends the whole group when it is
// exceeded (memory.oom.group), version 1 only the process the kernel picks; a caller
// that wants the rest gone too watches [Group.OOMKills]. The peak counts the file
// cache as well, as the kernel's counter does.
package cgroup
