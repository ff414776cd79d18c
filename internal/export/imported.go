package export

import (
	"context"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/view"
)

// writeImported writes a file as it was imported.
func (w *writer) writeImported(ctx context.Context) error {
	all, err := w.listCampaigns(ctx)
	if err != nil {
		return err
	}
	var names []string

	for _, c := range all {
		if c.Imported > 0 || w.Campaign != "" {
			names = append(names, c.Name)
		}
	}

	switch {
	case len(names) == 0:
		return research.Errorf(research.CodeNotFound, "`ratchet import FILE` imports one", "nothing was imported")
	case len(names) > 1:
		return research.Errorf(research.CodeBadArgument, "name one: --campaign "+names[len(names)-1],
			"several campaigns have imported lines: %s", strings.Join(names, ", "))
	}

	return view.ReadOriginal(ctx, w.co, names[0], w.Source, func(text []byte) error {
		_, err := w.out.Write(text)
		return err
	})
}
