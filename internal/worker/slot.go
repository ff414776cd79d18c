package worker

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"ratchet/internal/fault"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/sandbox"
)

// The machine's measuring slot is held while a command is measured, and between the
// commands of one block: the two runs of a pair, a run and its evaluator. A worker
// that takes longer between two of them gives the slot back and queues for it
// again; so nothing that a run leaves, and nothing that stops or hangs this worker
// there, keeps others from measuring.
type measuringSlot struct {
	mu    sync.Mutex
	lock  *sandbox.Lock // nil while others may have it
	until time.Time     // when it is given back at the latest
	timer *time.Timer   // gives it back
	block int           // for which it is, or was, held: a pair's number, or less than 0 for a single run
	runs  int           // of the block that have ended
}

// blockPause is how long the slot is held between two commands of a block.
const blockPause = 3 * time.Second

// hold takes the slot with acquire, unless it is held. longest is how long the whole
// block may take.
func (s *measuringSlot) hold(longest time.Duration, acquire func() (*sandbox.Lock, error)) error {
	if s.resume() {
		return nil
	}

	lock, err := acquire()
	if err != nil {
		return err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.lock, s.until = lock, time.Now().Add(longest)
	s.giveBackIn(longest)

	return nil
}

// resume goes on with a block; not ok where the slot is not held any more.
func (s *measuringSlot) resume() (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.lock == nil {
		return false
	}
	s.giveBackIn(time.Until(s.until))

	return true
}

// pause holds the slot for a moment, for the block's next command.
func (s *measuringSlot) pause() {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.lock != nil {
		s.giveBackIn(min(blockPause, time.Until(s.until)))
	}
}

// giveBackIn sets the time after which the slot is given back. The caller has the mutex.
func (s *measuringSlot) giveBackIn(after time.Duration) {
	if s.timer != nil {
		s.timer.Stop()
	}
	lock := s.lock

	s.timer = time.AfterFunc(after, func() {
		s.mu.Lock()
		defer s.mu.Unlock()

		if s.lock == lock {
			s.drop()
		}
	})
}

// release gives the slot back. Without one it does nothing.
func (s *measuringSlot) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
}

func (s *measuringSlot) drop() {
	if s.timer != nil {
		s.timer.Stop()
	}
	_ = s.lock.Release() // the lock falls with the file, whatever closing it says
	s.lock, s.timer = nil, nil
}

// holdMachine waits until the run may be measured: for the slot, unless it has GPUs of
// its own. Waiting counts against no budget.
func (r *runner) holdMachine(ctx context.Context, run rules.Run) error {
	if r.space.program().GPUs > 0 {
		return nil
	}

	block := -run.Number
	if isHalf(run) {
		block = run.Pair
	}

	if r.slot.block != block {
		r.slot.release()
		r.slot.block, r.slot.runs = block, 0
	}
	longest := longestBlock(r.space.program(), run)

	return r.slot.hold(longest, func() (*sandbox.Lock, error) { return r.acquireSlot(ctx, longest) })
}

// longestBlock is how long a block that begins with this run holds the slot, at most.
func longestBlock(program *contract.Program, run rules.Run) time.Duration {
	commands := time.Duration(1)
	if program.Measure != "" {
		commands = 2
	}

	if isHalf(run) {
		commands *= 2
	}

	return commands * (time.Duration(program.Budget.Wall+program.Budget.Grace) + sandbox.RunOverhead)
}

// isHalf says whether a run is one of a pair's two, which are one block.
func isHalf(run rules.Run) bool { return run.Pair > 0 && !run.Again }

// leaveMachine gives back the slot after a run, or holds it for a moment where the other
// half of the pair follows.
func (r *runner) leaveMachine(run rules.Run) {
	r.slot.runs++

	if isHalf(run) && r.slot.runs == 1 {
		r.slot.pause()
		return
	}

	r.slot.release()
}

// acquireSlot waits for the machine's measuring slot, and says in it who has it, and for
// how long at most.
func (r *runner) acquireSlot(ctx context.Context, longest time.Duration) (*sandbox.Lock, error) {
	waiting := func(place int, holder string) {
		r.owner.reportPhase(fmt.Sprintf("waiting for the machine, place %d, held %s", place,
			cmp.Or(strings.TrimSpace(holder), "by another run")))
	}
	var slot *sandbox.Lock

	err := fault.At("machine.slot", func() (err error) {
		slot, err = sandbox.AcquireSlot(ctx, "measure", r.space.program().Parallel, waiting)
		return err
	})
	if err == nil {
		err = slot.Write(fmt.Appendf(nil, "since %s for at most %s by %s: campaign %s, pid %d\n",
			time.Now().UTC().Format(time.TimeOnly+"Z"), longest, r.Repo.Root(), r.campaign, os.Getpid()))
	}

	return slot, err
}
