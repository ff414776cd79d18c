package hostinfo_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ratchet/sandbox/hostinfo"
)

// writeTree writes a tree of files and returns its root.
func writeTree(t *testing.T, tree map[string]string) string {
	root := t.TempDir()
	for path, text := range tree {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}

		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	return root
}

func TestCPUModels(t *testing.T) {
	arm := func(maker, part string) string {
		cpu := "BogoMIPS\t: 243.75\nFeatures\t: fp asimd\nCPU implementer\t: " + maker +
			"\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: " + part + "\nCPU revision\t: 1\n\n"

		return "processor\t: 0\n" + cpu + "processor\t: 1\n" + strings.Replace(cpu, part, "0xd03", 1)
	}
	for _, test := range []struct{ text, want string }{
		{"processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Core(TM) CPU       @ 2.80GHz\n\n" +
			"processor\t: 1\nmodel name\t: another\n", "Intel(R) Core(TM) CPU @ 2.80GHz"},
		{arm("0x41", "0xd0c"), "ARM Neoverse-N1 r3p1"},
		{arm("0x41", "0xfff"), "ARM part 0xfff r3p1"},
		{arm("0x99", "0x001"), "implementer 0x99 part 0x001 r3p1"},
		{"processor\t: 0\ncpu\t\t: POWER9, altivec supported\nclock\t: 2.3MHz\n", "POWER9, altivec supported"},
		{"system type\t\t: generic\n\nprocessor\t\t: 0\nModel Name\t\t: Loongson-3A5000\n", "Loongson-3A5000"},
		{"processor\t: 0\nhart\t: 1\nisa\t: rv64imafdc\nmmu\t: sv39\nuarch\t: sifive,u74-mc\n", "sifive,u74-mc"},
		{"", ""},
	} {
		root := writeTree(t, map[string]string{"proc/cpuinfo": test.text})
		if got := hostinfo.ReadEnvironmentFiles(root, nil).CPU; got != test.want {
			t.Errorf("got %q, want %q, of\n%s", got, test.want, test.text)
		}
	}
}

// The mounts of the two versions; the third is what a container with its
// host's group names sees.
const (
	mountV1 = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n" +
		"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
		"36 31 0:33 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
	mountV2        = "22 1 0:5 / /proc rw - proc proc rw\n24 23 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	mountContainer = "24 23 0:22 /box/7 /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
)

func TestLimits(t *testing.T) {
	const gib, meminfo = 1 << 30, "MemTotal:       16360000 kB\nMemFree:         1 kB\n"

	v2 := func(self, mounts string, limits map[string]string) map[string]string {
		tree := map[string]string{"proc/self/cgroup": self, "proc/self/mountinfo": mounts, "proc/meminfo": meminfo}
		for path, text := range limits {
			tree["sys/fs/cgroup/"+path] = text + "\n"
		}

		return tree
	}
	for name, test := range map[string]struct {
		tree   map[string]string
		quota  float64
		memory int64
	}{
		"nothing": {map[string]string{}, 0, 0},
		"no limit": {v2("0::/user/me\n", mountV2, map[string]string{
			"user/me/cpu.max": "max 100000", "user/me/memory.max": "max"}), 0, 250 * gib / 16},
		"own group": {v2("0::/user/me\n", mountV2, map[string]string{
			"user/me/cpu.max": "50000 100000", "user/cpu.max": "max 100000", "user/me/memory.max": "4294967296"}), .5,
			4 * gib},
		"ancestor is tighter": {v2("0::/user/me\n", mountV2, map[string]string{
			"user/me/cpu.max": "400000 100000", "user/me/memory.max": "4294967296",
			"user/cpu.max": "250000 100000", "user/memory.max": "1073741824"}), 2.5, gib},
		"somebody else's": {v2("0::/user/me\n", mountV2, map[string]string{
			"other/cpu.max": "10000 100000", "user/me2/cpu.max": "10000 100000"}), 0, 250 * gib / 16},
		"container, own names": {v2("0::/\n", mountV2, map[string]string{
			"cpu.max": "150000 100000", "memory.max": "1073741824"}), 1.5, gib},
		"container, its host's names": {v2("0::/box/7/job\n", mountContainer, map[string]string{
			"cpu.max": "300000 100000", "job/cpu.max": "33333 100000"}), .333, 250 * gib / 16},
		"container, outside": {v2("0::/../elsewhere\n", mountContainer, map[string]string{
			"cpu.max": "300000 100000"}), 3, 250 * gib / 16},
		"outside its own namespace": {v2("0::/../elsewhere\n", mountV2, map[string]string{
			"cpu.max": "200000 100000", "../elsewhere/cpu.max": "100000 100000"}), 2, 250 * gib / 16},
		"version 1": {v2("5:cpu,cpuacct:/a/b\n4:memory:/m\n3:cpuset:/\n0::/\n", mountV1, map[string]string{
			"cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000",
			"cpu,cpuacct/a/cpu.cfs_quota_us": "75000", "cpu,cpuacct/a/cpu.cfs_period_us": "50000",
			"memory/memory.limit_in_bytes": "9223372036854771712", "memory/m/memory.limit_in_bytes": "2147483648"}),
			1.5, 2 * gib},
		"version 1, no limit": {v2("5:cpu,cpuacct:/\n4:memory:/m\n", mountV1, map[string]string{
			"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000",
			"memory/m/memory.limit_in_bytes": "9223372036854771712"}), 0, 250 * gib / 16},
	} {
		e := hostinfo.ReadEnvironmentFiles(writeTree(t, test.tree), nil)
		if e.Quota != test.quota || e.Memory != test.memory {
			t.Errorf("%s: got %v CPUs and %d bytes, want %v and %d", name, e.Quota, e.Memory, test.quota, test.memory)
		}
	}
}

