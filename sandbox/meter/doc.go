// Package meter looks every 20 ms at what a run uses and says which limit it
// exceeded first: memory, processes or CPU of its control group, or disk.
//
// Limits: Linux only. Disk is walked from time to time, so that walking takes
// at most a tenth of the time; files that are open and deleted are looked for
// more seldom still. Holes in files take up nothing.
package meter
