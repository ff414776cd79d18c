package tools

import (
	"fmt"
	"math"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/view"
	"ratchet/internal/wording"
)

// RenderIdeas shows ideas and lessons in at most limit bytes.
func RenderIdeas(is []checkout.IdeaView, ls []history.Lesson, limit int) render.Answer {
	return render.BuildAnswer(limit, render.Field{Key: "view", Val: "ideas",
		Line: wording.Count(len(is), "idea") + ", " + wording.Count(len(ls), "lesson") + ", newest first"},
		ideaList(is, 240), lessonList(ls, 240),
		render.NextStep("edit the file for the best of them, then run_experiment{hypothesis, idea: its id}, which claims it"))
}

// ideaRow is one idea in a list.
type ideaRow struct {
	N          int                `json:"n"`
	Text       string             `json:"text"`
	Status     history.IdeaStatus `json:"status,omitempty"` // as it may be used: a claim that lapsed is none
	Holder     string             `json:"holder,omitempty"` // you: this session
	Idle       int                `json:"holder_idle_s,omitempty"`
	Experiment int                `json:"experiment,omitempty"` // the last one made of it
	Verdict    research.Verdict   `json:"verdict,omitempty"`    // of that
	Kept       bool               `json:"kept,omitempty"`
}

func ideaList(is []checkout.IdeaView, n int) render.Field {
	field := render.Field{Key: "ideas", List: make([]render.Item, len(is)), Min: 1}
	for i := range is {
		idea := &is[i]

		r := ideaRow{N: idea.N, Text: render.OneLine(idea.Text, n), Status: idea.Status, Experiment: idea.Experiment,
			Verdict: idea.Verdict, Kept: idea.Kept}
		switch {
		case idea.Mine:
			r.Holder = "you"
		case !idea.IsFree():
			r.Holder, r.Idle = idea.Holder, int(idea.Idle.Seconds())
		case idea.Lapse != "" && idea.Experiment > 0:
			r.Status = history.IdeaTried
		case idea.Lapse != "":
			r.Status = history.IdeaOpen
		}

		line := fmt.Sprintf("idea %d: %s", r.N, r.Text)
		if idea.Status != history.IdeaOpen && idea.Status != "" {
			line = fmt.Sprintf("idea %d (%s): %s", r.N, render.OneLine(idea.StatusText(), 160), r.Text)
		}
		field.List[i] = render.Item{Val: r, Line: line}
	}

	return field
}

// sessionRow is one session in a list.
type sessionRow struct {
	Session     string `json:"session"`
	Client      string `json:"client"`
	Runs        string `json:"runs,omitempty"` // the job that it runs now
	Hypothesis  string `json:"hypothesis,omitempty"`
	Claims      []int  `json:"claims,omitempty"` // ideas
	Experiments int    `json:"experiments"`
	Kept        int    `json:"kept"`
	// of the campaign's last keeps, its own that are in the incumbent
	Stands      int    `json:"stands"`
	Certified   *int   `json:"certified,omitempty"`    // of these, the proven ones; of a noisy metric only
	Last        string `json:"last"`                   // RFC 3339, UTC
	Answers     int    `json:"answers,omitempty"`      // that its agent got, up to its last record
	AnswerBytes int64  `json:"answer_bytes,omitempty"` // of their text
	// How good its predictions are: their number, and the means in percent of the
	// gain expected, the gain found, and the distance between the two.
	Predicted int      `json:"predicted,omitempty"`
	Expected  *float64 `json:"expected_pct,omitempty"`
	Found     *float64 `json:"found_pct,omitempty"`
	Missed    *float64 `json:"missed_pct,omitempty"`
}

// predictions compares what the session expected with what was found, in words.
func (r *sessionRow) predictions(p history.Predictions) string {
	if p.N == 0 {
		return ""
	}
	mean := func(sum float64) *float64 {
		v := math.Round(1e4*sum/float64(p.N)) / 100
		return &v
	}
	r.Predicted, r.Expected, r.Found, r.Missed = p.N, mean(p.Expected), mean(p.Found), mean(p.Missed)

	return fmt.Sprintf("; %s: expected a gain of %s on average, found %s, off by %s, %d were gains",
		wording.Count(p.N, "prediction"), wording.FormatShare(*r.Expected/100), wording.FormatShare(*r.Found/100),
		wording.FormatShare(*r.Missed/100), p.Gains)
}

// now is what the session does, in words.
func (r *sessionRow) now(session *view.SessionView) string {
	line := fmt.Sprintf("last active %s ago", wording.FormatAge(session.Idle))
	if len(session.Running) > 0 {
		j := session.Running[0]
		r.Runs, r.Hypothesis = string(j.ID), render.OneLine(j.About, 80)

		line = fmt.Sprintf("runs %s for %s", j.ID, wording.FormatDuration(math.Round(j.Elapsed)))
		if r.Hypothesis != "" {
			line += fmt.Sprintf(" (%s)", r.Hypothesis)
		}
	}

	for i, n := range session.Claims[:min(len(session.Claims), 8)] {
		r.Claims = append(r.Claims, n)

		if i == 0 {
			line += "; holds idea"
		}
		line += fmt.Sprintf(" %d", n)
	}

	return line
}

// RenderSessions lists the campaign's sessions in at most limit bytes.
func RenderSessions(ss []view.SessionView, limit int) render.Answer {
	field := render.Field{Key: "sessions", List: make([]render.Item, len(ss)), Min: 1}
	for i := range ss {
		session := &ss[i]
		r := sessionRow{Session: session.Codename,
			Client:      strings.TrimSpace(render.OneLine(session.Client+" "+session.Version, 60)),
			Experiments: session.Experiments, Kept: session.Kept, Stands: session.Stands,
			Last: session.Last.UTC().Format("2006-01-02T15:04:05Z")}

		line := fmt.Sprintf("%s (%s) %s; %s, %d kept", r.Session, r.Client, r.now(session),
			wording.Count(r.Experiments, "experiment"), r.Kept)
		if r.Kept > 0 {
			line += fmt.Sprintf(", %d still in the incumbent", r.Stands)
		}

		if session.Noisy {
			r.Certified = &session.Certified
			if r.Stands > 0 {
				line += fmt.Sprintf(" (%d certified)", session.Certified)
			}
		}

		line += r.predictions(session.Predictions)
		if told := session.AnswerTotal(); told.N > 0 {
			r.Answers, r.AnswerBytes = told.N, told.Text
			line += fmt.Sprintf("; told %.1f kB in %s", float64(told.Text)/1000, wording.Count(told.N, "answer"))
		}
		field.List[i] = render.Item{Val: r, Line: line}
	}

	return render.BuildAnswer(limit, render.Field{Key: "view", Val: "sessions",
		Line: wording.Count(len(ss), "session") + ", the last active first"}, field, render.NextStep("read_log{}"))
}
