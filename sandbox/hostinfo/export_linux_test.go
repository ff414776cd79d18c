package hostinfo

import (
	"io"
	"time"
)

// ReadEnvironmentFiles is the part of ReadEnvironment that reads files, with
// those below root.
func ReadEnvironmentFiles(root string, cpus []int) Environment { return readFiles(root, cpus) }

// SumCPUTime reads a text in the form of /proc/stat.
func SumCPUTime(stat io.Reader, cpus []int) (busy, all time.Duration, ok bool) {
	sum, ok := sumCPUTime(stat, cpus)
	return sum.busy, sum.all, ok
}
