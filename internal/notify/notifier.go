package notify

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

	"ratchet/internal/checkout"
	"ratchet/internal/notify/send"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/ledger"
	"ratchet/sandbox"
)

// pollInterval is how often a notifier looks whether something was appended.
const pollInterval = 500 * time.Millisecond

// idleLimit is how long a notifier stays after the last record when no target
// wants to hear of a stall.
const idleLimit = 10 * time.Minute

// StartNotifier starts the campaign's notifier, unless one runs, the program has no
// targets, or a person has not allowed them. A failure to start is logged and not
// returned: no call fails for it.
func StartNotifier(co *checkout.Checkout, campaign *history.Campaign) {
	if !campaign.Program.HasNotifier() || len(co.Opt.Tell) == 0 {
		return
	}

	running, err := sandbox.Locked(NotifierFile(co, campaign.Name, "lock"))
	if err != nil || running {
		return
	}

	if err := os.MkdirAll(notifierDir(co), 0o700); err != nil {
		return
	}

	if MissingAllowance(co, campaign.ProgramPath, campaign.Program) != "" {
		return // start_campaign, doctor and status say so
	}

	argv := slices.Concat(co.Opt.Tell, []string{"--campaign", campaign.Name, "--ledger", co.Ledger.Path(), "-C",
		co.Repo.Root()})
	if _, err := sandbox.Detach(argv, os.Environ(), co.Repo.Root(),
		NotifierFile(co, campaign.Name, "out")); err != nil {
		logDelivery(co, campaign.Name, "no notice is sent, its process did not start: "+wording.ErrorLine(err))
	}
}

// notifierDir is the folder of the notifiers' files: for each campaign a lock, a
// queue, a log, what its process printed, and what hooks printed last.
func notifierDir(co *checkout.Checkout) string { return filepath.Join(co.Ledger.Dir(), "notify") }

// NotifierFile is the path of one of these files; kind is lock, queue, log, out or
// hooks.
func NotifierFile(co *checkout.Checkout, campaign, kind string) string {
	return filepath.Join(notifierDir(co), campaign+"."+kind)
}

// notifier carries one campaign's notices.
type notifier struct {
	*checkout.Checkout
	campaign        string
	client          *http.Client
	queue           *deliveryQueue
	state           *history.Campaign // as last read
	stamp           ledger.Stamp      // of then
	lastRecord      time.Time         // of the campaign's newest record
	head            uint64
	contractStamp   string // what program.md was like when it was last parsed
	contractChanged bool   // and whether it was another contract
	contractChecked time.Time
}

// RunNotifier is the whole life of a notifier process. A second one of the same
// campaign ends at once. It ends when the campaign ends, rests or has nothing left
// to spend, after it has announced a silence, or when ctx does; what was not
// delivered by then stays in the queue for the next one.
func RunNotifier(ctx context.Context, co *checkout.Checkout, campaign string) error {
	if err := os.MkdirAll(notifierDir(co), 0o700); err != nil {
		return fmt.Errorf("make the folder for notices: %w", err)
	}

	for again := true; again; {
		lock, ok, err := sandbox.TryLock(NotifierFile(co, campaign, "lock"))
		if err != nil {
			return err
		}

		if !ok {
			sandbox.Ready(nil)
			return nil
		}
		_ = lock.Write(fmt.Appendf(nil, "%d\n", os.Getpid()))
		t := &notifier{Checkout: co, campaign: campaign, client: send.Client()}

		err = t.run(ctx)
		if releaseErr := lock.Release(); err != nil || releaseErr != nil || ctx.Err() != nil {
			return errors.Join(err, releaseErr)
		}
		// Who appended just before the release saw the lock held and started no notifier.
		again = t.hasNews()
	}

	return checkout.RemoveIfEmpty(NotifierFile(co, campaign, "out"))
}

// run looks and delivers until nothing is to come.
func (t *notifier) run(ctx context.Context) error {
	var err error
	if t.queue, err = readQueue(t.Checkout, t.campaign); err != nil {
		return err
	}

	for failed := 0; ; {
		err := t.queueNews(ctx)
		// Only now: what is appended after Ready counts as news, however slow the start was.
		sandbox.Ready(nil)

		if err != nil {
			if failed++; failed >= 5 || ctx.Err() != nil {
				logDelivery(t.Checkout, t.campaign, "the ledger could not be read: "+wording.ErrorLine(err))
				return err
			}
		} else {
			failed = 0
		}

		if t.state != nil {
			if err := t.deliverDue(ctx); err != nil {
				return err
			}

			if t.isDone() {
				return nil
			}
		}

		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pollInterval):
		}

		if _, err := os.Stat(NotifierFile(t.Checkout, t.campaign, "lock")); err != nil {
			return nil // the repository is gone
		}
	}
}

// hasNews says whether something was appended since the last look.
func (t *notifier) hasNews() bool {
	now, err := t.Ledger.Stamp()
	return err == nil && now != t.stamp
}

