package worker

import (
	"cmp"
	"os"
	"path/filepath"
	"time"

	"ratchet/internal/checkout"
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

	caches := ws.cacheLayers(built)
	if checkout.IsDir(built.cache()) {
		caches = append([]string{built.cache()}, caches...)
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
		Lower: caches,
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
		Hidden:    ws.hiddenPaths(),
		Network:   sandbox.Network(program.Network),
		Memory:    program.Budget.Memory,
		Processes: program.Budget.Processes,
		Disk:      cmp.Or(program.Budget.Disk, contract.DefaultDisk),
		CPU:       time.Duration(program.Budget.CPU),
		Keep:      program.Budget.Output,
		Scratch:   filepath.Join(scratch, "copy"),
	}, nil
}

// discardLayers throws a command's own layers away.
func (ws *workspace) discardLayers(spec sandbox.Spec) {
	ws.removeRunDir(filepath.Dir(spec.Scratch))
}

// hiddenPaths is what no command of a program may read: secrets of the user, the git
// directory with the ledger, and what would tell which job and which side it runs in:
// the other folders of the workspace, and the locks of the machine.
func (ws *workspace) hiddenPaths() []string {
	hidden := []string{ws.co.Repo.CommonDir(), ws.co.Repo.GitDir(), ws.co.Ledger.Dir(), ws.dir,
		sandbox.SharedLocks}
	if locks, _, err := sandbox.LockDir(); err == nil {
		hidden = append(hidden, locks)
	}

	if home, err := os.UserHomeDir(); err == nil {
		hidden = append(hidden, sandbox.Secrets(home)...)
	}

	return hidden
}

// evaluatorSpec is the command `measure` on what a run left in the layer left. Its
// HOME has nothing that a candidate's build wrote: of what builds leave there it
// gets what the start's left.
func (ws *workspace) evaluatorSpec(v *version, seed uint64, left string) (sandbox.Spec, error) {
	spec, err := ws.commandSpec(v, ws.program().Measure, seed, true)
	if err != nil {
		return spec, err
	}
	spec.Views[0].Lower = append([]string{left}, spec.Views[0].Lower...)

	spec.Views[1].Lower = nil
	if start := ws.startVersionDir(); start != "" && checkout.IsDir(filepath.Join(start, "cache")) {
		spec.Views[1].Lower = []string{filepath.Join(start, "cache")}
	}

	return spec, nil
}
