package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/lab"
	"ratchet/internal/render"
	"ratchet/internal/view"
	"ratchet/prompts"
)

type logIn struct {
	View   string `json:"view,omitempty" jsonschema:"enum=brief,enum=table,enum=experiment,enum=output,enum=ideas,enum=sessions,enum=program,enum=report,enum=guide"`
	Query  ref    `json:"query,omitempty" jsonschema_description:"experiment, output: id; table: words to find; guide: its name"`
	Cursor string `json:"cursor,omitempty" jsonschema_description:"from the last page"`
	Limit  int    `json:"limit,omitempty" jsonschema_description:"rows or bytes"`
}

var views = []string{"brief", "table", "experiment", "output", "ideas", "sessions", "program", "report", "guide"}

var readLog = Tool{
	Name: "read_log",
	About: "Read the campaign's ledger. brief (default; call it after any loss of context): contract, best, last experiments, lessons, next step. " +
		"table: experiments. experiment: one, with runs and diff. output: what a run printed. ideas: also lessons. program: research direction. report: for a person. guide: how to work, and playbooks.",
	Arguments: logIn{}, Answers: logOut{}, ReadOnly: true, Idempotent: true,
	Call: func(ctx context.Context, e Env, args json.RawMessage) (render.Answer, error) {
		in, err := decode[logIn](args)
		if err != nil {
			return render.Answer{}, err
		}

		if in.View == "" {
			in.View = "brief"
		}

		if err := render.OneOf("view", in.View, views...); err != nil {
			return render.Answer{}, err
		}

		if in.Limit < 0 {
			return render.Answer{}, render.Refuse("leave it out", "limit can't be negative")
		}

		if in.View == "guide" {
			return guide(in)
		}

		l, err := e.Open(ctx)
		if err != nil {
			return render.Answer{}, err
		}

		return readView(ctx, e, l, in)
	},
}

// readView reads what in asks for. Each view's page is made smaller until it fits.
func readView(ctx context.Context, e Env, co *checkout.Checkout, in logIn) (render.Answer, error) {
	switch in.View {
	case "table":
		return table(ctx, co, in)
	case "experiment":
		if in.Query == "" {
			return render.Answer{}, render.Refuse(`read_log{view:"table"} lists them`,
				"query must name an experiment, such as 7")
		}

		detail, err := view.ReadExperiment(ctx, co, string(in.Query))
		if err != nil {
			return render.Answer{}, err
		}

		return RenderDetail(detail, bytesFor(in)), nil
	case "output":
		return output(ctx, co, in)
	case "ideas":
		return ideas(ctx, co, in)
	case "sessions":
		ss, err := view.ListSessions(ctx, co)
		if err != nil {
			return render.Answer{}, err
		}

		return RenderSessions(ss, rowsLimit(in, 300)), nil
	case "program":
		text, err := view.ReadProgramText(ctx, co)
		if err != nil {
			return render.Answer{}, err
		}

		return pageText("program", text, in, `read_log{view:"guide",query:"loop"}`)
	case "report":
		return shortReport(ctx, co)
	}

	return brief(ctx, e, co, in)
}

// brief shows the brief, and records which notes it has told.
func brief(ctx context.Context, e Env, co *checkout.Checkout, in logIn) (render.Answer, error) {
	b, err := view.ReadBrief(ctx, co)
	if err != nil {
		return render.Answer{}, err
	}

	answer, told := renderBrief(b, max(render.Limit, bytesFor(in)))
	if len(told) > 0 && !e.Looking {
		err = lab.Delivered(ctx, co, told...)
	}

	return answer, err
}

// guide shows one text for agents, or their names. It needs no checkout.
func guide(in logIn) (render.Answer, error) {
	if in.Query == "" {
		var list []string
		for _, p := range prompts.AllPrompts() {
			list = append(list, p.Name+": "+p.About)
		}

		list = append(list, "playbooks: "+strings.Join(prompts.Domains(), ", "))

		return render.BuildAnswer(render.Limit, render.Field{Key: "view", Val: "guide"},
			render.Field{Key: "guides", List: render.LineItems(list)},
			render.NextStep(`read_log{view:"guide",query:"loop"}`)), nil
	}

	g, ok := prompts.FindGuide(string(in.Query))
	if ok {
		return pageText("guide", g.Text, in, g.Next)
	}

	domain, _, _ := strings.Cut(string(in.Query), " ")
	if p, known := prompts.OpenPlaybook(domain); known {
		return render.Answer{}, render.Refuse(fmt.Sprintf(`read_log{view:"guide",query:"%s 1"}`, p.Domain),
			"query can't be %q: the playbook has the tiers 1 to %d", render.OneLine(string(in.Query), 60), len(p.Tiers))
	}

	return render.Answer{}, render.OneOf("query", string(in.Query), prompts.GuideNames()...)
}