func TestGovernorsAndGPUs(t *testing.T) {
	tree := map[string]string{
		"proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023\n" +
			"GCC version:  gcc version 12.2.0 (Debian)\n",
		"proc/driver/nvidia/gpus/0000:3b:00.0/information": "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 211\n" +
			"GPU UUID: \t GPU-00000000-1111-2222-3333-444444444444\nVideo BIOS: \t 96.00.30.00.01\nBus Type: \t PCIe\n",
		"proc/driver/nvidia/gpus/0000:af:00.0/information": "Model: \t\t NVIDIA L4\n",
		"proc/driver/nvidia/gpus/0000:b0:00.0/power":       "Runtime D3 status:          Disabled\n",
	}
	for cpu, governor := range []string{"schedutil", "performance", "performance", "powersave"} {
		tree["sys/devices/system/cpu/cpu"+strconv.Itoa(cpu)+"/cpufreq/scaling_governor"] = governor + "\n"
	}
	root := writeTree(t, tree)

	want := hostinfo.Environment{OS: "linux", CPUs: 3, Governor: "performance,schedutil",
		GPUs: []string{"NVIDIA H100 80GB HBM3", "NVIDIA L4"}, Driver: "535.129.03"}
	if d := cmp.Diff(want, hostinfo.ReadEnvironmentFiles(root, []int{0, 1, 2})); d != "" {
		t.Error(d)
	}

	open := "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  555.42.02  Release Build  (root@host)\nGCC version:  1.2\n"
	for text, want := range map[string]string{open: "555.42.02", "NVRM version: none\nGCC version: 1.2\n": ""} {
		root := writeTree(t, map[string]string{"proc/driver/nvidia/version": text})
		if got := hostinfo.ReadEnvironmentFiles(root, nil).Driver; got != want {
			t.Errorf("driver %q, want %q", got, want)
		}
	}
}

// What the kernel itself says of this machine.
func TestThisMachine(t *testing.T) {
	e := hostinfo.ReadEnvironment()

	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Skip(err)
	}

	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}

	total := int64(info.Totalram) * int64(info.Unit)
	if e.Kernel != strings.TrimSpace(string(release)) || e.Memory%(64<<20) != 0 || e.Memory == 0 ||
		e.Memory > total+32<<20 {
		t.Errorf("%+v; kernel %s, %d bytes", e, release, total)
	}
}

// The CPUs are those that this thread may use.
func TestAffinity(t *testing.T) {
	var was, one unix.CPUSet
	runtime.LockOSThread()

	defer runtime.UnlockOSThread()

	if err := unix.SchedGetaffinity(0, &was); err != nil || was.Count() < 2 {
		t.Skip("there is one CPU, or too many for a plain set")
	}

	if got := hostinfo.ReadEnvironment().CPUs; got != was.Count() {
		t.Errorf("of %d CPUs it counts %d", was.Count(), got)
	}

	first := 0

	for !was.IsSet(first) {
		first++
	}
	one.Set(first)

	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Skip(err)
	}
	defer unix.SchedSetaffinity(0, &was)

	if got := hostinfo.ReadEnvironment().CPUs; got != 1 {
		t.Errorf("pinned to one CPU, it counts %d", got)
	}
}

func BenchmarkReadEnvironment(b *testing.B) {
	for b.Loop() {
		hostinfo.ReadEnvironment()
	}
}
