package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ratchet/internal/notify"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/ledger"
	"ratchet/sandbox"
)

// This file is the life of a teller, the process that carries a campaign's
// notices to where `notify:` says. It reads the ledger as anybody does, so that
// no call waits for it:
//
//	startTeller  by a supervisor, or by a decision that finds none: a process of its own
//	Tell         (in the teller) look → deliver → sleep, until nothing is to come
//	look         records since the cursor → notices; states that began → notices; all into the queue
//	deliver      what is due, one attempt each; what fails is due again later

// tellerTick is how often a teller looks whether something was appended.
const tellerTick = 500 * time.Millisecond

// idleTeller is how long a teller stays after the last record when no target
// waits for a standstill.
const idleTeller = 10 * time.Minute

// startTeller starts the campaign's teller unless there is one, or nobody is to
// be told. What keeps it from starting keeps nobody from working: its log says it.
func (l *Lab) startTeller(c *history.Campaign) {
	if !c.Program.Tells() || len(l.opt.Tell) == 0 {
		return
	}

	if held, err := sandbox.Locked(l.tellFile(c.Name, "lock")); err != nil || held || os.MkdirAll(l.tellDir(),
		0o700) != nil {
		return
	}

	if l.notAllowed(c.ProgramPath, c.Program) != "" {
		return // start_campaign, doctor and status say so
	}

	argv := slices.Concat(l.opt.Tell, []string{"--campaign", c.Name, "--ledger", l.ledger.Path(), "-C", l.repo.Root()})
	if _, err := sandbox.Detach(argv, os.Environ(), l.repo.Root(), l.tellFile(c.Name, "out")); err != nil {
		l.logTold(c.Name, "no notice is sent, its process did not start: "+reasonOf(err))
	}
}

// tellDir is the folder of the tellers' files; of each campaign a lock, a
// queue, a log and what its process printed.
func (l *Lab) tellDir() string { return filepath.Join(l.ledger.Dir(), "notify") }

func (l *Lab) tellFile(campaign, kind string) string {
	return filepath.Join(l.tellDir(), campaign+"."+kind)
}

// teller carries one campaign's notices.
type teller struct {
	*Lab
	campaign string
	client   *http.Client
	queue    *queued
	c        *history.Campaign // as last read
	stamp    ledger.Stamp      // of then
	last     time.Time         // of the campaign's newest record
	head     uint64
	contract string // what program.md was like when it was last parsed
	changed  bool   // and whether it was another contract
	checked  time.Time
}

// Tell is the whole life of a teller process: there is at most one of a
// campaign, a second one ends at once. It ends when the campaign ends, rests or
// has nothing left to spend, after a silence that was told, or when ctx does;
// what was not delivered then is the next one's.
func (l *Lab) Tell(ctx context.Context, campaign string) error {
	if err := os.MkdirAll(l.tellDir(), 0o700); err != nil {
		return fmt.Errorf("make the folder for notices: %w", err)
	}

	for again := true; again; {
		lock, ok, err := sandbox.TryLock(l.tellFile(campaign, "lock"))
		if err != nil {
			return err
		}

		if !ok {
			sandbox.Ready(nil)
			return nil
		}
		_ = lock.Write(fmt.Appendf(nil, "%d\n", os.Getpid()))
		t := &teller{Lab: l, campaign: campaign, client: notify.Client()}

		err = t.live(ctx)
		if releaseErr := lock.Release(); err != nil || releaseErr != nil || ctx.Err() != nil {
			return errors.Join(err, releaseErr)
		}
		// Whoever appended in this very moment saw the lock held.
		again = t.news()
	}

	return removeIfEmpty(l.tellFile(campaign, "out"))
}

func (t *teller) live(ctx context.Context) error {
	var err error
	if t.queue, err = t.readQueue(t.campaign); err != nil {
		return err
	}

	for failed := 0; ; {
		err := t.look(ctx)
		sandbox.Ready(nil) // not before: what is appended from here on is news, however slowly this process came up

		if err != nil {
			if failed++; failed >= 5 || ctx.Err() != nil {
				t.logTold(t.campaign, "the ledger could not be read: "+reasonOf(err))
				return err
			}
		} else {
			failed = 0
		}

		if t.c != nil {
			if err := t.deliver(ctx); err != nil {
				return err
			}

			if t.done() {
				return nil
			}
		}

		select {
		case <-ctx.Done():
			return nil
		case <-time.After(tellerTick):
		}

		if _, err := os.Stat(t.tellFile(t.campaign, "lock")); err != nil {
			return nil // the repository is gone
		}
	}
}

