package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"ratchet/sandbox/layers"
	"ratchet/sandbox/stage"
)

// runNamespaces runs under overlays.
func runNamespaces(ctx context.Context, spec Spec) (Result, error) {
	plan, points, err := spec.makePlan()
	defer removeAll(ctx, points)

	if err != nil {
		return Result{}, roomError("prepare the run's folders", err)
	}

	defer func() {
		for _, v := range spec.Views {
			if v.Upper != "" {
				removeAll(ctx, v.Work)
			}
		}
	}()

	attr, inUserNamespace := namespaceAttr()
	plan.UserXattr = inUserNamespace

	result, err := supervise(ctx, spec, plan, attr, spec.measuredFolders(plan))
	if err != nil {
		return Result{}, err
	}

	result.Enforced["tree"] = "enforced by a PID namespace"
	if inUserNamespace {
		result.Enforced["tree"] = "enforced by a PID namespace in a user namespace"
	}

	if len(spec.Views) > 0 {
		result.Enforced["view"] = "enforced by an overlay"
	}

	if spec.Confined {
		result.Enforced["ipc"] = "enforced by an IPC namespace"
	}

	if len(spec.Binds) > 0 {
		result.Enforced["carry"] = "enforced by read-only bind mounts"
	}

	return result, result.addChanges(ctx, spec.Views, nil)
}

// namespaceAttr is how the stage is cloned. Without the right to mount, it gets
// it in a user namespace in which every id but the caller's own is unmapped;
// the command is the same user as outside and has no capability there.
func namespaceAttr() (attr *syscall.SysProcAttr, inUserNamespace bool) {
	attr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Setsid: true}
	if canMount() {
		return attr, false
	}

	uid, gid := os.Geteuid(), os.Getegid()
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}

	// An overlay acts on its layers with its mounter's rights for as long as it
	// is mounted, also inside its work folder, which nobody may enter.
	// The last two are for the loopback device and for dropping all of them.
	attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_CHOWN,
		unix.CAP_FSETID, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP}

	return attr, true
}

// canMount says whether this process has CAP_SYS_ADMIN.
func canMount() bool {
	var data [2]unix.CapUserData
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}

	return unix.Capget(&head, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// makePlan makes the folders of every view and says what the stage shall mount.
// Mount points that the layers lack are made in a lowest layer of our own,
// in points, so that they never show up in an upper folder. The caller removes
// points, also after an error.
func (s *Spec) makePlan() (plan *stage.Plan, points string, err error) {
	plan = s.commandPlan()
	plan.Namespaces = true

	if points, err = os.MkdirTemp(s.Scratch, "points-"); err != nil {
		return nil, "", err
	}

	for i, v := range s.Views {
		if err := s.planView(plan, i, v, points); err != nil {
			return nil, points, err
		}
	}

	links := newLinkReader()

	for _, b := range s.Binds {
		if err := s.planBind(plan, b, points, links); err != nil {
			return nil, points, err
		}
	}

	if err := addPointLayers(plan, points); err != nil {
		return nil, points, err
	}

	if !s.Confined {
		return plan, points, nil
	}

	return plan, points, s.planRoot(plan, points, links)
}

// planView plans to mount the view of that index.
func (s *Spec) planView(plan *stage.Plan, index int, view View, points string) error {
	inside, rel := s.findView(view.Root, index)

	point := mountPoint{points: points, inside: inside, rel: rel, path: view.Root}
	if err := point.makeFolder(index > 0); err != nil {
		return err
	}

	if view.Upper != "" {
		if err := layers.MakeUpper(view.Upper, view.Work, view.Lower); err != nil {
			return err
		}
	}

	plan.Views = append(plan.Views, stage.View{
		Root: view.Root, Upper: view.Upper, Work: view.Work, Inside: inside,
		Lower: slices.Clone(view.Lower),
	})

	return nil
}

// addPointLayers adds the layers in points to the views for which there is one. A
// view that has fewer layers than an overlay needs gets an empty one.
func addPointLayers(plan *stage.Plan, points string) error {
	for i := range plan.Views {
		view, layer := &plan.Views[i], filepath.Join(points, strconv.Itoa(i))

		least := 1
		if view.Upper == "" {
			least = 2
		}

		_, err := os.Stat(layer)
		if len(view.Lower) < least && errors.Is(err, fs.ErrNotExist) {
			err = os.Mkdir(layer, 0o755)
		}

		switch {
		case err == nil:
			view.Lower = append(view.Lower, layer)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}

	return nil
}

// planBind plans to mount what is carried, and nothing over what of it is hidden.
func (s *Spec) planBind(plan *stage.Plan, bind Bind, points string, links *linkReader) error {
	fi, err := os.Stat(bind.From)
	if err != nil {
		return err
	}

	inside, rel := s.findView(bind.To, len(s.Views))
	point := mountPoint{points: points, inside: inside, rel: rel, path: bind.To}

	if fi.IsDir() {
		err = point.makeFolder(false)
	} else {
		err = point.makeFile()
	}

	if err != nil {
		return err
	}

	plan.Binds = append(plan.Binds, stage.Bind{From: bind.From, To: bind.To, Inside: inside})

	for _, rel := range s.hiddenIn(bind, links) {
		fi, err := os.Stat(filepath.Join(bind.From, rel))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}

		if err != nil {
			return err
		}

		nothing := os.DevNull
		if fi.IsDir() {
			nothing = filepath.Join(points, "nothing")
			if err := os.Mkdir(nothing, 0o555); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}

		plan.Binds = append(plan.Binds, stage.Bind{From: nothing, To: filepath.Join(bind.To, rel), Inside: inside})
	}

	return nil
}

// mountPoint is a place to mount on: in the layer of our own of the view whose
// index is inside, or on the host when that is -1.
type mountPoint struct {
	points string // folder of our own layers
	inside int
	rel    string // path in that view
	path   string // as the run sees it
}

// makeFolder makes the place as a folder. On the host it must exist, unless
// onHost allows to make it there too.
func (p mountPoint) makeFolder(onHost bool) error {
	if p.inside >= 0 {
		return os.MkdirAll(p.inLayer(), 0o755)
	}

	if onHost {
		return os.MkdirAll(p.path, 0o700)
	}

	_, err := os.Stat(p.path)

	return err
}

// makeFile makes the place as an empty file. On the host it must exist.
func (p mountPoint) makeFile() error {
	if p.inside < 0 {
		_, err := os.Stat(p.path)
		return err
	}

	at := p.inLayer()
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}

	return os.WriteFile(at, nil, 0o644)
}

func (p mountPoint) inLayer() string {
	return filepath.Join(p.points, strconv.Itoa(p.inside), p.rel)
}

// measuredFolders is where the run's files lie on the host.
func (s *Spec) measuredFolders(plan *stage.Plan) []string {
	var folders []string

	for _, v := range s.Views {
		if v.Upper != "" {
			folders = append(folders, v.Upper)
		}
	}

	for _, c := range plan.Covers {
		if c.From != "" && !c.ReadOnly {
			folders = append(folders, c.From)
		}
	}

	if temp := s.tempDir(); !s.Confined && temp != "" && !isPrivate(temp) {
		folders = append(folders, temp)
	}

	return folders
}
