package scaffold

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/research"
)

// wecoFlags are the flags of `weco run` by their short names; wecoSwitches are those without a value.
var wecoFlags = map[string]string{"-s": "--source", "-c": "--eval-command", "-m": "--metric", "-g": "--goal",
	"-n": "--steps", "-M": "--model", "-i": "--additional-instructions", "-l": "--log-dir"}

var wecoSwitches = map[string]bool{"--save-logs": true, "--apply-change": true, "--require-review": true}

// readWeco reads a command line of Weco.
func readWeco(line, dir string) (*taken, error) {
	words, err := shellWords(line)
	if err != nil {
		return nil, research.Errorf(research.CodeBadArgument,
			"quote it as a whole, with the other sort of quotes within", "the command line can't be split: %w", err)
	}

	if len(words) < 2 || words[1] != "run" {
		return nil, research.Errorf(research.CodeBadArgument,
			"give the whole command: --from 'weco run --source FILE --eval-command \"…\" --metric NAME --goal maximize'", "only `weco run` can be translated")
	}
	read := &taken{}

	for i := 2; i < len(words); i++ {
		flag, value, joined := strings.Cut(words[i], "=")
		if long := wecoFlags[flag]; long != "" {
			flag = long
		}

		if wecoSwitches[flag] || !strings.HasPrefix(flag, "-") {
			read.addNote("%s: not translated", words[i])
			continue
		}

		if !joined {
			if i++; i == len(words) {
				return nil, research.Errorf(research.CodeBadArgument, "give the whole command", "%s has no value", flag)
			}
			value = words[i]
		}

		if flag == "--sources" {
			for read.wecoSource(value, dir); i+1 < len(words) && !strings.HasPrefix(words[i+1], "-"); i++ {
				read.wecoSource(words[i+1], dir)
			}

			continue
		}
		read.wecoFlag(flag, value, dir)
	}

	if read.Run != "" {
		read.addNote("Weco lets a model find the metric in the output; Ratchet reads `%s: NUMBER` on a line of its own: `ratchet doctor` shows whether it finds it", read.Metric.Name)
	}

	return read, nil
}

func (t *taken) wecoSource(value, dir string) {
	name := filepath.ToSlash(filepath.Clean(value))
	if rel := relativeTo(dir, value); filepath.IsAbs(value) && rel != "" {
		name = rel
	}

	t.Edit = append(t.Edit, name)
	t.addReason("edit: --source " + value)
}

func (t *taken) wecoFlag(flag, value, dir string) {
	switch flag {
	case "--source":
		t.wecoSource(value, dir)
	case "--eval-command":
		t.Run = value
		t.addReason("run: --eval-command")
	case "--metric":
		t.Metric.Name = value
		t.addReason("metric: --metric " + value)
	case "--goal":
		switch strings.ToLower(value) {
		case "min", "minimize", "minimise":
			t.Metric.Better = research.Lower
		case "max", "maximize", "maximise":
			t.Metric.Better = research.Higher
		default:
			t.addNote("--goal %s: neither minimize nor maximize", value)
		}
	case "--steps":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			t.addNote("--steps %s: no number", value)
			return
		}
		t.trials = n
		t.addReason("campaign: --steps " + value)
	case "--eval-timeout":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > 1e7 {
			t.addNote("--eval-timeout %s: no number of seconds", value)
			return
		}
		t.wall = time.Duration(n) * time.Second
		t.addReason("budget: --eval-timeout " + value)
	case "--additional-instructions":
		t.wecoInstructions(value, dir)
	case "--log-dir":
		t.addNote("--log-dir %s: `ratchet import %s` takes over what it holds", value, value)
	default:
		t.addNote("%s %s: not translated", flag, value)
	}
}

// wecoInstructions are a text, or the name of a file with one.
func (t *taken) wecoInstructions(value, dir string) {
	file := value
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}

	switch strings.ToLower(filepath.Ext(value)) {
	case ".md", ".txt", ".rst":
		if text, err := readText(file); err == nil {
			t.text = text
			return
		}

		if _, err := os.Stat(file); err != nil && !strings.Contains(value, " ") {
			t.addNote("--additional-instructions %s: it can't be read", value)
			return
		}
	}
	t.text = value + "\n"
}

var errQuote = errors.New("a quote is not closed")

// shellWords splits a command line as a shell does: white space, both sorts of
// quotes, the backslash; a backslash at a line's end goes on. It expands nothing.
func shellWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	begun, quote := false, byte(0)

	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			if begun {
				words = append(words, word.String())
				word.Reset()
				begun = false
			}

			continue
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(line) &&
			(quote == 0 || strings.IndexByte("\"\\$`\n", line[i+1]) >= 0):
			if i++; line[i] == '\n' {
				continue
			}
			word.WriteByte(line[i])
		default:
			word.WriteByte(c)
		}
		begun = true
	}

	if begun {
		words = append(words, word.String())
	}

	if quote != 0 {
		return nil, errQuote
	}

	return words, nil
}
