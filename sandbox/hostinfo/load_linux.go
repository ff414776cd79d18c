package hostinfo

import (
	"bufio"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/stat on all architectures that Go runs on.
const tick = 10 * time.Millisecond

// LoadAverage is the number of runnable or stuck tasks on the whole machine,
// averaged by the kernel over about a minute; 0 when it is not known.
func LoadAverage() float64 {
	first, _, _ := strings.Cut(readShortFile("/proc/loadavg"), " ")

	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}

	return load
}

// readCPUTime sums what these CPUs did since the system's start. Not ok: it
// can't be read, or one of them is missing.
func readCPUTime(cpus []int) (sum cpuTime, ok bool) {
	file, err := os.Open("/proc/stat")
	if err != nil {
		return cpuTime{}, false
	}
	defer file.Close()

	return sumCPUTime(file, cpus)
}

// sumCPUTime sums the lines of these CPUs in a text like /proc/stat:
//
//	cpu0 user nice system idle iowait irq softirq steal guest guest_nice
//
// Guest time is in user and nice already. Not ok: a line is missing or malformed.
func sumCPUTime(stat io.Reader, cpus []int) (sum cpuTime, ok bool) {
	const idle, ioWait = 3, 4

	found := 0

	for lines := bufio.NewScanner(stat); lines.Scan() && found < len(cpus); {
		field := strings.Fields(lines.Text())
		if len(field) < 9 || !strings.HasPrefix(field[0], "cpu") {
			break
		}

		cpu, err := strconv.Atoi(field[0][3:])
		if err != nil || !slices.Contains(cpus, cpu) { // the first line is the sum of all
			continue
		}

		found++

		for i, text := range field[1:9] {
			ticks, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return cpuTime{}, false
			}

			spent := time.Duration(ticks) * tick
			sum.all += spent

			if i != idle && i != ioWait {
				sum.busy += spent
			}
		}
	}

	return sum, found > 0 && found == len(cpus)
}
