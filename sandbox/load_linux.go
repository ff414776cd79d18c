package sandbox

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
	first, _, _ := strings.Cut(readShort("/proc/loadavg"), " ")

	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}

	return load
}

func readCPUTime(cpus []int) (cpuTime, bool) {
	f, err := os.Open("/proc/stat")
	if err != nil {
		return cpuTime{}, false
	}
	defer f.Close()

	return sumCPUTime(f, cpus)
}

// sumCPUTime sums the lines of these CPUs, which it wants all of:
//
//	cpu0 user nice system idle iowait irq softirq steal guest guest_nice
//
// Guest time is in user and nice already.
func sumCPUTime(stat io.Reader, cpus []int) (sum cpuTime, ok bool) {
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
			if i != 3 && i != 4 {
				sum.busy += spent
			}
		}
	}

	return sum, found > 0 && found == len(cpus)
}
