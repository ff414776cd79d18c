//go:build !unix

package terminal

import "os"

// resizeSignal: nobody tells of another size; the next picture has it.
var resizeSignal os.Signal
