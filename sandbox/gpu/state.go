package gpu

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/sandbox"
)

// Quarantine says why a device is not leased.
type Quarantine struct {
	Reason string    `json:"reason"` // one sentence without a full stop
	Since  time.Time `json:"since"`
}

// record is what the machine remembers of a device, in a file beside its lock.
// It is written only by who holds that lock, and never removed: in a folder of
// all users nobody may remove another's file.
type record struct {
	UUID       string      `json:"uuid"`
	Leased     bool        `json:"leased"`           // a lease has begun and not ended well
	Baseline   int64       `json:"baseline"`         // bytes in use when that lease began; Unknown
	Noticed    time.Time   `json:"noticed,omitzero"` // when somebody found the lease fallen and the memory not back
	Quarantine *Quarantine `json:"quarantine,omitempty"`
}

// stem is a device's path in the folder of locks, to which an ending is added.
// Old drivers' names of instances have slashes.
func stem(dir, uuid string) string {
	return filepath.Join(dir, "gpu-"+strings.ReplaceAll(uuid, "/", "_"))
}

func lockPath(dir, uuid string) string { return stem(dir, uuid) + ".lock" }

// readRecord reads what is known of a device; nothing is known of a new one.
// What can't be read counts as a lease that fell with nothing in use, so that
// the device must show that it is idle.
func readRecord(dir, uuid string) (record, error) {
	b, err := os.ReadFile(stem(dir, uuid) + ".json")
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
		return record{UUID: uuid}, nil
	}

	if err != nil {
		return record{}, fmt.Errorf("read the state of a GPU: %w", err)
	}

	var r record
	if json.Unmarshal(b, &r) != nil || r.UUID != uuid {
		r = record{UUID: uuid, Leased: true}
	}

	return r, nil
}

// write replaces the record. The caller holds the device's lock.
func (r record) write(dir string) (err error) {
	f, err := openShared(dir, filepath.Base(stem(dir, r.UUID))+".json")
	if err != nil {
		return research.Errorf(research.CodeStorage, "see who owns "+dir, "the state of a GPU can't be written: %w",
			err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()

	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write the state of a GPU: %w", err)
	}

	if _, err := f.WriteAt(append(b, '\n'), 0); err != nil {
		return fmt.Errorf("write the state of a GPU: %w", err)
	}

	return f.Truncate(int64(len(b)) + 1)
}

// openShared opens a file that every user may write, making it if absent and
// never following a link out of dir. It opens first and makes then, since the
// kernel refuses to "make" another user's existing file in a sticky folder.
func openShared(dir, name string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()

	f, err := root.OpenFile(name, os.O_RDWR, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}

	f, err = root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err == nil {
		f.Chmod(0o666) // whatever the umask; where that fails, others are kept out, not let in
	}

	return f, err
}

// settled says whether a device's memory is back at a baseline. A device
// without memory of its own is settled when nobody computes on it.
func settled(d Driver, uuid string, baseline int64) (ok bool, used int64, err error) {
	s, err := d.Sample(uuid)
	if err != nil {
		return false, 0, err
	}

	if s.MemoryUsed != Unknown && baseline != Unknown {
		return s.MemoryUsed <= baseline+idleSlack, s.MemoryUsed, nil
	}
	n, err := computing(d, uuid)

	return n == 0, s.MemoryUsed, err
}

// computing counts the processes that compute on a device; none where the
// driver does not tell.
func computing(d Driver, uuid string) (n int, err error) {
	list, err := d.Processes(uuid)
	if errors.Is(err, ErrNotTold) {
		return 0, nil
	}

	for _, p := range list {
		if !p.Graphics {
			n++
		}
	}

	return n, err
}

// notBack words the reason of a quarantine.
func notBack(used, baseline int64, bound time.Duration) string {
	if used == Unknown || baseline == Unknown {
		return fmt.Sprintf("processes still compute on it %s after a run's end", bound)
	}
	const mib = 1 << 20

	return fmt.Sprintf("%d MiB are in use %s after a run's end, %d MiB before it", used/mib, bound, baseline/mib)
}

// Status is what a person may want to know of a device.
type Status struct {
	Device     Device
	Held       bool        // somebody holds a lease on it
	Holder     string      // what that one says of itself; "" when free
	Quarantine *Quarantine // why it is not leased; nil
	MemoryUsed int64       // bytes; Unknown
	Processes  []Process   // who is on it, as far as the driver tells
	Failure    string      // why the driver does not answer for it; ""
}

// Survey tells the state of every device. It takes no lock and changes nothing.
func Survey(d Driver) ([]Status, error) {
	devices, err := d.Devices()
	if err != nil {
		return nil, err
	}

	dir, _, err := sandbox.LockDir()
	if err != nil {
		return nil, err
	}

	list := make([]Status, len(devices))
	for i, dev := range devices {
		if list[i], err = survey(d, dir, dev); err != nil {
			return nil, err
		}
	}

	return list, nil
}

func survey(d Driver, dir string, dev Device) (Status, error) {
	st := Status{Device: dev, MemoryUsed: Unknown}

	held, err := sandbox.Locked(lockPath(dir, dev.UUID))
	if err != nil {
		return st, err
	}

	if held {
		st.Held, st.Holder = true, holder(dir, dev.UUID)
	}

	r, err := readRecord(dir, dev.UUID)
	if err != nil {
		return st, err
	}
	st.Quarantine = r.Quarantine

	s, err := d.Sample(dev.UUID)
	if err != nil {
		st.Failure = err.Error()
		return st, nil
	}
	st.MemoryUsed = s.MemoryUsed

	st.Processes, err = d.Processes(dev.UUID)
	if err != nil && !errors.Is(err, ErrNotTold) {
		st.Failure = err.Error()
	}

	return st, nil
}

// holder is what a lease's holder wrote; it may be in the midst of it.
func holder(dir, uuid string) string {
	f, err := os.Open(lockPath(dir, uuid))
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 512))

	return strings.TrimSpace(string(b))
}

// Clear takes a device out of quarantine, whatever its memory; nothing happens
// when it is in none. It fails with CodeBusy while somebody holds its lease, and
// with CodeNotFound for a device that was never leased here.
func Clear(uuid string) error {
	dir, _, err := sandbox.LockDir()
	if err != nil {
		return err
	}

	if _, err := os.Lstat(lockPath(dir, uuid)); errors.Is(err, fs.ErrNotExist) {
		return research.Errorf(research.CodeNotFound, "see `ratchet doctor` for the GPUs of this machine",
			"no GPU %s was ever leased here", uuid)
	}
	lock, ok, err := sandbox.TryLock(lockPath(dir, uuid))
	if err != nil {
		return err
	}

	if !ok {
		return research.Errorf(research.CodeBusy, "wait until its run has ended", "the GPU %s is leased to %s", uuid,
			holder(dir, uuid))
	}

	return errors.Join(record{UUID: uuid}.write(dir), lock.Release())
}
