package foreign

import (
	"path"
	"slices"
	"strings"
)

// whole makes a decoder of a file that is one JSON object.
func whole(f func(path string, o object) Entry) func(string) decoder {
	return func(path string) decoder {
		return func(text string) (Entry, error) {
			o, err := parseObject(text)
			if err != nil {
				return Entry{}, err
			}

			return f(path, o), nil
		}
	}
}

// program is a program of an evolution. Scores are better the higher.
func program(o object) Entry {
	entry := Entry{Kind: Run, Description: o.either("changes_description", "description", "text_feedback")}
	if entry.Description == "" {
		entry.Description = o.inner("metadata").either("changes", "patch_name", "patch_description")
	}

	if c := o.text("correct"); c != "" {
		entry.Status = "incorrect"
		if truth(c) {
			entry.Status = "correct"
		}
	}

	if parent := o.text("parent_id"); parent != "" {
		entry = entry.note("from " + parent)
	}

	if o.isNumber("combined_score") {
		entry.Metric = "combined_score"
		return entry.of(o.text("combined_score"))
	}

	for _, key := range []string{"metrics", "public_metrics"} {
		if in := o.inner(key); in != nil {
			return entry.only(in)
		}
	}

	return entry
}

// openevolve is one program of OpenEvolve's database, in a file of its own.
var openevolve = Format{
	Name:  "openevolve",
	About: "checkpoints/checkpoint_N/programs/ID.json with id, code, metrics (OpenEvolve)",
	Whole: true,
	fits: func(s sample) bool {
		return strings.HasSuffix(s.base, ".json") && s.json("id", "code") &&
			(s.json("metrics") || s.json("generation")) && !s.json("island_idx")
	},
	start: whole(func(_ string, o object) Entry { return program(o) }),
}

// openevolveLines are such programs, a line each.
var openevolveLines = Format{
	Name:  "openevolve-lines",
	About: "the same programs as JSON lines",
	fits:  func(s sample) bool { return s.json("id", "code") && (s.json("metrics") || s.json("generation")) },
	start: lines(program),
}

// shinka is ShinkaEvolve's table of programs as JSON lines.
var shinka = Format{
	Name:  "shinka",
	About: "the programs of ShinkaEvolve's database as JSON (sqlite3 -json FILE 'select * from programs')",
	fits:  func(s sample) bool { return s.json("id", "code", "combined_score") || s.json("id", "island_idx") },
	start: lines(program),
}

// shinkaMetrics is what one evaluation of ShinkaEvolve left: metrics.json or correct.json.
var shinkaMetrics = Format{
	Name:  "shinka-evaluation",
	About: "gen_N/results/metrics.json and correct.json (ShinkaEvolve)",
	Whole: true,
	fits: func(s sample) bool {
		return s.base == "metrics.json" && s.json("combined_score") || s.base == "correct.json" && s.json("correct")
	},
	start: whole(func(p string, o object) Entry {
		gen := path.Base(path.Dir(path.Dir(p)))
		if o["correct"] != nil {
			e := Entry{Kind: Other, Status: "incorrect", Description: strings.TrimSpace(gen + " " + o.text("error"))}
			if truth(o.text("correct")) {
				e.Status = "correct"
			}

			return e
		}
		e := program(o)
		e.Description = strings.TrimSpace(gen + " " + e.Description)

		return e
	}),
}

var (
	entityName = lazily(`^([GHEOCL])-\d+\.(md|json)$`)
	frontKey   = lazily(`(?m)^([a-z_]+):[ \t]*(.*?)[ \t]*\r?$`)
)

// hugoEntity is one file of hugoferreira/autoresearch's store: a goal, a
// hypothesis, an experiment, an observation, a conclusion, a lesson.
var hugoEntity = Format{
	Name:  "hugoferreira",
	About: ".research/: events.jsonl and the files G-, H-, E-, O-, C-, L-NNNN (hugoferreira/autoresearch)",
	Whole: true,
	fits: func(s sample) bool {
		return entityName().MatchString(s.base) ||
			slices.Contains(strings.Split(s.path, "/"), ".research") &&
				(s.base == "config.yaml" || s.base == "state.json")
	},
	start: func(p string) decoder {
		return func(text string) (Entry, error) {
			switch base := path.Base(p); {
			case strings.HasPrefix(base, "O-"):
				o, err := parseObject(text)
				if err != nil {
					return Entry{}, err
				}

				e := Entry{Kind: Run, Metric: o.text("instrument"), Commit: o.either("candidate_sha", "baseline_sha"),
					Description: strings.TrimSpace(o.text("experiment") + " " + o.text("command"))}
				if pass := o.text("pass"); pass != "" {
					e.Status = map[bool]string{true: "pass", false: "fail"}[truth(pass)]
				}

				return e.of(o.text("value")), nil
			case entityName().MatchString(base):
				return front(text), nil
			}

			return Entry{Kind: Other}, nil
		}
	},
}

// front reads the top level of a YAML front matter, as far as its values stand on one line.
func front(text string) Entry {
	_, rest, _ := strings.Cut(text, "---")
	head, _, _ := strings.Cut(rest, "\n---")
	entry := Entry{Kind: Other}

	for _, m := range frontKey().FindAllStringSubmatch(head, -1) {
		value := strings.Trim(m[2], `"'`)
		switch m[1] {
		case "status", "verdict":
			if entry.Status == "" || m[1] == "verdict" {
				entry.Status = value
			}
		case "claim":
			entry.Description = value
		case "id":
			entry = entry.note(value)
		}
	}

	return entry
}

var printed = lazily(`(?m)^[ \t]*(?:METRIC[ \t]+)?([A-Za-z][\w .@/-]*?)[ \t]*[:=][ \t]*([-+]?[\d.]+(?:[eE][-+]?\d+)?)[ \t]*[x%]?[ \t]*\r?$`)

// wecoOutput is what one step of a Weco run printed. It has a value where it
// prints numbers under one name only.
var wecoOutput = Format{
	Name:  "weco-output",
	About: ".runs/…/outputs/step_N.out.txt (Weco)",
	Whole: true,
	fits: func(s sample) bool {
		return strings.HasPrefix(s.base, "step_") && strings.HasSuffix(s.base, ".out.txt")
	},
	start: func(p string) decoder {
		return func(text string) (Entry, error) {
			step := strings.TrimSuffix(path.Base(p), ".out.txt")
			e := Entry{Kind: Run, Description: strings.ReplaceAll(step, "_", " ")}

			all := printed().FindAllStringSubmatch(text, -1)
			for i, m := range all {
				if i > 0 && m[1] != all[0][1] {
					return e.note("it prints several numbers, and does not say which is the metric"), nil
				}
			}

			if len(all) == 0 {
				return e, nil
			}
			last := all[len(all)-1]
			e.Metric = last[1]

			return e.of(last[2]), nil
		}
	},
}
