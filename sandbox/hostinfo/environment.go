package hostinfo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Environment is what decides whether the numbers of two runs can be compared:
// the machine as this process may use it. A field that can't be read is empty.
//
// Not in it: clock speed and temperature, turbo and SMT settings, weights
// (cgroup shares, nice values), the kinds of cores of a mixed CPU (the first
// one stands for all), GPUs of other makers than NVIDIA and NVIDIA's under WSL,
// what CUDA_VISIBLE_DEVICES hides, compilers and libraries.
type Environment struct {
	OS     string `json:"os,omitempty"`     // as runtime.GOOS has it
	Kernel string `json:"kernel,omitempty"` // its release
	CPU    string `json:"cpu,omitempty"`    // model
	CPUs   int    `json:"cpus,omitempty"`   // logical CPUs this process may run on
	// Quota is how many CPUs' worth of time the control groups grant, in steps
	// of a thousandth; 0 is no limit. It may exceed CPUs.
	Quota float64 `json:"quota,omitempty"`
	// Governor is that of frequency scaling; where CPUs differ all of them,
	// sorted and joined by commas; "" where the system does not scale.
	Governor string `json:"governor,omitempty"`
	// Memory is the machine's or, if smaller, the control groups' limit, in
	// bytes, to the nearest 64 MiB.
	Memory int64    `json:"memory,omitempty"`
	GPUs   []string `json:"gpus,omitempty"`   // models, in the order of their bus addresses
	Driver string   `json:"driver,omitempty"` // version of the NVIDIA kernel driver
}

// Digest names the class of comparable environments: 12 hexadecimal digits of
// SHA-256 over the JSON form. Equal environments have equal digests.
func (e Environment) Digest() string {
	text, err := json.Marshal(e)
	if err != nil { // a quota that is not a number; nothing here makes one
		text = []byte(err.Error())
	}

	sum := sha256.Sum256(text)

	return hex.EncodeToString(sum[:6])
}

// Differs names on one line what changed from old to e, as in
// "kernel 6.1 → 6.18, CPUs 2 → 4"; "" exactly when their digests are equal.
func (e Environment) Differs(old Environment) string {
	var changes []string

	for _, field := range []struct{ name, was, is string }{
		{"OS", old.OS, e.OS},
		{"kernel", old.Kernel, e.Kernel},
		{"CPU", old.CPU, e.CPU},
		{"CPUs", plainNumber(float64(old.CPUs)), plainNumber(float64(e.CPUs))},
		{"CPU quota", plainNumber(old.Quota), plainNumber(e.Quota)},
		{"governor", old.Governor, e.Governor},
		{"memory", memoryText(old.Memory), memoryText(e.Memory)},
		{"GPUs", gpuText(old.GPUs), gpuText(e.GPUs)},
		{"driver", old.Driver, e.Driver},
	} {
		if field.was != field.is {
			changes = append(changes, fmt.Sprintf("%s %s → %s", field.name, orNone(field.was), orNone(field.is)))
		}
	}

	return strings.Join(changes, ", ")
}

// orNone is text, or "none" for an empty one.
func orNone(text string) string {
	if text == "" {
		return "none"
	}

	return text
}

// plainNumber writes a number without an exponent; "" for 0.
func plainNumber(x float64) string {
	if x == 0 {
		return ""
	}

	return strconv.FormatFloat(x, 'f', -1, 64)
}

// memoryText writes an amount exactly, so that two different amounts never
// read the same; "" for 0.
func memoryText(bytes int64) string {
	const mib, gib = 1 << 20, 1 << 30

	switch {
	case bytes == 0:
		return ""
	case bytes < gib:
		return plainNumber(float64(bytes)/mib) + " MiB"
	}

	return plainNumber(float64(bytes)/gib) + " GiB"
}

// gpuText lists models and counts equal neighbours: "8 × NVIDIA H100 80GB HBM3".
func gpuText(gpus []string) string {
	var groups []string

	for i := 0; i < len(gpus); {
		count := 1
		for i+count < len(gpus) && gpus[i+count] == gpus[i] {
			count++
		}

		group := gpus[i]
		if count > 1 {
			group = fmt.Sprintf("%d × %s", count, group)
		}

		groups = append(groups, group)
		i += count
	}

	return strings.Join(groups, " + ")
}
