//go:build linux && !amd64 && !arm64

package stage

// Elsewhere there is no filter, and the report says so.
const (
	nativeArch, compatArch     = 0, 0
	nativeNumber, compatNumber = 0, 0
	firstX32                   = 0

	sysSeccomp, sysProcessVMReadv = 0, 0
)
