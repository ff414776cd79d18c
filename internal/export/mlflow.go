package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
)

// writeMLflow writes the selected campaigns as MLflow's local file store has them:
// an experiment of MLflow's for each campaign, a run for each experiment.
func (w *writer) writeMLflow(ctx context.Context) error {
	root, err := filepath.Abs(w.Dir)
	if err != nil {
		return fmt.Errorf("find the folder: %w", err)
	}
	var m *mlExperiment

	return w.writeFolder(ctx, &folder{Format: "mlflow", Folder: root, usual: "mlruns",
		begin: func(campaign history.Campaign) error {
			if err := os.MkdirAll(filepath.Join(root, ".trash"), 0o777); err != nil {
				return unwritten(err)
			}
			m = newMLExperiment(root, campaign)

			return m.makeFolder()
		},
		run: func(r row) error { return m.writeRun(r) },
	})
}

// mlExperiment writes one campaign.
type mlExperiment struct {
	campaign history.Campaign
	id       string // decimal
	dir      string
}

func newMLExperiment(root string, campaign history.Campaign) *mlExperiment {
	sum := sha256.Sum256([]byte(campaign.Name + "\x00" + campaign.Start))

	n := uint64(0)
	for _, b := range sum[:7] {
		n = n<<8 | uint64(b)
	}
	id := strconv.FormatUint(n+1e17, 10) // as long as MLflow's own

	return &mlExperiment{campaign: campaign, id: id, dir: filepath.Join(root, id)}
}

func (m *mlExperiment) makeFolder() error {
	campaign := m.campaign

	return m.writeMeta(m.dir, "artifact_location", fileURI(m.dir), "creation_time", millis(campaign.StartedAt),
		"experiment_id", quoted(m.id), "last_update_time", millis(campaign.StartedAt), "lifecycle_stage", "active",
		"name", quoted(campaign.Name))
}

// writeRun writes one experiment as a run.
func (m *mlExperiment) writeRun(r row) error {
	sum := sha256.Sum256([]byte(m.id + "/" + strconv.Itoa(r.N)))
	id := hex.EncodeToString(sum[:16])
	dir := filepath.Join(m.dir, id)

	status, name := "3", r.runName() // FINISHED
	if r.Status == research.Voided {
		status = "4" // FAILED
	}

	if err := m.writeMeta(dir, "artifact_uri", fileURI(filepath.Join(dir, "artifacts")), "end_time", millis(r.ended()),
		"entry_point_name", "''", "experiment_id", quoted(m.id), "lifecycle_stage", "active", "run_id", id, "run_name",
		quoted(name), "run_uuid", id, "source_name", "''", "source_type", "4", "source_version", "''", "start_time",
		millis(r.ProposedAt), "status", status, "tags", "[]", "user_id", "ratchet"); err != nil {
		return err
	}

	if err := os.Mkdir(filepath.Join(dir, "artifacts"), 0o777); err != nil {
		return unwritten(err)
	}
	metric := m.campaign.Program.Metric

	metrics := map[string]float64{}
	for name, v := range r.samples {
		metrics[name] = v
	}

	if v := r.value(); v != nil {
		metrics[metric.Name] = *v
	}

	for name, v := range metrics {
		if err := m.writeValue(dir, "metrics", name,
			fmt.Sprintf("%s %s %d\n", millis(r.ended()), strconv.FormatFloat(v, 'g', -1, 64), r.N)); err != nil {
			return err
		}
	}

	return m.writeTexts(dir, name, r)
}

// writeTexts writes what is said of an experiment: tags, and what it was about as parameters.
func (m *mlExperiment) writeTexts(dir, name string, r row) error {
	tags := map[string]string{"mlflow.runName": name, "mlflow.user": "ratchet", "mlflow.source.type": "LOCAL",
		"mlflow.source.git.commit": r.Candidate, "mlflow.note.content": r.Hypothesis,
		"ratchet.status": string(r.Status), "ratchet.session": r.Session, "ratchet.lesson": r.Lesson,
		"ratchet.expect": r.Expect, "ratchet.commit": r.Commit,
		"ratchet.better": string(m.campaign.Program.Metric.Better)}
	if j := r.Judgement; j != nil {
		tags["ratchet.verdict"], tags["ratchet.reason"] = string(j.Verdict), j.Reason
	}

	for key, text := range tags {
		if text == "" {
			continue
		}

		if err := m.writeValue(dir, "tags", key, text); err != nil {
			return err
		}
	}

	return m.writeValue(dir, "params", "hypothesis", firstRunes(wording.PlainLine(r.Hypothesis), 500))
}

func firstRunes(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}

	return s
}

// unnamable matches what MLflow does not take in a metric's name, of which it
// makes a path. It is compiled when it is first used, as most starts never do.
var unnamable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^\w.-]`) })

func (m *mlExperiment) writeValue(dir, kind, name, text string) error {
	name = strings.TrimLeft(unnamable().ReplaceAllString(name, "_"), ".")
	return newFile([]byte(text), dir, kind, name)
}

// writeMeta writes meta.yaml: keys and values in turn, the values as YAML.
func (m *mlExperiment) writeMeta(dir string, pairs ...string) error {
	var text strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&text, "%s: %s\n", pairs[i], pairs[i+1])
	}

	return newFile([]byte(text.String()), dir, "meta.yaml")
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func fileURI(path string) string {
	return quoted((&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String())
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
