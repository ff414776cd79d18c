//go:build !linux

package hostinfo

import "runtime"

// ReadEnvironment knows the operating system and the number of CPUs only; all
// else is empty. See its documentation on Linux.
func ReadEnvironment() Environment {
	return Environment{OS: runtime.GOOS, CPUs: runtime.NumCPU()}
}
