package sandbox

import "context"

// RemoveTree removes a file or a folder with all that is in it, also where a run took
// itself the right to write or look into it or, on Linux, nested it deeper than paths can
// name. On Linux it ends with ctx's error when ctx ends. What is not there is no error.
func RemoveTree(ctx context.Context, path string) error { return removeTree(ctx, path) }