// news says whether something was appended since the last look.
func (t *teller) news() bool {
	now, err := t.ledger.Stamp()
	return err == nil && now != t.stamp
}

// done says that nothing is to come that a teller must wait for.
func (t *teller) done() bool {
	c := t.c

	quiet := time.Since(t.last)
	switch {
	case t.news():
		return false
	case c.Rests != nil || !c.Program.Tells():
		return true // what is queued waits for the next teller
	case len(t.queue.Pending) > 0:
		return false
	case c.Ended != "" || slices.Contains(t.queue.Told, history.Silence):
		return true
	case t.running():
		return false
	case slices.Contains(t.queue.Told, history.Spent):
		return quiet > time.Minute
	}
	waits := slices.ContainsFunc(c.Program.Notify,
		func(x contract.Target) bool { return x.Hook == "" && x.Wants(contract.EventStall) })

	return !waits && quiet > idleTeller
}

// running says whether a supervisor works for the campaign.
func (t *teller) running() bool {
	return slices.ContainsFunc(t.c.Open, func(id research.JobID) bool { return t.supervised(t.campaign, id) })
}

// look queues what is new, and stores the queue before any of it is sent.
func (t *teller) look(ctx context.Context) error {
	var found []history.Notice

	if t.c == nil || t.news() {
		stamp, err := t.ledger.Stamp()
		if err != nil {
			return err
		}

		if found, err = t.read(ctx); err != nil {
			return err
		}
		t.stamp = stamp
	}

	running := t.running()
	if len(found) == 0 && t.news() {
		return nil // a job that just ended was seen gone before its end was read
	}
	now := history.Circumstances(t.c, history.Situation{Now: time.Now().UTC(), Last: t.last, Head: t.head,
		Running: running || t.news(), Changed: t.otherContract(ctx)})

	told := slices.DeleteFunc(slices.Clone(t.queue.Told),
		func(k history.Circumstance) bool { _, still := now[k]; return !still })
	for k, n := range now {
		if !slices.Contains(told, k) {
			told, found = append(told, k), append(found, n)
		}
	}
	slices.Sort(told)

	if len(found) == 0 && slices.Equal(told, t.queue.Told) {
		return t.keepPace()
	}

	t.queue.Told = told
	for _, n := range found {
		t.enqueue(n)
	}

	return t.save()
}

// read takes the records since the cursor, in pages, and what they are news of.
// A teller that is the campaign's first begins with what comes after it.
func (t *teller) read(ctx context.Context) (found []history.Notice, err error) {
	const page = 500 // records while the ledger is locked

	for more := true; more; {
		err = t.ledger.View(ctx, func(tx *ledger.Tx) error {
			if t.c, err = tx.Campaign(t.campaign); err != nil {
				return err
			}

			t.head, _ = tx.Head()
			if t.queue.Seq == 0 {
				t.queue.Seq, t.last = t.head, time.Now()
			}

			from, n := t.queue.Seq+1, 0
			if more = false; from > t.head {
				return nil
			}

			return tx.Records(from, func(r history.Record) error {
				if n++; n > page {
					more = true
					return ledger.ErrStop
				}

				t.queue.Seq = r.Seq
				if r.Campaign != t.campaign {
					return nil
				}
				t.last = r.Time

				news, err := noticed(tx, t.c, r)
				if news != nil {
					found = append(found, *news)
				}

				return err
			})
		})
		if err != nil {
			return nil, err
		}
	}

	if t.last.IsZero() { // nothing new since another teller's time
		t.last = t.queue.Last
	}
	t.queue.Last = t.last

	return found, nil
}

// noticed is what a record is news of, with what of the ledger tells it.
func noticed(tx *ledger.Tx, c *history.Campaign, r history.Record) (*history.Notice, error) {
	switch r.Kind {
	case history.KindExperimentKept, history.KindExperimentJudged, history.KindRunLost,
		history.KindCertificateFinished:
	default:
		return nil, nil
	}

	id, err := history.Touches(r)
	if err != nil || id.Kind() != research.ExperimentJob {
		return noticeOf(c, r, nil, nil, err)
	}

	x, err := tx.Experiment(c.Name, id.N())
	if err != nil {
		return nil, err
	}

	var before []history.Experiment
	if r.Kind != history.KindExperimentKept && x.Judgement != nil && x.Judgement.Verdict == research.Invalid {
		for n := x.N - 1; n > 0 && len(before) < history.CrashesLookedAt; n-- {
			b, err := tx.Experiment(c.Name, n)
			if err != nil {
				return nil, err
			}

			before = append(before, *b)
		}
	}

	return noticeOf(c, r, x, before, nil)
}

