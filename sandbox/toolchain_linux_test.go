package sandbox_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ratchet/internal/testform"
	"ratchet/sandbox"
)

var slowToolchains = flag.Bool("toolchains.slow", false, "also try what takes more than a moment")

// toolchain is a small project and how it is built and tested.
type toolchain struct {
	name, needs, command string
	files                map[string]string
	slow                 bool
}

func toolchains() []toolchain {
	goFiles := map[string]string{"go.mod": "module m\n\ngo 1.21\n",
		"m.go": "package m\n\nfunc Sum(a, b int) int { return a + b }\n", "m_test.go": `package m
import ("net"; "net/http"; "net/http/httptest"; "os"; "os/exec"; "path/filepath"; "testing")
func TestSum(t *testing.T) { if Sum(1, 2) != 3 { t.Fatal() } }
func TestFiles(t *testing.T) {
	p := filepath.Join(t.TempDir(), "a")
	if os.WriteFile(p, []byte("x"), 0o600) != nil || os.Rename(p, p+"b") != nil || os.Chmod(p+"b", 0) != nil { t.Fatal() }
}
func TestServer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) }))
	defer s.Close()
	if r, err := http.Get(s.URL); err != nil || r.StatusCode != 200 { t.Fatal(err) }
	if l, err := net.Listen("unix", filepath.Join(os.TempDir(), "s")); err != nil { t.Fatal(err) } else { l.Close() }
}
func TestExec(t *testing.T) { if out, err := exec.Command("sh", "-c", "echo hi | cat").Output(); err != nil || string(out) != "hi\n" { t.Fatal(err) } }
`}

	return []toolchain{
		{name: "go test", needs: "go", command: "go test -count=1 ./... && go build -o prog . ; go vet .",
			files: goFiles, slow: os.Geteuid() != 0},
		{name: "go test -race", needs: "go", command: "go test -race -count=1 ./...", files: goFiles, slow: true},
		{name: "python unittest", needs: "python3", command: "/usr/bin/python3 -m unittest -v 2>&1",
			files: map[string]string{"test_it.py": `
import unittest, multiprocessing, tempfile, subprocess, socket, threading, os
from concurrent.futures import ProcessPoolExecutor
def double(x): return 2 * x
class T(unittest.TestCase):
    def test_pool(self):
        with multiprocessing.Pool(2) as p: self.assertEqual(p.map(double, [1, 2]), [2, 4])
        with ProcessPoolExecutor(2) as p: self.assertEqual(list(p.map(double, [3])), [6])
    def test_shared(self):
        from multiprocessing import shared_memory
        m = shared_memory.SharedMemory(create=True, size=1 << 16); m.buf[0] = 7; m.close(); m.unlink()
    def test_temp(self):
        with tempfile.TemporaryDirectory() as d: open(os.path.join(d, "x"), "w").write("y")
        with tempfile.NamedTemporaryFile() as f: f.write(b"z")
    def test_pty(self):
        import pty; out = pty.spawn(["true"]) ; self.assertEqual(out, 0)
    def test_loopback(self):
        s = socket.create_server(("127.0.0.1", 0)); threading.Thread(target=lambda: s.accept()[0].sendall(b"hi")).start()
        self.assertEqual(socket.create_connection(s.getsockname()).recv(2), b"hi")
    def test_subprocess(self): self.assertEqual(subprocess.check_output(["sh", "-c", "echo $((1+1))"]), b"2\n")
`}},
		{name: "python venv", needs: "python3",
			command: "/usr/bin/python3 -m venv --without-pip env && env/bin/python -c 'import sys; print(sys.prefix)'",
			files:   map[string]string{"x": ""}},
		{name: "node and npm test", needs: "npm",
			command: "npm test && node -e 'new WebAssembly.Memory({initial: 100}); require(\"fs\").mkdtempSync(require(\"os\").tmpdir()+\"/x\")'", files: map[string]string{"package.json": `{"name": "m", "version": "1.0.0", "scripts": {"test": "node --test"}}`,
				"m.test.js": `const t = require('node:test'), http = require('node:http'), {Worker} = require('node:worker_threads');
t('server', (_, done) => { const s = http.createServer((q, r) => r.end('ok')).listen(0, '127.0.0.1', () => http.get({port: s.address().port, host: '127.0.0.1'}, r => { r.resume(); s.close(); done() })) });
t('worker', (_, done) => { new Worker('1', {eval: true}).on('exit', () => done()) });
t('child', () => require('node:child_process').execFileSync('true'));`}},
		{name: "gcc and make", needs: "gcc",
			command: "make -s && ./prog && gcc -fsanitize=address -g -o asan prog.c && ./asan",
			files: map[string]string{"Makefile": "prog: prog.c\n\tgcc -O2 -pipe -o prog prog.c\n",
				"prog.c": "#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\nint main(void) { char n[] = \"/dev/shm/xXXXXXX\"; int fd = mkstemp(n); return fd < 0 || unlink(n) || puts(\"hi\") < 0; }\n"}},
		{name: "cargo test", needs: "cargo", command: "cargo test --offline 2>&1", slow: true,
			files: map[string]string{"Cargo.toml": "[package]\nname = \"m\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
				"src/lib.rs": "#[test]\nfn sum() { assert_eq!(1 + 1, 2) }\n"}},
		{name: "git", needs: "git",
			command: "git init -q . && git add . && git -c user.name=a -c user.email=b commit -qm c && git status --short && git log --oneline", files: map[string]string{"a": "a"}},
		{name: "loopback HTTP benchmark", needs: "python3",
			command: `/usr/bin/python3 -u -m http.server -b 127.0.0.1 0 >port 2>/dev/null & /usr/bin/python3 -c '
import re, urllib.request, time
while not (port := re.search("port ([0-9]+) ", open("port").read())): time.sleep(.05)
url = "http://127.0.0.1:%s/a" % port[1]
t = time.time()
for _ in range(50): urllib.request.urlopen(url).read()
print("METRIC rps=%f" % (50 / (time.time() - t)))'`, files: map[string]string{"a": "a"}},
	}
}

