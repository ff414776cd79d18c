package worker

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/sandbox"
)

// commandSpec is what every command of a version has in common: the view, the caches,
// the environment, fresh layers. Views[0] is the repository, Views[1] HOME.
func (ws *workspace) commandSpec(built *version, command string, seed uint64, withBuild bool) (sandbox.Spec, error) {
	scratch, err := ws.makeRunDir()
	if err != nil {
		return sandbox.Spec{}, err
	}

	tmp := filepath.Join(scratch, "tmp")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return sandbox.Spec{}, research.Errorf(research.CodeStorage, "free space, or make the cache folder writable",
			"make a run's folder: %w", err)
	}

	root, program := ws.co.Repo.Root(), ws.program()
	repository := sandbox.View{
		Root:  root,
		Lower: ws.versionLayers(built, withBuild),
		Upper: filepath.Join(scratch, "upper"),
		Work:  filepath.Join(scratch, "work"),
	}
	home := sandbox.View{
		Root:  ws.homeDir(),
		Lower: cacheLayers(ws, built),
		Upper: filepath.Join(scratch, "home"),
		Work:  filepath.Join(scratch, "homework"),
	}

	return sandbox.Spec{
		Command:   command,
		Dir:       filepath.Join(root, filepath.FromSlash(ws.folder)),
		Env:       commandEnvironment(program.Env, ws.homeDir(), tmp, seed),
		Confined:  true,
		Tier:      ws.tier,
		Views:     []sandbox.View{repository, home},
		Binds:     ws.binds,
		Shown:     ws.shown,
		Hidden:    slices.Clip(ws.hidden),
		Network:   sandbox.Network(program.Network),
		Memory:    program.Budget.Memory,
		Processes: program.Budget.Processes,
		Disk:      cmp.Or(program.Budget.Disk, contract.DefaultDisk),
		CPU:       time.Duration(program.Budget.CPU),
		Keep:      program.Budget.Output,
		Scratch:   filepath.Join(scratch, "copy"),
		Kept:      filepath.Join(ws.dir, "shared"),
	}, nil
}

// discardLayers throws a command's own layers away. What is left when ctx ends goes
// with the job's folder, or before the next job.
func (ws *workspace) discardLayers(ctx context.Context, spec sandbox.Spec) {
	_ = fault.At("run.remove", func() error { ws.removeRunDir(ctx, filepath.Dir(spec.Scratch)); return nil })
}

// listHidden lists what no command of a program may read, though it should lie in
// what it is shown: secrets of the user and the system, the git directory with the
// ledger, other runs, and a home that lies in a system folder.
func (ws *workspace) listHidden() []string {
	hidden := []string{ws.co.Repo.CommonDir(), ws.co.Repo.GitDir(), ws.co.Ledger.Dir(), ws.dir}

	home, err := os.UserHomeDir()
	if err != nil {
		home = "/nowhere"
	}

	if real, err := filepath.EvalSymlinks(home); err == nil && sandbox.IsInSystem(real) {
		hidden = append(hidden, real)
	}

	return append(hidden, sandbox.Secrets(home)...)
}
