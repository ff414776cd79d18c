package sandbox

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ratchet/internal/research"
)

// promised are the answers of promises, by tier.
var promised struct {
	sync.Mutex
	byTier map[Tier]promise
}

type promise struct{ gives, lacks []string }

func promises(tier Tier) (gives, lacks []string) {
	promised.Lock()
	defer promised.Unlock()

	p, ok := promised.byTier[tier]
	if !ok {
		p.gives, p.lacks = tryEverything(tier)

		if promised.byTier == nil {
			promised.byTier = map[Tier]promise{}
		}

		promised.byTier[tier] = p
	}

	return p.gives, p.lacks
}

// tryEverything makes a run with everything asked for and reads its report.
func tryEverything(tier Tier) (gives, lacks []string) {
	dir, err := os.MkdirTemp("", "ratchet-promises-")
	if err != nil {
		return nil, []string{"runs: " + err.Error()}
	}
	defer removeAll(context.Background(), dir)

	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"root", "lower", "carry", "tmp", "secret"} {
		if err := os.Mkdir(at(name), 0o755); err != nil {
			return nil, []string{"runs: " + err.Error()}
		}
	}

	result, err := Run(context.Background(), Spec{
		Command: ":",
		Dir:     at("root"),
		Env:     []string{"TMPDIR=" + at("tmp")},
		Tier:    tier,
		Views:   []View{{Root: at("root"), Lower: []string{at("lower")}, Upper: at("upper"), Work: at("work")}},
		Binds:   []Bind{{From: at("carry"), To: at("root/carry")}},
		Wall:    time.Minute,
		Scratch: at("scratch"),

		Confined: true,
		Hidden:   []string{at("secret")},
		Network:  NetworkLoopback,

		Memory:    1 << 30,
		Processes: 1000,
		Disk:      1 << 30,
		CPU:       time.Minute,
		MaxOutput: 1 << 20,
	})
	if err != nil {
		return nil, []string{"runs: " + research.Describe(err).Msg}
	}

	for _, key := range EnforcedKeys() {
		how, caveat, hasCaveat := strings.Cut(result.Enforced[key], ", but ")

		if strings.HasPrefix(how, "enforced") {
			gives = append(gives, key+": "+how)
		} else {
			lacks = append(lacks, key+": "+how)
		}

		if hasCaveat {
			lacks = append(lacks, key+": "+caveat)
		}
	}

	return gives, lacks
}