// What people really run works under everything that confines.
func TestToolchains(t *testing.T) {
	testform.SkipQuick(t, "it runs what a machine has installed")
	forEachTier(t, func(t *testing.T, f *fixture) {
		for i, c := range toolchains() {
			if _, err := exec.LookPath(c.needs); err != nil || c.slow && !*slowToolchains || !f.hasTurn(i) {
				t.Logf("%s: left out", c.name)
				continue
			}
			writeFiles(t, f.ownFolder(c.name), c.files)
			s := f.spec(c.command)
			s.Wall = 5 * time.Minute
			plain := filepath.Join(f.dir, "project") // cargo and venv can't live with a colon in a path
			os.MkdirAll(plain, 0o755)
			s.Views[0].Root, s.Views[0].Lower = plain, []string{f.ownFolder(c.name)}
			s.Dir, s.Scratch = plain, filepath.Join(f.dir, "copies")
			home := filepath.Join(f.dir, "home of the run")

			s.Views = append(s.Views, sandbox.View{Root: home, Lower: nil, Upper: f.ownFolder(c.name + " home"),
				Work: f.ownFolder(c.name + " homework")})
			if cache, err := exec.Command("go", "env", "GOCACHE").Output(); err == nil && c.needs == "go" &&
				os.Geteuid() == 0 && f.tier == sandbox.Namespaces {
				s.Views = append(s.Views, sandbox.View{Root: filepath.Join(home, "go-build"),
					Lower: []string{strings.TrimSpace(string(cache))}, Upper: f.ownFolder(c.name + " cache"),
					Work: f.ownFolder(c.name + " cachework")})
			} else if c.needs == "go" && !*slowToolchains {
				continue
			}
			tmp := filepath.Join(f.dir, "scratch files")
			os.MkdirAll(tmp, 0o755)
			s.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + tmp,
				"GOCACHE=" + home + "/go-build", "GOTOOLCHAIN=local", "GOPROXY=off", "GOFLAGS=-mod=mod",
				"npm_config_update_notifier=false"}

			for _, name := range []string{"CARGO_HOME", "RUSTUP_HOME"} {
				if dir, err := os.UserHomeDir(); err == nil {
					s.Env = append(s.Env, name+"="+filepath.Join(dir,
						map[string]string{"CARGO_HOME": ".cargo", "RUSTUP_HOME": ".rustup"}[name]))
				}
			}

			home, _ = os.UserHomeDir()
			s.Shown = sandbox.Toolchains(append(os.Environ(), s.Env...), home, nil, nil)
			s.Confined, s.Hidden, s.Network = true, sandbox.Secrets(os.Getenv("HOME")), sandbox.NetworkLoopback
			if f.tier == sandbox.Copies && os.Geteuid() != 0 {
				s.Network = sandbox.NetworkOn
			}
			s.Memory, s.Processes, s.Disk = 4<<30, 512, 1<<30
			start := time.Now()

			r := mustRun(t, s)
			if r.Exit != 0 || r.Exceeded != "" {
				t.Errorf("%s: exit %d %s, exceeded %q\n%s", c.name, r.Exit, r.Signal, r.Exceeded, r.Output.Text())
			}
			t.Logf("%s: %v, cpu %v, tree %d MiB", c.name, time.Since(start).Round(time.Millisecond),
				r.CPU.Round(time.Millisecond), r.MaxTree>>20)
		}
	})
}
