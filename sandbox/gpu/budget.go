package gpu

import "time"

// Budget is the GPU time of one run: leased devices × wall time. It is arithmetic
// on what it is given; times should carry the monotonic clock.
type Budget struct {
	Limit    time.Duration // GPU time in all; 0 is no limit
	GPUs     int           // leased devices, a MIG instance counting as one
	FirstUse bool          // the clock starts when the run first uses a GPU, else with the process
	Start    time.Time     // of the process
	Used     time.Time     // when its first use was seen; zero: not yet
}

// clockStart is when the clock started, zero while it stands.
func (b Budget) clockStart() time.Time {
	if b.FirstUse {
		return b.Used
	}

	return b.Start
}

// Spent is the GPU time used up at now. It is charged for every leased device
// alike, used or not.
func (b Budget) Spent(now time.Time) time.Duration {
	start := b.clockStart()
	if start.IsZero() || now.Before(start) {
		return 0
	}

	return now.Sub(start) * time.Duration(b.GPUs)
}

// Left is the GPU time that remains, never below zero; the whole limit while
// the clock stands. Without a limit it is zero, and says nothing.
func (b Budget) Left(now time.Time) time.Duration {
	return max(0, b.Limit-b.Spent(now))
}

// Exceeded says whether the limit is reached at now.
func (b Budget) Exceeded(now time.Time) bool {
	at, ok := b.Deadline()
	return ok && !now.Before(at)
}

// Deadline is the time at which the limit is reached; ok is false while the
// clock stands, and without a limit.
func (b Budget) Deadline() (at time.Time, ok bool) {
	start := b.clockStart()
	if b.Limit <= 0 || b.GPUs < 1 || start.IsZero() {
		return time.Time{}, false
	}

	wall := b.Limit / time.Duration(b.GPUs)
	if wall*time.Duration(b.GPUs) < b.Limit {
		wall++ // never a nanosecond early
	}

	return start.Add(wall), true
}
