// Package code keeps deployment packages and layers: each is stored once under the
// SHA-256 of its zip, checked before it is accepted, and unpacked once into a folder
// that instances mount read-only at /var/task or /opt. Several layers are laid over one
// another once, too, into a folder of hard links.
//
// Package control puts packages in and collects what no function refers to; the
// fleet asks for their folders; the Lambda API serves the zips for download. The
// package knows nothing of functions.
//
// On disk, under the store's directory:
//
//	zips/AB/SHA256.zip    the package as it was uploaded
//	trees/SHA256/         the same, unpacked, or layers merged (wick.MergedLayers);
//	                      there only when complete
//	trees/SHA256.boot     the boot of the machine in which it was unpacked
//	tmp/                  what is being written; emptied when the store opens
package code
