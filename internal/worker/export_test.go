package worker

import (
	"time"

	"ratchet/sandbox"
)

// ReadInLayer reads a file that a run wrote.
func ReadInLayer(layer, path string) ([]byte, error) { return readInLayer(layer, path) }

// Slot is a worker's measuring slot.
type Slot struct{ slot measuringSlot }

// Hold takes the slot.
func (s *Slot) Hold(longest time.Duration, acquire func() (*sandbox.Lock, error)) error {
	return s.slot.hold(longest, acquire)
}

// Pause holds the slot for a moment.
func (s *Slot) Pause() { s.slot.pause() }

// Release gives the slot back.
func (s *Slot) Release() { s.slot.release() }
