//go:build !linux || !cgo

package gpu

import (
	"runtime"

	"ratchet/internal/research"
)

// Open fails: this build has no driver. See its documentation on Linux.
func Open() (Driver, error) {
	if runtime.GOOS != "linux" {
		return nil, research.Errorf(research.CodeUnsupported, "run such programs on Linux, or set `gpus: 0`",
			"GPUs can't be leased on %s", runtime.GOOS)
	}

	return nil, research.Errorf(research.CodeUnsupported,
		"build it with CGO_ENABLED=1 and a C compiler, or set `gpus: 0`",
		"this ratchet was built without cgo, so it can't ask the GPU driver")
}
