// Package fdtable makes a process's table of open files as large as it will be.
//
// Linux begins with room for 64 and doubles it when needed. In a process with several
// threads each time takes as long as the kernel needs to be sure that nobody still reads
// the old table, 15 ms on an idle machine and ten times that on a busy one, and all that
// want to open a file or accept a connection meanwhile wait too: it happens to a server
// five times in a row just when a burst of connections arrives. The table never shrinks, so
// it is enough to have had one file with a high number.
//
// wick serve and the benchmarks' clients call it when they start.
package fdtable