// isDone says that nothing is to come that the notifier must wait for.
func (t *notifier) isDone() bool {
	campaign := t.state

	quiet := time.Since(t.lastRecord)
	switch {
	case t.hasNews():
		return false
	case campaign.Rests != nil || !campaign.Program.HasNotifier():
		return true // what is queued waits for the next notifier
	case len(t.queue.Pending) > 0:
		return false
	case campaign.Ended != "" || slices.Contains(t.queue.Announced, history.Silence):
		return true
	case t.hasRunningJob():
		return false
	case slices.Contains(t.queue.Announced, history.Spent):
		return quiet > time.Minute
	}
	waits := slices.ContainsFunc(campaign.Program.Notify,
		func(x contract.Target) bool { return x.Hook == "" && x.WantsEvent(contract.EventStall) })

	return !waits && quiet > idleLimit
}

// hasRunningJob says whether a worker of the campaign is alive.
func (t *notifier) hasRunningJob() bool {
	return slices.ContainsFunc(t.state.Open, func(id research.JobID) bool { return t.HasWorker(t.campaign, id) })
}

// queueNews queues what is new, and stores the queue before any of it is sent.
func (t *notifier) queueNews(ctx context.Context) error {
	var found []history.Notice

	if t.state == nil || t.hasNews() {
		stamp, err := t.Ledger.Stamp()
		if err != nil {
			return err
		}

		if found, err = t.readNews(ctx); err != nil {
			return err
		}
		t.stamp = stamp
	}

	running := t.hasRunningJob()
	if len(found) == 0 && t.hasNews() {
		return nil // a job that just ended was seen gone before its end was read
	}
	now := history.Circumstances(t.state, history.Situation{Now: time.Now().UTC(), Last: t.lastRecord, Head: t.head,
		Running: running || t.hasNews(), Changed: t.contractDiffers(ctx)})

	told := slices.DeleteFunc(slices.Clone(t.queue.Announced),
		func(k history.Circumstance) bool { _, still := now[k]; return !still })
	for k, n := range now {
		if !slices.Contains(told, k) {
			told, found = append(told, k), append(found, n)
		}
	}
	slices.Sort(told)

	if len(found) == 0 && slices.Equal(told, t.queue.Announced) {
		return t.storeCursor()
	}

	t.queue.Announced = told
	for _, n := range found {
		t.enqueue(n)
	}

	return t.saveQueue()
}

