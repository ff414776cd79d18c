package hostinfo

import (
	"strconv"
	"strings"
)

// nameARMModel makes "ARM Neoverse-N1 r3p1" of the numbers that an ARM CPU goes by;
// "ARM part 0xfff r0p1" where the part has no name here.
func nameARMModel(fields map[string]string) string {
	maker, part := fields["CPU implementer"], fields["CPU part"]

	name := nameARMPart(maker, part)
	if name == "" {
		name = nameARMMaker(maker) + " part " + orNone(part)
	}

	variant, err := strconv.ParseUint(strings.TrimPrefix(fields["CPU variant"], "0x"), 16, 8)
	if err != nil {
		return name
	}

	return name + " r" + strconv.FormatUint(variant, 10) + "p" + orNone(fields["CPU revision"])
}

// nameARMMaker names an implementer by the code that Arm assigned to it.
func nameARMMaker(code string) string {
	names := map[string]string{
		"0x41": "ARM", "0x42": "Broadcom", "0x43": "Cavium", "0x46": "Fujitsu", "0x48": "HiSilicon",
		"0x4e": "NVIDIA", "0x50": "APM", "0x51": "Qualcomm", "0x53": "Samsung", "0x56": "Marvell",
		"0x61": "Apple", "0x6d": "Microsoft", "0x70": "Phytium", "0xc0": "Ampere",
	}

	if name, ok := names[code]; ok {
		return name
	}

	return "implementer " + code
}

// nameARMPart names the cores of common servers and boards, by the numbers of
// the kernel's arch/arm64/include/asm/cputype.h; "" for any other.
func nameARMPart(maker, part string) string {
	return map[string]string{
		"0x41 0xd03": "ARM Cortex-A53", "0x41 0xd05": "ARM Cortex-A55", "0x41 0xd07": "ARM Cortex-A57",
		"0x41 0xd08": "ARM Cortex-A72", "0x41 0xd09": "ARM Cortex-A73", "0x41 0xd0a": "ARM Cortex-A75",
		"0x41 0xd0b": "ARM Cortex-A76", "0x41 0xd0c": "ARM Neoverse-N1", "0x41 0xd40": "ARM Neoverse-V1",
		"0x41 0xd41": "ARM Cortex-A78", "0x41 0xd44": "ARM Cortex-X1", "0x41 0xd49": "ARM Neoverse-N2",
		"0x41 0xd4f": "ARM Neoverse-V2", "0x41 0xd84": "ARM Neoverse-V3", "0x41 0xd8e": "ARM Neoverse-N3",
		"0x46 0x001": "Fujitsu A64FX", "0x48 0xd01": "HiSilicon TSV110", "0x4e 0x004": "NVIDIA Carmel",
		"0x51 0x001": "Qualcomm Oryon", "0xc0 0xac3": "Ampere AmpereOne", "0xc0 0xac4": "Ampere AmpereOne A",
	}[maker+" "+part]
}
