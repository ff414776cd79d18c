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
	Noticed    time.Time   `json:"noticed,omitzero"` // when the lease was first found fallen and the memory not back
	Quarantine *Quarantine `json:"quarantine,omitempty"`
}

// pathStem is a device's path in the folder of locks, to which an ending is
// added. Old drivers' names of instances have slashes.
func pathStem(dir, uuid string) string {
	return filepath.Join(dir, "gpu-"+strings.ReplaceAll(uuid, "/", "_"))
}

func lockPath(dir, uuid string) string { return pathStem(dir, uuid) + ".lock" }

// readRecord reads what is known of a device; nothing is known of a new one.
// What can't be read counts as a lease that fell with nothing in use, so that
// the device must show that it is idle.
func readRecord(dir, uuid string) (record, error) {
	text, err := os.ReadFile(pathStem(dir, uuid) + ".json")
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0 {
		return record{UUID: uuid}, nil
	}

	if err != nil {
		return record{}, fmt.Errorf("read the state of a GPU: %w", err)
	}

	var r record
	if json.Unmarshal(text, &r) != nil || r.UUID != uuid {
		r = record{UUID: uuid, Leased: true}
	}

	return r, nil
}

// write replaces the record. The caller holds the device's lock.
func (r record) write(dir string) (err error) {
	file, err := openShared(dir, filepath.Base(pathStem(dir, r.UUID))+".json")
	if err != nil {
		return research.Errorf(research.CodeStorage, "see who owns "+dir, "the state of a GPU can't be written: %w",
			err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()

	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write the state of a GPU: %w", err)
	}

	text = append(text, '\n')
	if _, err := file.WriteAt(text, 0); err != nil {
		return fmt.Errorf("write the state of a GPU: %w", err)
	}

	return file.Truncate(int64(len(text)))
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

	file, err := root.OpenFile(name, os.O_RDWR, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}

	file, err = root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err == nil {
		file.Chmod(0o666) // whatever the umask is; where that fails, others are kept out, not let in
	}

	return file, err
}

// isSettled says whether a device's memory is back at a baseline, and how much
// is in use. A device without memory of its own is settled when nobody computes
// on it.
func isSettled(d Driver, uuid string, baseline int64) (settled bool, used int64, err error) {
	sample, err := d.Sample(uuid)
	if err != nil {
		return false, 0, err
	}

	if sample.MemoryUsed != Unknown && baseline != Unknown {
		return sample.MemoryUsed <= baseline+idleSlack, sample.MemoryUsed, nil
	}

	n, err := countComputing(d, uuid)

	return n == 0, sample.MemoryUsed, err
}

// countComputing counts the processes that compute on a device; none where the
// driver does not tell.
func countComputing(d Driver, uuid string) (n int, err error) {
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

// describeUse words the reason of a quarantine: what is still in use after a wait.
func describeUse(used, baseline int64, waited time.Duration) string {
	if used == Unknown || baseline == Unknown {
		return fmt.Sprintf("processes still compute on it %s after a run's end", waited)
	}

	const mib = 1 << 20

	return fmt.Sprintf("%d MiB are in use %s after a run's end, %d MiB before it", used/mib, waited, baseline/mib)
}

// Status is what a person may want to know of a device.
type Status struct {
	Device     Device
	Held       bool        // it is leased
	Holder     string      // what the holder says of itself; "" when free
	Quarantine *Quarantine // why it can't be leased; nil when it can
	MemoryUsed int64       // bytes, or Unknown
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
	for i, device := range devices {
		if list[i], err = surveyDevice(d, dir, device); err != nil {
			return nil, err
		}
	}

	return list, nil
}

// surveyDevice tells the state of one device. A driver that does not answer for
// it is not an error but the status's Failure.
func surveyDevice(d Driver, dir string, device Device) (Status, error) {
	status := Status{Device: device, MemoryUsed: Unknown}

	locked, err := sandbox.Locked(lockPath(dir, device.UUID))
	if err != nil {
		return status, err
	}

	if locked {
		status.Held, status.Holder = true, readHolder(dir, device.UUID)
	}

	r, err := readRecord(dir, device.UUID)
	if err != nil {
		return status, err
	}

	status.Quarantine = r.Quarantine

	sample, err := d.Sample(device.UUID)
	if err != nil {
		status.Failure = err.Error()
		return status, nil
	}

	status.MemoryUsed = sample.MemoryUsed

	status.Processes, err = d.Processes(device.UUID)
	if err != nil && !errors.Is(err, ErrNotTold) {
		status.Failure = err.Error()
	}

	return status, nil
}

// readHolder reads what a lease's holder wrote in the lock; the text may be
// incomplete, because it may be writing just now.
func readHolder(dir, uuid string) string {
	file, err := os.Open(lockPath(dir, uuid))
	if err != nil {
		return ""
	}
	defer file.Close()

	text, _ := io.ReadAll(io.LimitReader(file, 512))

	return strings.TrimSpace(string(text))
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
			readHolder(dir, uuid))
	}

	return errors.Join(record{UUID: uuid}.write(dir), lock.Release())
}
