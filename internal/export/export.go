// Package export writes what a ledger holds in the formats that other programs
// read: its records as they are stored, tables of the decided experiments, pi's
// log, a file that was imported, and a folder for MLflow.
//
// A table reads a page of experiments at a time, so that the ledger is never
// locked for long; what is recorded meanwhile may be part of it or not.
package export

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// Options select what is written and in which format.
type Options struct {
	Format   string
	Campaign string    // only this one; "" is all of them
	Source   string    // imported: the file to give back
	Dir      string    // mlflow: the folder to write
	From     uint64    // first record's sequence, 0: all
	Since    time.Time // of the first record, zero: all
	JSON     bool      // only what is JSON may be written
}

// format is one way to write.
type format struct {
	name   string
	isJSON bool
	write  func(*writer, context.Context) error
}

// formats are the writers of each format, by the name that --format takes.
var formats = []format{
	{"jsonl", true, (*writer).writeRecords},
	{"tsv", false, (*writer).writeTSV},
	{"csv", false, (*writer).writeCSV},
	{"pi", true, (*writer).writePi},
	{"imported", false, (*writer).writeImported},
	{"mlflow", true, (*writer).writeMLflow},
}

// Check refuses a format that is unknown, or that is not JSON where JSON is wanted.
func (o Options) Check() error {
	for _, f := range formats {
		if f.name != o.Format {
			continue
		}

		if o.JSON && !f.isJSON {
			return research.Errorf(research.CodeBadArgument, "leave --json or --format out", "%s is not JSON", o.Format)
		}

		return nil
	}

	return research.Errorf(research.CodeBadArgument, "use "+FormatNames(), "--format %q is unknown", o.Format)
}

// FormatNames lists the formats for a sentence.
func FormatNames() string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.name
	}

	last := len(names) - 1

	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// writer is one export.
type writer struct {
	Options
	co     *checkout.Checkout
	ledger *ledger.Ledger
	out    *bufio.Writer
}

// Write writes what the options select to out. A reader that has seen enough (a
// closed pipe) is not an error.
//
// Errors: those of Check; research.CodeNotFound (no such campaign or imported
// file), research.CodeConflict (the folder exists), research.CodeStorage.
func Write(ctx context.Context, co *checkout.Checkout, options Options, out io.Writer) error {
	if err := options.Check(); err != nil {
		return err
	}

	w := &writer{Options: options, co: co, ledger: co.Ledger, out: bufio.NewWriterSize(out, 1<<16)}
	if options.Campaign != "" {
		if err := w.requireCampaign(ctx); err != nil {
			return err
		}
	}

	i := slices.IndexFunc(formats, func(f format) bool { return f.name == options.Format })
	err := formats[i].write(w, ctx)

	if flushed := w.out.Flush(); err == nil {
		err = flushed
	}

	if errors.Is(err, syscall.EPIPE) {
		return nil
	}

	return err
}

// requireCampaign is an error if there is no campaign of that name.
func (w *writer) requireCampaign(ctx context.Context) error {
	return w.ledger.View(ctx, func(tx *ledger.Tx) error {
		_, err := tx.Campaign(w.Campaign)
		return err
	})
}

// ParseSince reads the beginning of a selection: a record's number, a time, or an
// age before now. Of the two results one is zero; both are for an empty text.
func ParseSince(s string, now time.Time) (from uint64, at time.Time, err error) {
	if s == "" {
		return 0, at, nil
	}

	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return n, at, nil
	}

	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return 0, at, nil
		}
	}

	days, isDays := strings.CutSuffix(s, "d")
	if n, err := strconv.ParseUint(days, 10, 16); err == nil && isDays {
		return 0, now.AddDate(0, 0, -int(n)), nil
	}

	if age, err := time.ParseDuration(s); err == nil && age >= 0 {
		return 0, now.Add(-age), nil
	}

	return 0, at, research.Errorf(research.CodeBadArgument,
		"give a record's number (120), a time (2026-11-23T06:00:00Z or 2026-11-23) or an age (24h, 7d)",
		"--since %q is none of these", s)
}

// eachRecord calls f with what --since and --campaign select.
func (w *writer) eachRecord(ctx context.Context, f func(rec history.Record, stored []byte) error) error {
	begun := w.Since.IsZero() // a record of that time or later was seen

	return w.ledger.Stream(ctx, w.From, func(rec history.Record, stored []byte) error {
		begun = begun || !rec.Time.Before(w.Since)
		if !begun || w.Campaign != "" && rec.Campaign != w.Campaign {
			return nil
		}

		return f(rec, stored)
	})
}

func (w *writer) writeRecords(ctx context.Context) error {
	return w.eachRecord(ctx, func(_ history.Record, stored []byte) error {
		_, err := w.out.Write(append(stored, '\n'))
		return err
	})
}
