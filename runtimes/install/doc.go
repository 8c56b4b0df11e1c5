// Package install brings what functions need and the machine lacks into the data
// directory: interpreters, and the SDKs that AWS's images carry in /var/runtime. It is
// what wick runtimes install runs; package runtimes finds what it left there.
//
// Packages come from the registries their languages have, through the registries' own
// clients on this machine (pip, npm, gem, uv, apt-get), which know the user's indexes,
// proxies and credentials and check each package against its registry's checksum. No host
// is named here.
//
// What is installed is a folder that appears whole, with one rename, or not at all. A
// lock, held for as long as a client runs, has two installs of the same thing follow each
// other; what one that was killed left is removed by the next.
package install
