package stage_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ratchet/sandbox/stage"
)

// The numbers of calls are those of golang.org/x/sys, on all four architectures.
func TestCallNumbers(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}

	line := regexp.MustCompile(`(?m)^\s+SYS_(\w+)\s+= (\d+)`)

	for column, arch := range []string{"amd64", "386", "arm64", "arm"} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+arch+".go"))
		if err != nil {
			t.Fatal(err)
		}

		numbers := map[string]string{}
		for _, match := range line.FindAllStringSubmatch(string(text), -1) {
			numbers[strings.ToLower(match[1])] = match[2]
		}

		for name, call := range stage.Calls() {
			want, got := numbers[name], strconv.Itoa(int(call[column]))
			if want == "" {
				want = "-1"
			}

			if got != want {
				t.Errorf("%s on %s is %s, want %s", name, arch, got, want)
			}
		}
	}
}

// Both entries refuse the same calls, and let everything else through.
func TestFilter(t *testing.T) {
	if stage.NativeArch == 0 {
		t.Skip("there is no filter for this architecture")
	}

	const anyPointer = 0x7fff12345678

	deny := func(errno syscall.Errno) uint32 { return stage.AnswerErrno | uint32(errno) }
	calls := stage.Calls()

	for _, entry := range []struct {
		arch   uint32
		column int
	}{{stage.NativeArch, stage.NativeColumn}, {stage.CompatArch, stage.CompatColumn}} {
		answer := func(plan stage.FilterPlan, name string, arguments ...uint64) uint32 {
			return plan.Answer(entry.arch, calls[name][entry.column], arguments...)
		}
		refused := map[int32]bool{}

		for _, name := range stage.RefusedNames() {
			number := calls[name][entry.column]
			if refused[number] = true; number >= 0 && answer(stage.FilterPlan{}, name)&^0xffff != stage.AnswerErrno {
				t.Errorf("%x lets %s through", entry.arch, name)
			}
		}

		refused[calls["clone3"][entry.column]] = true
		for number := range int32(600) {
			if got := (stage.FilterPlan{}).Answer(entry.arch, number); got != stage.AnswerAllow && !refused[number] {
				t.Errorf("%x answers %x to call %d", entry.arch, got, number)
			}
		}

		watched := stage.FilterPlan{Children: true}
		for _, c := range []struct {
			plan      stage.FilterPlan
			name      string
			arguments []uint64
			want      uint32
		}{
			{stage.FilterPlan{}, "ioctl", []uint64{0, unix.TIOCSTI}, deny(unix.EPERM)},
			{stage.FilterPlan{}, "ioctl", []uint64{0, 1<<32 | unix.TIOCSTI}, deny(unix.EPERM)},
			{stage.FilterPlan{}, "ioctl", []uint64{0, unix.TIOCLINUX}, deny(unix.EPERM)},
			{stage.FilterPlan{}, "ioctl", []uint64{0, unix.FS_IOC_ADD_ENCRYPTION_KEY}, deny(unix.EPERM)},
			{stage.FilterPlan{}, "ioctl", []uint64{0, unix.TIOCGWINSZ}, stage.AnswerAllow},
			{stage.FilterPlan{}, "clone", []uint64{uint64(unix.SIGCHLD)}, stage.AnswerAllow},
			{stage.FilterPlan{}, "clone", []uint64{unix.CLONE_NEWPID | uint64(unix.SIGCHLD)}, deny(unix.EPERM)},
			{stage.FilterPlan{}, "clone", []uint64{unix.CLONE_NEWNS}, deny(unix.EPERM)},
			{stage.FilterPlan{}, "clone", []uint64{unix.CLONE_VM | unix.CLONE_THREAD}, stage.AnswerAllow},
			{stage.FilterPlan{}, "unshare", []uint64{unix.CLONE_NEWTIME}, deny(unix.EPERM)},
			{stage.FilterPlan{}, "unshare", []uint64{unix.CLONE_FILES}, stage.AnswerAllow},
			{stage.FilterPlan{}, "clone3", nil, deny(unix.ENOSYS)},
			{stage.FilterPlan{Clone3: true}, "clone3", nil, stage.AnswerAllow},
			{stage.FilterPlan{Clone3: true, Children: true}, "clone3", nil, stage.AnswerAsk},
			{stage.FilterPlan{}, "mq_open", nil, stage.AnswerAllow},
			{stage.FilterPlan{NoQueues: true}, "mq_open", nil, deny(unix.ENOSYS)},
			{stage.FilterPlan{}, "ptrace", nil, stage.AnswerAllow},
			{stage.FilterPlan{}, "ptrace", []uint64{unix.PTRACE_ATTACH}, stage.AnswerAllow},
			{stage.FilterPlan{NoTrace: true}, "ptrace", []uint64{unix.PTRACE_ATTACH}, deny(unix.EPERM)},
			{stage.FilterPlan{NoTrace: true}, "ptrace", []uint64{1<<32 | unix.PTRACE_SEIZE}, deny(unix.EPERM)},
			{stage.FilterPlan{NoTrace: true}, "ptrace", []uint64{unix.PTRACE_TRACEME}, stage.AnswerAllow},
			{stage.FilterPlan{NoTrace: true}, "ptrace", []uint64{unix.PTRACE_DETACH}, stage.AnswerAllow},
			{stage.FilterPlan{NoTrace: true}, "process_vm_writev", nil, deny(unix.EPERM)},
			{stage.FilterPlan{NoTrace: true}, "pidfd_getfd", nil, deny(unix.EPERM)},
			{stage.FilterPlan{}, "rt_sigaction", []uint64{uint64(unix.SIGCHLD), anyPointer}, stage.AnswerAllow},
			{watched, "rt_sigaction", []uint64{uint64(unix.SIGCHLD), anyPointer}, stage.AnswerAsk},
			{watched, "rt_sigaction", []uint64{1<<32 | uint64(unix.SIGCHLD), anyPointer}, stage.AnswerAsk},
			{watched, "rt_sigaction", []uint64{uint64(unix.SIGCHLD), 1 << 32}, stage.AnswerAsk},
			{watched, "rt_sigaction", []uint64{uint64(unix.SIGCHLD), 0}, stage.AnswerAllow},
			{watched, "rt_sigaction", []uint64{uint64(unix.SIGUSR1), anyPointer}, stage.AnswerAllow},
			{stage.FilterPlan{}, "madvise", []uint64{0, 4096, unix.MADV_PAGEOUT}, deny(unix.EINVAL)},
			{stage.FilterPlan{}, "madvise", []uint64{0, 4096, unix.MADV_COLD}, deny(unix.EINVAL)},
			{stage.FilterPlan{}, "madvise", []uint64{unix.MADV_PAGEOUT, 4096, unix.MADV_DONTNEED}, stage.AnswerAllow},
			{stage.FilterPlan{}, "preadv2", []uint64{3, 0, 1, 0, 0, unix.RWF_NOWAIT}, deny(unix.EOPNOTSUPP)},
			{stage.FilterPlan{}, "preadv2", []uint64{3, 0, 1, 0, 0, 1<<32 | unix.RWF_NOWAIT | unix.RWF_HIPRI},
				deny(unix.EOPNOTSUPP)},
			{stage.FilterPlan{}, "preadv2", []uint64{3, 0, 1, 0, 0, 0x80}, deny(unix.EOPNOTSUPP)},
			{stage.FilterPlan{}, "preadv2", []uint64{3, 0, 8, 8, 8, unix.RWF_HIPRI}, stage.AnswerAllow},
			{stage.FilterPlan{}, "pwritev2", []uint64{3, 0, 1, 0, 0, 0x80}, deny(unix.EOPNOTSUPP)},
			{stage.FilterPlan{}, "pwritev2", []uint64{3, 0, 1, 0, 0, unix.RWF_APPEND}, stage.AnswerAllow},
			{watched, "sigaction", []uint64{uint64(unix.SIGCHLD), anyPointer}, stage.AnswerAsk},
			{watched, "signal", []uint64{uint64(unix.SIGCHLD), 1}, stage.AnswerAsk},
		} {
			if calls[c.name][entry.column] >= 0 && answer(c.plan, c.name, c.arguments...) != c.want {
				t.Errorf("%x: %s%v under %+v gave %x, want %x", entry.arch, c.name, c.arguments, c.plan,
					answer(c.plan, c.name, c.arguments...), c.want)
			}
		}
	}

	for _, c := range []struct {
		arch      uint32
		name      string
		column    int
		arguments []uint64
		want      uint32
	}{
		{stage.NativeArch, "fadvise64", stage.NativeColumn, []uint64{3, 0, 0, unix.FADV_DONTNEED}, deny(unix.ENOSYS)},
		{stage.NativeArch, "fadvise64", stage.NativeColumn, []uint64{unix.FADV_DONTNEED, 4, 4, unix.FADV_WILLNEED},
			stage.AnswerAllow},
		{0x40000003, "fadvise64", 1, []uint64{3, 0, 0, 0, unix.FADV_DONTNEED}, deny(unix.ENOSYS)},
		{0x40000003, "fadvise64", 1, []uint64{3, 0, 0, unix.FADV_DONTNEED, 0}, stage.AnswerAllow},
		{0x40000003, "fadvise64_64", 1, []uint64{3, 0, 0, 0, 0, unix.FADV_DONTNEED}, deny(unix.ENOSYS)},
		{0x40000028, "arm_fadvise64_64", 3, []uint64{3, unix.FADV_DONTNEED}, deny(unix.ENOSYS)},
	} {
		isOurs := c.arch == stage.NativeArch || c.arch == stage.CompatArch
		number := stage.Calls()[c.name][c.column]

		if got := (stage.FilterPlan{}).Answer(c.arch, number, c.arguments...); isOurs && got != c.want {
			t.Errorf("%x: %s%v gave %x, want %x", c.arch, c.name, c.arguments, got, c.want)
		}
	}

	closed := stage.FilterPlan{NoSocket: true}
	for _, c := range []struct {
		name string
		got  uint32
		want uint32
	}{
		{"a local socket", closed.Answer(stage.NativeArch, calls["socket"][stage.NativeColumn], unix.AF_UNIX),
			stage.AnswerAllow},
		{"another socket", closed.Answer(stage.NativeArch, calls["socket"][stage.NativeColumn], unix.AF_INET),
			deny(unix.EACCES)},
		{"io_uring", closed.Answer(stage.NativeArch, calls["io_uring_setup"][stage.NativeColumn]), deny(unix.ENOSYS)},
		{"the other entry without sockets", closed.Answer(stage.CompatArch, 20), deny(unix.ENOSYS)},
		{"a further entry", stage.FilterPlan{}.Answer(0x1234, 20), deny(unix.ENOSYS)},
	} {
		if c.got != c.want {
			t.Errorf("%s: %x, want %x", c.name, c.got, c.want)
		}
	}
}
