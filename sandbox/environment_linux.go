package sandbox

import (
	"bufio"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ReadEnvironment says what machine this is. It never fails: what can't be read
// is empty. It takes about a third of a millisecond and a few microseconds more
// for each CPU; on kernels 4.15 to 5.17 on x86, opening /proc/cpuinfo
// alone may take 10 ms, in which the kernel samples clock speeds.
func ReadEnvironment() Environment {
	e := readFiles("/", allowedCPUs())

	var name unix.Utsname
	if unix.Uname(&name) == nil {
		e.Kernel = unix.ByteSliceToString(name.Release[:])
	}

	return e
}

// readFiles is ReadEnvironment with the files of the system below root.
func readFiles(root string, cpus []int) Environment {
	groups := ownGroups(root)

	return Environment{
		OS:       runtime.GOOS,
		CPU:      cpuModel(filepath.Join(root, "proc/cpuinfo")),
		CPUs:     len(cpus),
		Quota:    cpuQuota(groups),
		Governor: governors(root, cpus),
		Memory:   memoryLimit(root, groups),
		GPUs:     gpuModels(filepath.Join(root, "proc/driver/nvidia/gpus")),
		Driver:   driverVersion(filepath.Join(root, "proc/driver/nvidia/version")),
	}
}

// allowedCPUs lists the CPUs the calling thread may run on, which are those of
// what it starts. Where the kernel does not say, it counts from 0.
func allowedCPUs() []int {
	for size := 1024; size <= 1<<16; size *= 2 { // the kernel refuses a set that is too small
		set := unix.NewCPUSet(size)

		err := unix.SchedGetaffinityDynamic(0, set)
		if errors.Is(err, unix.EINVAL) {
			continue
		}

		if err != nil {
			break
		}
		var cpus []int

		for cpu := range size {
			if set.IsSet(cpu) {
				cpus = append(cpus, cpu)
			}
		}

		return cpus
	}

	cpus := make([]int, runtime.NumCPU())
	for i := range cpus {
		cpus[i] = i
	}

	return cpus
}

// cpuModel reads no further than the first CPU: the list of 256 is long.
func cpuModel(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	fields := map[string]string{}

	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")

		key, value = strings.TrimSpace(key), strings.Join(strings.Fields(value), " ")
		if strings.EqualFold(key, "model name") && value != "" {
			return value
		}

		if key == "processor" && fields[key] != "" {
			break // the second one
		}
		fields[key] = value
	}

	if fields["CPU implementer"] != "" {
		return armModel(fields)
	}

	for _, key := range []string{"cpu", "cpu model", "uarch", "isa"} { // POWER, MIPS, RISC-V
		if fields[key] != "" {
			return fields[key]
		}
	}

	return ""
}

// controlGroup is a control group's folder and the one at which its hierarchy is
// mounted, which may be the same.
type controlGroup struct {
	dir, top string
	unified  bool   // version 2
	holds    string // version 1: the controllers, between commas
}

// ownGroups lists the groups of this process that can limit CPU time or memory.
func ownGroups(root string) []controlGroup {
	mounts, _ := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	own, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	var groups []controlGroup

	for line := range strings.Lines(string(mounts)) {
		// ID parent device root mountpoint options… - type source superoptions
		before, after, _ := strings.Cut(line, " - ")

		m, fs := strings.Fields(before), strings.Fields(after)
		if len(m) < 5 || len(fs) < 3 || !strings.HasPrefix(fs[0], "cgroup") {
			continue
		}
		g := controlGroup{top: filepath.Join(root, m[4]), unified: fs[0] == "cgroup2", holds: "," + fs[2] + ","}

		path, ok := ownPath(string(own), g)
		if !ok {
			continue
		}
		g.dir = filepath.Join(g.top, inHierarchy(m[3], path))
		groups = append(groups, g)
	}

	return groups
}

// ownPath finds a hierarchy's line, "4:cpu,cpuacct:/path" or "0::/path".
func ownPath(own string, g controlGroup) (string, bool) {
	for line := range strings.Lines(own) {
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(part) < 3 {
			continue
		}

		for _, controller := range strings.Split(part[1], ",") {
			limits := controller == "cpu" || controller == "memory"
			if g.unified && part[0] == "0" || !g.unified && limits && strings.Contains(g.holds, ","+controller+",") {
				return part[2], true
			}
		}
	}

	return "", false
}

