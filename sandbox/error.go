package sandbox

import (
	"errors"
	"io/fs"

	"ratchet/internal/research"
)

// roomError gives a code to a failure to prepare a run's folders or to collect
// from them: CodeNotFound when a path is missing, else CodeStorage. An error
// that has a code keeps it.
func roomError(what string, err error) error {
	var coded *research.Error

	switch {
	case errors.As(err, &coded):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return research.Errorf(research.CodeNotFound, "check that the path exists", "can't %s: %w", what, err)
	}

	return research.Errorf(research.CodeStorage, "free some space, or check who may write there, and try again",
		"can't %s: %w", what, err)
}
