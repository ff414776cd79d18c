//go:build !linux

package hostinfo

// LoadAverage is not known here: 0.
func LoadAverage() float64 { return 0 }

func allowedCPUs() []int { return nil }

func readCPUTime([]int) (cpuTime, bool) { return cpuTime{}, false }
