package hostinfo

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// controlGroup is a control group of this process.
type controlGroup struct {
	dir     string // its folder
	top     string // where its hierarchy is mounted; may be dir
	unified bool   // version 2
	holds   string // version 1: the controllers, between commas
}

// findOwnGroups lists the groups of this process that can limit CPU time or memory.
func findOwnGroups(root string) []controlGroup {
	mounts, _ := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	own, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))

	var groups []controlGroup

	for line := range strings.Lines(string(mounts)) {
		// ID parent device root mountpoint options… - type source superoptions
		before, after, _ := strings.Cut(line, " - ")
		mount, fileSystem := strings.Fields(before), strings.Fields(after)

		if len(mount) < 5 || len(fileSystem) < 3 || !strings.HasPrefix(fileSystem[0], "cgroup") {
			continue
		}

		group := controlGroup{
			top:     filepath.Join(root, mount[4]),
			unified: fileSystem[0] == "cgroup2",
			holds:   "," + fileSystem[2] + ",",
		}

		path, ok := findOwnPath(string(own), group)
		if !ok {
			continue
		}

		group.dir = filepath.Join(group.top, pathInMount(mount[3], path))
		groups = append(groups, group)
	}

	return groups
}

// findOwnPath finds the path of this process in a hierarchy, by its line in
// /proc/self/cgroup: "4:cpu,cpuacct:/path" or "0::/path".
func findOwnPath(own string, group controlGroup) (path string, ok bool) {
	for line := range strings.Lines(own) {
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(part) < 3 {
			continue
		}

		if group.unified && part[0] == "0" {
			return part[2], true
		}

		for _, controller := range strings.Split(part[1], ",") {
			limits := controller == "cpu" || controller == "memory"
			if !group.unified && limits && strings.Contains(group.holds, ","+controller+",") {
				return part[2], true
			}
		}
	}

	return "", false
}

// pathInMount is path as seen from the mounted part of its hierarchy. A container
// may name a path outside it; then the part's top is the best that is known.
func pathInMount(mounted, path string) string {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(mounted, "/"))
	if !ok || !strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "/..") {
		return ""
	}

	return rest
}

// smallestLimit is the least limit from any group up to its top; read returns
// that of one folder, +Inf for none.
func smallestLimit(groups []controlGroup, read func(group controlGroup, dir string) float64) float64 {
	least := math.Inf(1)

	for _, group := range groups {
		for dir := group.dir; ; dir = filepath.Dir(dir) {
			least = min(least, read(group, dir))

			if len(dir) <= len(group.top) {
				break
			}
		}
	}

	return least
}

// readCPUQuota reads how many CPUs' worth of time the groups grant, in
// thousandths; 0 for no limit.
func readCPUQuota(groups []controlGroup) float64 {
	least := smallestLimit(groups, func(group controlGroup, dir string) float64 {
		granted, period, _ := strings.Cut(readShortFile(filepath.Join(dir, "cpu.max")), " ")
		if !group.unified {
			granted = readShortFile(filepath.Join(dir, "cpu.cfs_quota_us"))
			period = readShortFile(filepath.Join(dir, "cpu.cfs_period_us"))
		}

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

// readMemoryLimit reads the groups' limit or, if that is smaller, the
// machine's memory, to the nearest 64 MiB; 0 when neither is known.
func readMemoryLimit(root string, groups []controlGroup) int64 {
	least := smallestLimit(groups, func(group controlGroup, dir string) float64 {
		if group.unified {
			return parseLimit(readShortFile(filepath.Join(dir, "memory.max")))
		}

		return parseLimit(readShortFile(filepath.Join(dir, "memory.limit_in_bytes")))
	})

	_, total, _ := strings.Cut(readShortFile(filepath.Join(root, "proc/meminfo")), "MemTotal:")
	if fields := strings.Fields(total); len(fields) > 0 {
		least = min(least, parseLimit(fields[0])*1024)
	}

	if least >= math.MaxInt64/2 { // version 1 has no word for "none", only a huge number
		return 0
	}

	const step = 64 << 20

	return int64(max(math.Round(least/step), 1)) * step
}

// parseLimit reads a limit; +Inf for "max", for -1 and for an empty text.
func parseLimit(text string) float64 {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || x <= 0 {
		return math.Inf(1)
	}

	return x
}
