// Package runtimes knows the languages functions are written in: which interpreters
// this machine has, which of them runs a function of a given Lambda runtime, and what
// to start, with which environment, so that a process becomes that function's runtime.
// The bootstraps that run in an instance are embedded here (node, python, ruby,
// java, dotnet); each language has a file that describes it to the rest.
//
// It starts nothing in an instance and speaks no Runtime API: package instance, its
// caller, does both. Interpreters are mounted at /var/lang and bootstraps at
// /var/runtime, where AWS has them.
//
// A process is started in one of two ways. A stem (Set.Stem) is of a language only: it
// is booted ahead and becomes a function when its question GET /wick/assign, on the
// inherited connection, is answered with the function's environment. Functions whose
// settings a program reads only as it starts (NeedsOrdinary) are started with their
// environment from the beginning (Set.Ordinary), as are executables of .NET and provided
// runtimes. What else a stem has in common with the functions it can become is
// Set.StemKey's: of Java the heap's limit, which a virtual machine has from its start.
//
// AWS's SDKs, which its images of these runtimes carry, are put beside the bootstraps where
// they have been installed: package runtimes/install does that, this one finds them.
package runtimes
