// Package disk makes the private /tmp of sandboxes: file systems of a given size that
// are made ahead, taken by a sandbox and thrown away after it. Its caller is the driver
// in sandbox/linux.
//
// A disk is an ext4 file system in a sparse file on a loop device. On a tmpfs instead,
// what a function keeps in /tmp would count as its memory, and 512 MB of it would kill
// a function that has 512 MB; where loop devices or mkfs.ext4 are missing that is what
// is done, and [Pool.Gaps] says so.
//
// What mkfs.ext4 writes for a size, some 50 kB, is kept in memory: a new disk is a new
// file with these bytes in it, so no disk ever holds anything of another. The file is
// deleted as soon as the loop device has it, and the loop device lets go of it when the
// last mount of the file system is gone (LO_FLAGS_AUTOCLEAR). The file system has no
// journal and passes no flushes on: none of it is to outlive its sandbox.
//
// A disk is charged to nobody until a function writes. It is sparse, so a thousand
// disks of 512 MB take what is written to them, and can fill the file system they are
// in.
package disk
