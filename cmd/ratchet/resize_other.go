//go:build !unix

package main

import "os"

// resizeSignal: nobody tells of another size; the next picture has it.
var resizeSignal os.Signal
