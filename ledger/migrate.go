package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// A ledger of an older format is migrated by the first transaction of a newer
// Ratchet, readers included: the states in it were folded by other code. One
// transaction derives every index again and appends ledger.migrated, but not to a
// replica of a Log; no record is rewritten. A ledger of a newer format is refused.

// errOlderFormat asks for a migration; it never leaves the package.
var errOlderFormat = errors.New("the ledger has an older format")

// migrate brings the file to the present format. The caller has the lock, and
// no transaction open. A process that dies meanwhile leaves the older format.
// Errors: those of a transaction, and research.CodeBusy while a worker of an
// older Ratchet measures, which could not record what it finds any more.
func (l *Ledger) migrate(ctx context.Context) (err error) {
	s := &store{path: l.path}
	defer s.close()
	defer s.recoverPanic(&err)

	tx, err := l.beginTx(s, migrating)
	if err != nil {
		return err
	}

	if err := l.refuseRunningJobs(tx); err != nil {
		return err
	}

	from, _ := readFormat(s)
	if err := s.put(bucketMeta, keyFormat, []byte(strconv.Itoa(format))); err != nil {
		return fmt.Errorf("store the format: %w", err)
	}

	if err := l.rebuild(tx); err != nil {
		return err
	}

	if tx.shared { // the record would be of this replica alone
		tx.appended = true
		return l.makeDurable(ctx, tx)
	}

	_, err = tx.Append(history.NewMigration(history.Migration{From: from, To: format, Version: l.version}))
	if err != nil {
		return err
	}

	return l.makeDurable(ctx, tx)
}

// refuseRunningJobs refuses to migrate while a worker measures. A state that can't
// be read names no job; it is derived again in the migration.
func (l *Ledger) refuseRunningJobs(t *Tx) error {
	campaigns, err := t.Campaigns()
	if err != nil || l.isRunning == nil {
		return nil
	}

	for _, campaign := range campaigns {
		for _, id := range campaign.Open {
			if !l.isRunning(campaign.Name, id) {
				continue
			}

			return research.Errorf(research.CodeBusy,
				"wait until it has ended, or use that older ratchet meanwhile; then repeat the call",
				"%s of the campaign %q is being run by an older ratchet, "+
					"and %s would change the ledger's format under it", id, campaign.Name, describeVersion(l.version))
		}
	}

	return nil
}

// describeVersion names this version of Ratchet in a sentence.
func describeVersion(version string) string { return "this ratchet (" + cmp.Or(version, "devel") + ")" }

// readFormat is the format's number; 0 and false if it is none.
func readFormat(s *store) (int, bool) {
	n, err := strconv.Atoi(string(s.get(bucketMeta, keyFormat)))
	return n, err == nil && n > 0
}

// formatCheck asks whether this version of Ratchet understands a ledger's file.
type formatCheck struct {
	s       *store
	version string // of this Ratchet
}

// checkFormat refuses a bbolt file that is not a ledger, and a ledger that this
// version does not understand; an older one gives errOlderFormat.
func (c formatCheck) checkFormat(m mode) error {
	stored := string(c.s.get(bucketMeta, keyFormat))
	if stored == "" {
		return damageError(nextLost, "%s is a database, but not a ledger", c.s.path)
	}

	switch n, ok := readFormat(c.s); {
	case !ok || n > format:
		return c.newerLedgerError("has the format %q; %s knows formats up to %d", stored, describeVersion(c.version),
			format)
	case n < format && m != migrating:
		return errOlderFormat
	case m == repairing || m == migrating: // the index of kinds is derived again
		return nil
	}

	return c.checkKinds()
}

// checkKinds refuses a ledger with a kind of record that this version can't
// fold. The index is believed only if the record is there.
func (c formatCheck) checkKinds() (err error) {
	c.s.scan(bucketKinds, "", "", func(k, content []byte) bool {
		if history.IsKnown(history.Kind(k)) {
			return true
		}

		seq := trailingNumber(content)
		rec, sealErr := unseal(seq, c.s.get(bucketRecords, bigEndian(seq)))

		err = c.refuseUnknownKind(rec)
		if sealErr != nil || err == nil {
			err = damageError(nextRebuild, "an entry of the index %s was altered", bucketKinds)
		}

		return false
	})

	return err
}

// refuseUnknownKind refuses a record of a kind that this version can't fold.
func (c formatCheck) refuseUnknownKind(rec history.Record) error {
	if history.IsKnown(rec.Kind) {
		return nil
	}

	return c.newerLedgerError("holds records of the kind %q, record %d first; %s does not know them", rec.Kind,
		rec.Seq, describeVersion(c.version))
}

// newerLedgerError names the version that wrote the ledger, as far as it is known.
func (c formatCheck) newerLedgerError(what string, args ...any) error {
	writer := cmp.Or(string(c.s.get(bucketMeta, keyWriter)), "an unknown version")

	return research.Errorf(research.CodeUnsupported, "upgrade ratchet: this one has neither read nor written anything",
		"%s was written by a newer ratchet (%s) and %s", c.s.path, writer, fmt.Sprintf(what, args...))
}

// recordWriter stores the version that writes, for the errors of older ones.
func (s *store) recordWriter(version string) error {
	if version == "" || string(s.get(bucketMeta, keyWriter)) == version {
		return nil
	}

	return s.put(bucketMeta, keyWriter, []byte(version))
}
