package sandbox_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ratchet/sandbox"
)

// beside makes a folder that lies in none which runs have of their own.
func beside(t *testing.T, files map[string]string) string {
	t.Helper()

	for _, in := range []string{"/srv", "/var/lib", "/var/tmp", "/dev/shm"} {
		if dir, err := os.MkdirTemp(in, "sandbox-test-"); err == nil {
			t.Cleanup(func() { os.RemoveAll(dir) })
			writeFiles(t, dir, files)

			return dir
		}
	}
	t.Skip("no place to write to beside the run's own folders")

	return ""
}

// What no spec names is not there: files and sockets beside the repository, whole
// and by links, homes, the folders of services, other users' secrets.
func TestShown(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		place := beside(t, map[string]string{"answer": "42", "dir/answer": "42", "named/answer": "read me",
			"named/.token": "ticket", "named/own/.token": "ticket"})

		socket := filepath.Join(place, "socket")

		listener, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()

		link := filepath.Join(beside(t, nil), "link")
		if err := os.Symlink(place+"/named", link); err != nil {
			t.Fatal(err)
		}

		s := f.confined("attack read=" + strings.Join([]string{place + "/answer", place + "/dir/answer",
			place + "/named/.token", "/proc/self/root" + place + "/answer", place + "/named/../answer",
			link + "/../answer", "/etc/shadow", "/dev/mem", "/dev/kmsg", "/var/log/wtmp"}, "|read=") +
			"|list=" + place + "/dir|list=/root|list=/home|list=/run|list=/var/lib|unix=" + socket)
		s.Shown = append(s.Shown, link, place+"/named/own/.token")
		s.Hidden = append(append(s.Hidden, place+"/named/.token", place+"/named/own/.token"),
			sandbox.Secrets("/nowhere")...)

		for what, how := range parseAttacks(t, mustRun(t, s)) {
			isKnownLimit := strings.HasPrefix(what, "unix") && f.tier == sandbox.Copies
			if how == "ALLOWED" && !isKnownLimit {
				t.Errorf("%s was allowed", what)
			}
		}

		// What the spec names is there, by its own name and by the link; so is what is named in a
		// folder where it would be hidden.
		s.Env = append(s.Env, helperVariable+"=attack read="+strings.Join([]string{place + "/named/answer",
			link + "/answer", place + "/named/own/.token", "/etc/passwd", "/usr/bin/env",
			"/sys/devices/system/cpu/online", "/proc/cpuinfo"}, "|read="))
		s.Views[0].Upper, s.Views[0].Work = f.ownFolder("other-upper"), f.ownFolder("other-work")

		for what, how := range parseAttacks(t, mustRun(t, s)) {
			if how != "ALLOWED" {
				t.Errorf("%s: %s", what, how)
			}
		}
	})
}

// The run's own root holds what is shown and no name more.
func TestOwnRoot(t *testing.T) {
	f := &fixture{dir: t.TempDir(), tier: sandbox.Namespaces}
	writeFiles(t, f.root(), map[string]string{"x": ""})
	writeFiles(t, f.ownFolder("layer"), map[string]string{"x": ""})
	place := beside(t, map[string]string{"answer": "42"})

	s := f.spec("ls / /var /dev; ls -d " + place + "; touch /x /var/x /etc/x; echo > /dev/null && echo fine")
	s.Confined = true

	text := string(mustRun(t, s).Output.Text())
	for _, name := range []string{"home", "root", "srv", "mnt", "run", "boot", "vda", "kmsg", "lib\n" + "log"} {
		if strings.Contains(text, "\n"+name+"\n") {
			t.Errorf("%s is seen:\n%s", name, text)
		}
	}

	if strings.Contains(text, "\n"+place) || strings.Count(text, "Read-only")+strings.Count(text,
		"Permission denied") != 3 || !strings.Contains(text, "fine") {
		t.Errorf("%s", text)
	}
}

// A program that is told a path that it can't see is told so by Sees.
func TestSees(t *testing.T) {
	place := t.TempDir()
	s := sandbox.Spec{Shown: []string{place + "/shown"}, Views: []sandbox.View{{Root: "/srv/repo"}},
		Binds: []sandbox.Bind{{From: "/a", To: "/srv/bound"}}}
	writeFiles(t, place, map[string]string{"shown/a": "", "other": ""})

	for path, want := range map[string]bool{place + "/shown/a": true, "/srv/other": false, "/srv/repo/a": true,
		"/srv/repository": false, "/srv/bound": true, "/usr/bin": true, "/etc/passwd": true, "/dev/null": true,
		"/dev/kmsg": false, "/run/docker.sock": false} {
		if s.Sees(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}