// readNews reads the records since the cursor, in pages, and returns what they are
// news of. The first notifier of a campaign begins with what comes after it.
func (t *notifier) readNews(ctx context.Context) (found []history.Notice, err error) {
	const page = 500 // records while the ledger is locked

	for more := true; more; {
		err = t.Ledger.View(ctx, func(tx *ledger.Tx) error {
			if t.state, err = tx.Campaign(t.campaign); err != nil {
				return err
			}

			t.head, _ = tx.Head()
			if t.queue.Seq == 0 {
				t.queue.Seq, t.lastRecord = t.head, time.Now()
			}

			from, n := t.queue.Seq+1, 0
			if more = false; from > t.head {
				return nil
			}

			return tx.Records(from, func(record history.Record) error {
				if n++; n > page {
					more = true
					return ledger.ErrStop
				}

				t.queue.Seq = record.Seq
				if record.Campaign != t.campaign {
					return nil
				}
				t.lastRecord = record.Time

				news, err := noticeFromRecord(tx, t.state, record)
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

	if t.lastRecord.IsZero() { // nothing new since the notifier before this one
		t.lastRecord = t.queue.Last
	}
	t.queue.Last = t.lastRecord

	return found, nil
}

// noticeFromRecord is what a record is news of, nil for nothing. Of an invalid
// experiment it reads the ones before it, too: several in a row are a crash loop.
func noticeFromRecord(tx *ledger.Tx, campaign *history.Campaign, record history.Record) (*history.Notice, error) {
	switch record.Kind {
	case history.KindExperimentKept, history.KindExperimentJudged, history.KindRunLost,
		history.KindCertificateFinished:
	default:
		return nil, nil
	}

	id, err := history.Touches(record)
	if err != nil || id.Kind() != research.ExperimentJob {
		return newNotice(campaign, record, nil, nil, err)
	}

	experiment, err := tx.Experiment(campaign.Name, id.N())
	if err != nil {
		return nil, err
	}

	var before []history.Experiment
	if record.Kind != history.KindExperimentKept && experiment.Judgement != nil &&
		experiment.Judgement.Verdict == research.Invalid {
		for n := experiment.N - 1; n > 0 && len(before) < history.CrashesLookedAt; n-- {
			tried, err := tx.Experiment(campaign.Name, n)
			if err != nil {
				return nil, err
			}

			before = append(before, *tried)
		}
	}

	return newNotice(campaign, record, experiment, before, nil)
}

// newNotice passes err on, so that its callers can return what they got.
func newNotice(
	campaign *history.Campaign, record history.Record, experiment *history.Experiment,
	before []history.Experiment, err error,
) (*history.Notice, error) {
	if err != nil {
		return nil, err
	}

	return history.Noticed(campaign, record, experiment, before)
}

// storeCursor stores the cursor every thousand records although nothing is queued,
// so that the next notifier need not read them all again.
func (t *notifier) storeCursor() error {
	if t.queue.Seq < t.queue.saved+1000 && t.queue.saved > 0 {
		return nil
	}

	return t.saveQueue()
}

// contractDiffers says whether the checkout is on the campaign's branch and has
// another contract than the accepted one. It looks at most every five seconds, and
// parses the program only when the file has changed.
func (t *notifier) contractDiffers(ctx context.Context) bool {
	if time.Since(t.contractChecked) < 5*time.Second {
		return t.contractChanged
	}
	t.contractChecked = time.Now()

	info, err := os.Stat(t.ProgramFile(t.state))
	if err != nil {
		return false
	}

	seen := fmt.Sprint(info.ModTime(), info.Size(), t.state.Digest)
	if seen != t.contractStamp {
		t.contractStamp = seen
		err := t.RequireAcceptedContract(t.state)
		t.contractChanged = (research.HasCode(err, research.CodeContract) || research.HasCode(err,
			research.CodeProgram)) &&
			t.IsCampaignBranch(t.state,
				t.Repo.Branch(ctx))
	}

	return t.contractChanged
}

// enqueue adds a notice for each target that wants it. A new best takes the place of
// those that were not tried yet, and counts them.
func (t *notifier) enqueue(notice history.Notice) {
	for _, target := range t.state.Program.Notify {
		if target.Hook != "" || !target.WantsEvent(notice.Event) {
			continue
		}

		pending := pendingNotice{Notice: notice, Target: targetKey(target), Due: time.Now()}
		if notice.Event == contract.EventBest {
			t.queue.Pending = slices.DeleteFunc(t.queue.Pending, func(o pendingNotice) bool {
				same := o.Target == pending.Target && o.Event == notice.Event && o.Attempts == 0
				if same {
					pending.More += o.More + 1
				}

				return same
			})
		}

		t.queue.Pending = append(t.queue.Pending, pending)
	}
}

// deliverDue makes one attempt for everything that is due.
func (t *notifier) deliverDue(ctx context.Context) error {
	for _, pending := range slices.Clone(t.queue.Pending) {
		if ctx.Err() != nil || time.Now().Before(pending.Due) {
			continue
		}

		i := slices.IndexFunc(t.state.Program.Notify,
			func(x contract.Target) bool { return targetKey(x) == pending.Target })
		if i < 0 { // no part of the contract any more
			t.updateQueue(pending, nil)
			continue
		}
		target := t.state.Program.Notify[i]

		said, err := "", error(nil)
		// Looked up each time: a file that the program names may have changed.
		if why := MissingAllowance(t.Checkout, t.state.ProgramPath, t.state.Program); why != "" {
			err = errors.New(why)
		} else {
			said, err = sendNotice(ctx, t.Checkout, programDir(t.Checkout, t.state.ProgramPath), target,
				newMessage(t.Checkout, t.state, pending.Notice, pending.More), t.client)
		}

		if ctx.Err() != nil {
			return nil // whether it got through is unknown, so the next notifier sends it again
		}
		t.recordAttempt(pending, target, said, err)

		if err := t.saveQueue(); err != nil {
			return err
		}
	}

	return nil
}

// recordAttempt notes in queue and log what became of an attempt.
func (t *notifier) recordAttempt(pending pendingNotice, target contract.Target, said string, err error) {
	words := strings.TrimSpace(fmt.Sprintf("%s: %s %d", target.Name(), pending.Event, pending.Seq))
	var later *send.Later

	if err == nil {
		t.updateQueue(pending, nil)
		logDelivery(t.Checkout, t.campaign, words+" delivered "+said)
		t.queue.recordResult(target, "", "")

		return
	}

	pending.Attempts++
	if errors.As(err, &later) {
		if wait, again := send.Delay(pending.Attempts, later.After, rand.Float64()); again {
			pending.Due = time.Now().Add(wait)
			t.updateQueue(pending, &pending)
			logDelivery(t.Checkout, t.campaign,
				fmt.Sprintf("%s failed, again in %s: %s", words, wait.Round(time.Second),
					wording.ErrorLine(err)))
			t.queue.recordResult(target, "trying again", wording.ErrorLine(err))

			return
		}
	}
	t.updateQueue(pending, nil)
	logDelivery(t.Checkout, t.campaign, words+" given up: "+wording.ErrorLine(err))
	t.queue.recordResult(target, "given up", wording.ErrorLine(err))
}

// updateQueue replaces the entry of p by with, or removes it where with is nil.
func (t *notifier) updateQueue(p pendingNotice, with *pendingNotice) {
	i := slices.IndexFunc(t.queue.Pending, func(o pendingNotice) bool {
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
