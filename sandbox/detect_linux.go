package sandbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ratchet/internal/research"
)

// detect makes one run with every kind of mount that runs need.
func detect(ctx context.Context, dir string) (Tier, string, error) {
	switch forced := Tier(os.Getenv(TierVariable)); forced {
	case Copies, Namespaces:
		return forced, TierVariable + " says so", nil
	case "":
	default:
		return "", "", research.Errorf(research.CodeBadArgument, "unset it, or set it to "+string(Copies),
			"%s is %q, which is not a tier", TierVariable, forced)
	}

	probe, err := os.MkdirTemp(dir, "probe-")
	if err != nil {
		return "", "", roomError("make a folder for a trial run", err)
	}
	defer removeAll(context.WithoutCancel(ctx), probe)

	at := func(name string) string { return filepath.Join(probe, name) }
	for _, name := range []string{"root", "lower", "carry"} {
		if err := os.Mkdir(at(name), 0o755); err != nil {
			return "", "", roomError("make a folder for a trial run", err)
		}
	}

	result, err := Run(ctx, Spec{
		Command: "echo y > written && ! { echo y > carry/written; } 2>/dev/null",
		Dir:     at("root"),
		Tier:    Namespaces,
		// its own root is what some machines lack that have the rest
		Confined: true,
		Views:    []View{{Root: at("root"), Lower: []string{at("lower")}, Upper: at("upper"), Work: at("work")}},
		Binds:    []Bind{{From: at("carry"), To: at("root/carry")}},
		Wall:     time.Minute, // a busy machine is no reason to confine less
		Scratch:  at("scratch"),
		Keep:     1 << 10,
	})
	if ctx.Err() != nil {
		return "", "", fmt.Errorf("make a trial run: %w", ctx.Err())
	}

	switch _, missing := os.Stat(at("upper/written")); {
	case err != nil:
		return Copies, research.Describe(err).Msg, nil
	case result.Exit != 0 || missing != nil:
		return Copies, fmt.Sprintf("a trial run under an overlay did not do what it should (exit status %d)",
				result.Exit),
			nil
	}

	return Namespaces, "", nil
}