// inHierarchy is path as seen from the mounted part of its hierarchy. A container
// may name a path outside it; then the part's top is the best that is known.
func inHierarchy(mounted, path string) string {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(mounted, "/"))
	if !ok || !strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "/..") {
		return ""
	}

	return rest
}

// smallestLimit is the least limit from a group up to its top; read says what one
// folder's is, +Inf for none.
func smallestLimit(groups []controlGroup, read func(g controlGroup, dir string) float64) float64 {
	least := math.Inf(1)

	for _, g := range groups {
		for dir := g.dir; ; dir = filepath.Dir(dir) {
			least = min(least, read(g, dir))
			if len(dir) <= len(g.top) {
				break
			}
		}
	}

	return least
}

// cpuQuota is the CPU time the groups grant a unit of time, 0 for all there is.
func cpuQuota(groups []controlGroup) float64 {
	least := smallestLimit(groups, func(g controlGroup, dir string) float64 {
		text := readShort(filepath.Join(dir, "cpu.max"))
		if !g.unified {
			text = readShort(filepath.Join(dir, "cpu.cfs_quota_us")) + " " + readShort(filepath.Join(dir,
				"cpu.cfs_period_us"))
		}

		granted, period, _ := strings.Cut(text, " ")
		if math.IsInf(parseLimit(period), 1) {
			return math.Inf(1)
		}

		return parseLimit(granted) / parseLimit(period)
	})
	if math.IsInf(least, 1) {
		return 0
	}

	return max(math.Round(least*1000), 1) / 1000
}

// parseLimit is +Inf for "max", for -1 and for nothing.
func parseLimit(text string) float64 {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || x <= 0 {
		return math.Inf(1)
	}

	return x
}

func memoryLimit(root string, groups []controlGroup) int64 {
	least := smallestLimit(groups, func(g controlGroup, dir string) float64 {
		if g.unified {
			return parseLimit(readShort(filepath.Join(dir, "memory.max")))
		}

		return parseLimit(readShort(filepath.Join(dir, "memory.limit_in_bytes")))
	})

	_, total, _ := strings.Cut(readShort(filepath.Join(root, "proc/meminfo")), "MemTotal:")
	if f := strings.Fields(total); len(f) > 0 {
		least = min(least, parseLimit(f[0])*1024)
	}
	const step = 64 << 20

	if least >= math.MaxInt64/2 { // version 1 has no word for "none", only a huge number
		return 0
	}

	return int64(max(math.Round(least/step), 1)) * step
}

func governors(root string, cpus []int) string {
	var found []string

	for _, cpu := range cpus {
		g := readShort(filepath.Join(root, "sys/devices/system/cpu/cpu"+strconv.Itoa(cpu), "cpufreq/scaling_governor"))
		if g != "" && !slices.Contains(found, g) {
			found = append(found, g)
		}
	}
	slices.Sort(found)

	return strings.Join(found, ",")
}

func gpuModels(dir string) []string {
	cards, _ := os.ReadDir(dir) // sorted
	var models []string

	for _, card := range cards {
		for line := range strings.Lines(readShort(filepath.Join(dir, card.Name(), "information"))) {
			if model, ok := strings.CutPrefix(line, "Model:"); ok {
				models = append(models, strings.Join(strings.Fields(model), " "))
				break
			}
		}
	}

	return models
}

// driverVersion is the first dotted number on the first line, as in
// "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 …".
func driverVersion(path string) string {
	line, _, _ := strings.Cut(readShort(path), "\n")
	for _, field := range strings.Fields(line) {
		if field[0] >= '0' && field[0] <= '9' && strings.Contains(field, ".") {
			return field
		}
	}

	return ""
}

// readShort is a short file's text without the space around it; "" when it can't be
// read, and nothing beyond 4 KiB.
func readShort(path string) string {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var text [4096]byte

	n, err := unix.Read(fd, text[:])
	if err != nil {
		return ""
	}

	return strings.TrimSpace(string(text[:n]))
}