func noticeOf(
	c *history.Campaign, r history.Record, x *history.Experiment, before []history.Experiment, err error,
) (*history.Notice, error) {
	if err != nil {
		return nil, err
	}

	return history.Noticed(c, r, x, before)
}

// keepPace stores the cursor now and then though nothing is queued, so that a
// successor need not read a whole night again.
func (t *teller) keepPace() error {
	if t.queue.Seq < t.queue.saved+1000 && t.queue.saved > 0 {
		return nil
	}

	return t.save()
}

// otherContract says whether the checkout that stands on the campaign has
// another contract than the accepted one. It reads the file when that changed.
func (t *teller) otherContract(ctx context.Context) bool {
	if time.Since(t.checked) < 5*time.Second {
		return t.changed
	}
	t.checked = time.Now()

	info, err := os.Stat(t.programFile(t.c))
	if err != nil {
		return false
	}

	seen := fmt.Sprint(info.ModTime(), info.Size(), t.c.Digest)
	if seen != t.contract {
		t.contract = seen
		err := t.agreed(t.c)
		t.changed = (isCode(err, research.CodeContract) || isCode(err, research.CodeProgram)) && t.onCampaign(t.c,
			t.repo.Branch(ctx))
	}

	return t.changed
}

// enqueue adds a notice for each target that wants it. New bests that were not
// sent yet become one message, the newest.
func (t *teller) enqueue(n history.Notice) {
	for _, target := range t.c.Program.Notify {
		if target.Hook != "" || !target.Wants(n.Event) {
			continue
		}

		p := pending{Notice: n, Target: targetKey(target), Due: time.Now()}
		if n.Event == contract.EventBest {
			t.queue.Pending = slices.DeleteFunc(t.queue.Pending, func(o pending) bool {
				same := o.Target == p.Target && o.Event == n.Event && o.Attempts == 0
				if same {
					p.More += o.More + 1
				}

				return same
			})
		}

		t.queue.Pending = append(t.queue.Pending, p)
	}
}

// deliver makes one attempt for everything that is due.
func (t *teller) deliver(ctx context.Context) error {
	for _, p := range slices.Clone(t.queue.Pending) {
		if ctx.Err() != nil || time.Now().Before(p.Due) {
			continue
		}

		i := slices.IndexFunc(t.c.Program.Notify, func(x contract.Target) bool { return targetKey(x) == p.Target })
		if i < 0 { // no part of the contract any more
			t.settle(p, nil)
			continue
		}
		target := t.c.Program.Notify[i]

		said, err := "", error(nil)
		if why := t.notAllowed(t.c.ProgramPath, t.c.Program); why != "" { // a file that it names was changed
			err = errors.New(why)
		} else {
			said, err = t.send(ctx, t.programDir(t.c.ProgramPath), target, t.message(t.c, p.Notice, p.More), t.client)
		}

		if ctx.Err() != nil {
			return nil // unknown whether it got through: it is sent again
		}
		t.attempted(p, target, said, err)

		if err := t.save(); err != nil {
			return err
		}
	}

	return nil
}

// attempted notes in queue and log what became of an attempt.
func (t *teller) attempted(p pending, target contract.Target, said string, err error) {
	words := strings.TrimSpace(fmt.Sprintf("%s: %s %d", target.Name(), p.Event, p.Seq))
	var later *notify.Later

	if err == nil {
		t.settle(p, nil)
		t.logTold(t.campaign, words+" delivered "+said)
		t.queue.note(target, "", "")

		return
	}

	p.Attempts++
	if errors.As(err, &later) {
		if wait, again := notify.Delay(p.Attempts, later.After, rand.Float64()); again {
			p.Due = time.Now().Add(wait)
			t.settle(p, &p)
			t.logTold(t.campaign, fmt.Sprintf("%s failed, again in %s: %s", words, wait.Round(time.Second),
				reasonOf(err)))
			t.queue.note(target, "trying again", reasonOf(err))

			return
		}
	}
	t.settle(p, nil)
	t.logTold(t.campaign, words+" given up: "+reasonOf(err))
	t.queue.note(target, "given up", reasonOf(err))
}

// settle takes an entry off the queue, or puts its new state in its place.
func (t *teller) settle(p pending, with *pending) {
	i := slices.IndexFunc(t.queue.Pending, func(o pending) bool {
		return o.Target == p.Target && o.Event == p.Event && o.Seq == p.Seq
	})
	if i < 0 {
		return
	}

	if with != nil {
		t.queue.Pending[i] = *with
		return
	}
	t.queue.Pending = slices.Delete(t.queue.Pending, i, i+1)
}
