package foreign

import (
	"path"
	"slices"
	"strings"
)

// wholeDecoder makes a decoder of a file that is one JSON object.
func wholeDecoder(f func(path string, o object) Entry) func(sample) decoder {
	return func(head sample) decoder {
		return func(text string) (Entry, error) {
			o, err := parseObject(text)
			if err != nil {
				return Entry{}, err
			}

			return f(head.path, o), nil
		}
	}
}

// decodeProgram decodes a program of an evolution. Higher scores are better.
func decodeProgram(o object) Entry {
	entry := Entry{Kind: Run, Description: o.firstText("changes_description", "description", "text_feedback")}
	if entry.Description == "" {
		entry.Description = o.innerObject("metadata").firstText("changes", "patch_name", "patch_description")
	}

	if c := o.textOf("correct"); c != "" {
		entry.Status = "incorrect"
		if isTrue(c) {
			entry.Status = "correct"
		}
	}

	if parent := o.textOf("parent_id"); parent != "" {
		entry = entry.addNote("from " + parent)
	}

	if o.isNumber("combined_score") {
		entry.Metric = "combined_score"
		return entry.withValue(o.textOf("combined_score"))
	}

	for _, key := range []string{"metrics", "public_metrics"} {
		if in := o.innerObject(key); in != nil {
			return entry.withOnlyMetric(in)
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
		return strings.HasSuffix(s.base, ".json") && s.hasKeys("id", "code") &&
			(s.hasKeys("metrics") || s.hasKeys("generation")) && !s.hasKeys("island_idx")
	},
	start: wholeDecoder(func(_ string, o object) Entry { return decodeProgram(o) }),
}

// openevolveLines are such programs, a line each.
var openevolveLines = Format{
	Name:  "openevolve-lines",
	About: "the same programs as JSON lines",
	fits: func(s sample) bool {
		return s.hasKeys("id", "code") && (s.hasKeys("metrics") || s.hasKeys("generation"))
	},
	start: lineDecoder(decodeProgram),
}

// shinka is ShinkaEvolve's table of programs as JSON lines.
var shinka = Format{
	Name:  "shinka",
	About: "the programs of ShinkaEvolve's database as JSON (sqlite3 -json FILE 'select * from programs')",
	fits:  func(s sample) bool { return s.hasKeys("id", "code", "combined_score") || s.hasKeys("id", "island_idx") },
	start: lineDecoder(decodeProgram),
}

// shinkaMetrics is what one evaluation of ShinkaEvolve left: metrics.json or correct.json.
var shinkaMetrics = Format{
	Name:  "shinka-evaluation",
	About: "gen_N/results/metrics.json and correct.json (ShinkaEvolve)",
	Whole: true,
	fits: func(s sample) bool {
		return s.base == "metrics.json" && s.hasKeys("combined_score") ||
			s.base == "correct.json" && s.hasKeys("correct")
	},
	start: wholeDecoder(func(p string, o object) Entry {
		gen := path.Base(path.Dir(path.Dir(p)))
		if o["correct"] != nil {
			e := Entry{Kind: Other, Status: "incorrect", Description: strings.TrimSpace(gen + " " + o.textOf("error"))}
			if isTrue(o.textOf("correct")) {
				e.Status = "correct"
			}

			return e
		}
		e := decodeProgram(o)
		e.Description = strings.TrimSpace(gen + " " + e.Description)

		return e
	}),
}

var (
	entityName = compileLazily(`^([GHEOCL])-\d+\.(md|json)$`)
	frontKey   = compileLazily(`(?m)^([a-z_]+):[ \t]*(.*?)[ \t]*\r?$`)
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
	start: func(head sample) decoder {
		p := head.path

		return func(text string) (Entry, error) {
			switch base := path.Base(p); {
			case strings.HasPrefix(base, "O-"):
				o, err := parseObject(text)
				if err != nil {
					return Entry{}, err
				}

				e := Entry{Kind: Run, Metric: o.textOf("instrument"),
					Commit:      o.firstText("candidate_sha", "baseline_sha"),
					Description: strings.TrimSpace(o.textOf("experiment") + " " + o.textOf("command"))}
				switch pass := o.textOf("pass"); {
				case pass == "":
				case isTrue(pass):
					e.Status = "pass"
				default:
					e.Status = "fail"
				}

				return e.withValue(o.textOf("value")), nil
			case entityName().MatchString(base):
				return parseFrontMatter(text), nil
			}

			return Entry{Kind: Other}, nil
		}
	},
}

// parseFrontMatter reads the top level of a YAML front matter, as far as its values stand on one line.
func parseFrontMatter(text string) Entry {
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
			entry = entry.addNote(value)
		}
	}

	return entry
}

var printedValue = compileLazily(`(?m)^[ \t]*(?:METRIC[ \t]+)?([A-Za-z][\w .@/-]*?)[ \t]*[:=][ \t]*([-+]?[\d.]+(?:[eE][-+]?\d+)?)[ \t]*[x%]?[ \t]*\r?$`)

// wecoOutput is what one step of a Weco run printed. It has a value where it
// prints numbers under one name only.
var wecoOutput = Format{
	Name:  "weco-output",
	About: ".runs/…/outputs/step_N.out.txt (Weco)",
	Whole: true,
	fits: func(s sample) bool {
		return strings.HasPrefix(s.base, "step_") && strings.HasSuffix(s.base, ".out.txt")
	},
	start: func(head sample) decoder {
		p := head.path

		return func(text string) (Entry, error) {
			step := strings.TrimSuffix(path.Base(p), ".out.txt")
			e := Entry{Kind: Run, Description: strings.ReplaceAll(step, "_", " ")}

			all := printedValue().FindAllStringSubmatch(text, -1)
			for i, m := range all {
				if i > 0 && m[1] != all[0][1] {
					return e.addNote("it prints several numbers, and does not say which is the metric"), nil
				}
			}

			if len(all) == 0 {
				return e, nil
			}
			last := all[len(all)-1]
			e.Metric = last[1]

			return e.withValue(last[2]), nil
		}
	},
}
