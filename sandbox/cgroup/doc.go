// Package cgroup puts one run into control groups of its own, version 2 or 1,
// to limit its memory and its processes by the kernel and to read what its
// whole tree uses.
//
// Where groups can be made is found by trying, once in a process. A group's
// name begins with "ratchet-" and its maker's pid; empty groups of dead makers
// are removed then.
//
// Limits: Linux only. CPU time is read here and limited by nobody: the caller
// looks at it.
package cgroup
