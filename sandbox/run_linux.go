package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ratchet/internal/research"
	"ratchet/sandbox/stage"
)

func run(ctx context.Context, s Spec) (Result, error) {
	if err := s.check(); err != nil {
		return Result{}, err
	}

	made, err := s.makeScratch()
	if err != nil {
		return Result{}, roomError("make the run's folder", err)
	}

	if made {
		defer os.RemoveAll(s.Scratch)
	}

	if s.Tier == Copies {
		return runCopies(ctx, s)
	}

	return runNamespaces(ctx, s)
}

// makeScratch makes Scratch and says whether it was a name of our own choice.
func (s *Spec) makeScratch() (temporary bool, err error) {
	if s.Scratch != "" {
		return false, os.MkdirAll(s.Scratch, 0o700)
	}
	s.Scratch, err = os.MkdirTemp("", "ratchet-run-")

	return true, err
}

// check refuses what can't be a run, before anything is made.
func (s *Spec) check() error {
	bad := func(format string, args ...any) error {
		return research.Errorf(research.CodeBadArgument, "this is a defect of Ratchet; run `ratchet doctor`", format,
			args...)
	}
	if s.Tier != Namespaces && s.Tier != Copies {
		return bad("unknown tier %q", s.Tier)
	}

	if s.Command == "" || !filepath.IsAbs(s.Dir) {
		return bad("a run needs a command and an absolute folder")
	}

	for i := range s.Views {
		v := &s.Views[i]

		v.Root = filepath.Clean(v.Root)
		for _, path := range append([]string{v.Root}, v.Lower...) {
			if !filepath.IsAbs(path) || path == "/" {
				return bad("a view needs absolute paths other than /, not %q", path)
			}
		}

		if v.Upper == "" {
			continue
		}

		if !filepath.IsAbs(v.Upper) || (s.Tier == Namespaces && !filepath.IsAbs(v.Work)) {
			return bad("the view %s needs absolute upper and work folders", v.Root)
		}

		if names, err := os.ReadDir(v.Upper); err == nil && len(names) > 0 {
			return bad("the upper folder %s is not empty", v.Upper)
		}
	}

	if err := s.checkConfinement(bad); err != nil {
		return err
	}

	for i := range s.Binds {
		b := &s.Binds[i]

		b.To = filepath.Clean(b.To)
		if !filepath.IsAbs(b.From) || !filepath.IsAbs(b.To) {
			return bad("a carried folder needs absolute paths, not %q and %q", b.From, b.To)
		}
	}

	return nil
}

// runNamespaces runs under overlays.
func runNamespaces(ctx context.Context, s Spec) (Result, error) {
	plan, points, err := s.plan()
	defer removeAll(points)

	if err != nil {
		return Result{}, roomError("prepare the run's folders", err)
	}

	defer func() {
		for _, v := range s.Views {
			if v.Upper != "" {
				removeAll(v.Work)
			}
		}
	}()
	attr, user := namespaceAttr()
	plan.UserXattr = user

	r, err := supervise(ctx, s, plan, attr, s.places(plan))
	if err != nil {
		return Result{}, err
	}

	r.Enforced["tree"] = "enforced by a PID namespace"
	if user {
		r.Enforced["tree"] = "enforced by a PID namespace in a user namespace"
	}

	if len(s.Views) > 0 {
		r.Enforced["view"] = "enforced by an overlay"
		if r.Changes, err = changes(s.Views[0]); err != nil {
			return Result{}, roomError("list what the run changed", err)
		}
	}

	if len(s.Binds) > 0 {
		r.Enforced["carry"] = "enforced by read-only bind mounts"
	}

	return r, nil
}

// namespaceAttr is how the stage is cloned. Without the right to mount, it gets
// it in a user namespace in which every id but the caller's own is unmapped;
// the command is the same user as outside and has no capability there.
func namespaceAttr() (attr *syscall.SysProcAttr, user bool) {
	attr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Setsid: true}
	if mayMount() {
		return attr, false
	}
	uid, gid := os.Geteuid(), os.Getegid()
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	// An overlay acts on its layers with its mounter's rights for as long as it
	// is mounted, also inside its work folder, which nobody may enter.
	// The others are for the loopback device and for dropping all of them.
	attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_CHOWN,
		unix.CAP_FSETID, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP}

	return attr, true
}

