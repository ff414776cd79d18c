package sandbox

import (
	"context"

	"ratchet/sandbox/layers"
)

func removeTree(ctx context.Context, path string) error { return layers.Remove(ctx, path) }