// mayMount says whether this process has CAP_SYS_ADMIN.
func mayMount() bool {
	var data [2]unix.CapUserData
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}

	return unix.Capget(&head, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// plan makes the folders of every view and says what the stage shall mount.
// Mount points that the layers lack are made in a lowest layer of our own,
// points, so that they never show up in an upper folder.
func (s *Spec) plan() (plan *stage.Plan, points string, err error) {
	plan = s.command()
	plan.Namespaces = true

	if points, err = os.MkdirTemp(s.Scratch, "points-"); err != nil {
		return nil, "", err
	}

	for i, v := range s.Views {
		layer := filepath.Join(points, strconv.Itoa(i))

		inside, rest := s.viewOf(v.Root, i)
		if err := mountPoint(points, inside, rest, v.Root, true, i > 0); err != nil {
			return nil, points, err
		}

		err := errors.Join(os.Mkdir(layer, 0o755), v.makeUpper())
		if err != nil {
			return nil, points, err
		}

		plan.Views = append(plan.Views, stage.View{Root: v.Root, Upper: v.Upper, Work: v.Work, Inside: inside,
			Lower: append(append([]string(nil), v.Lower...), layer)})
	}

	for _, b := range s.Binds {
		fi, err := os.Stat(b.From)
		if err != nil {
			return nil, points, err
		}

		inside, rest := s.viewOf(b.To, len(s.Views))
		if err := mountPoint(points, inside, rest, b.To, fi.IsDir(), false); err != nil {
			return nil, points, err
		}

		plan.Binds = append(plan.Binds, stage.Bind{From: b.From, To: b.To, Inside: inside})
		if err := s.conceal(plan, b, points, inside); err != nil {
			return nil, points, err
		}
	}

	if !s.Confined {
		return plan, points, nil
	}

	private := filepath.Join(points, "private")
	if err := os.Mkdir(private, 0o755); err != nil {
		return nil, points, err
	}

	return plan, points, s.cover(plan, private)
}

// conceal plans to put nothing over what a bind would show of what is hidden.
func (s *Spec) conceal(plan *stage.Plan, b Bind, points string, inside int) error {
	for _, rest := range s.hiddenIn(b) {
		fi, err := os.Stat(filepath.Join(b.From, rest))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}

		nothing := os.DevNull
		if fi.IsDir() {
			nothing = filepath.Join(points, "nothing")
			if err := os.Mkdir(nothing, 0o555); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}

		plan.Binds = append(plan.Binds, stage.Bind{From: nothing, To: filepath.Join(b.To, rest), Inside: inside})
	}

	return nil
}

// places is where the run's files lie on the host.
func (s *Spec) places(plan *stage.Plan) []string {
	list := slices.Clone(plan.Writable)

	for _, v := range s.Views {
		if v.Upper != "" {
			list = append(list, v.Upper)
		}
	}

	for _, c := range plan.Covers {
		if c.From != "" {
			list = append(list, c.From)
		}
	}

	if temp := s.temp(); !s.Confined && temp != "" && !isPrivate(temp) {
		list = append(list, temp)
	}

	return list
}

// command is the part of a plan that is the same in every tier.
func (s *Spec) command() *stage.Plan {
	return &stage.Plan{Argv: []string{"/bin/sh", "-c", s.Command}, Dir: s.Dir, Env: s.Env, Wall: s.Wall, Grace: s.Grace}
}

// viewOf finds the last view before index n whose tree holds path, and the
// path's rest in it; -1 when there is none.
func (s *Spec) viewOf(path string, n int) (inside int, rest string) {
	for i := n - 1; i >= 0; i-- {
		if rest, ok := below(s.Views[i].Root, path); ok {
			return i, rest
		}
	}

	return -1, ""
}

// below says whether path lies in root, and where.
func below(root, path string) (rest string, ok bool) {
	if path == root {
		return "", true
	}
	rest, ok = strings.CutPrefix(path, root+"/")

	return rest, ok
}

// mountPoint makes a folder (or an empty file) to mount on: in the layer of
// the view that holds it; else, if it may, on the host, where it must exist otherwise.
func mountPoint(points string, inside int, rest, path string, dir, make bool) error {
	if inside < 0 {
		if make {
			return os.MkdirAll(path, 0o700)
		}
		_, err := os.Stat(path)

		return err
	}

	at := filepath.Join(points, strconv.Itoa(inside), rest)
	if dir {
		return os.MkdirAll(at, 0o755)
	}

	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}

	return os.WriteFile(at, nil, 0o644)
}

// makeUpper makes the upper and work folders. The upper one gets the mode of
// the topmost layer, because the view's root shows it.
func (v View) makeUpper() error {
	if v.Upper == "" {
		return nil
	}

	if err := os.MkdirAll(v.Upper, 0o755); err != nil {
		return err
	}

	if v.Work != "" {
		if err := os.MkdirAll(v.Work, 0o700); err != nil {
			return err
		}
	}

	if len(v.Lower) == 0 {
		return nil
	}

	fi, err := os.Stat(v.Lower[0])
	if err != nil {
		return err
	}

	return os.Chmod(v.Upper, fi.Mode().Perm())
}
