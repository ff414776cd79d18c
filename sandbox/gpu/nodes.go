package gpu

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Nodes sorts the NVIDIA device nodes that exist below root ("/", but for
// tests) into those that a run on the devices needs to open and those that it
// must not reach, sorted by name. With no devices it gives none. What every
// run on a GPU needs is given whole: nvidiactl, nvidia-uvm and nvidia-uvm-tools.
// A node made later (the driver makes nvidia-uvm at its first use) is in neither.
func Nodes(root string, devices []Device) (give, hide []string, err error) {
	needed, err := neededNodes(root, devices)
	if err != nil {
		return nil, nil, err
	}

	for _, pattern := range []string{"dev/nvidia*", "dev/nvidia-caps/*", "dev/nvidia-caps-imex-channels/*",
		"dev/dri/card*", "dev/dri/renderD*"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, nil, fmt.Errorf("list device nodes: %w", err)
		}

		for _, path := range paths {
			if fi, err := os.Stat(path); err != nil || fi.IsDir() {
				continue
			}

			name, err := filepath.Rel(root, path)
			switch {
			case err != nil:
				return nil, nil, fmt.Errorf("list device nodes: %w", err)
			case needed[filepath.ToSlash(name)]:
				give = append(give, path)
			default:
				hide = append(hide, path)
			}
		}
	}

	slices.Sort(give)
	slices.Sort(hide)

	return give, hide, nil
}

// neededNodes is the set of nodes, relative to root, that a run on the devices
// needs to open.
func neededNodes(root string, devices []Device) (map[string]bool, error) {
	needed := map[string]bool{}

	for _, d := range devices {
		for _, name := range []string{"nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", fmt.Sprintf("nvidia%d", d.Minor)} {
			needed["dev/"+name] = true
		}

		if !d.MIG {
			continue
		}

		instance := fmt.Sprintf("gi%d", d.Instance)
		for _, access := range []string{instance, fmt.Sprintf("%s/ci%d", instance, d.Compute)} {
			minor, err := findCapability(root, d.Minor, access)
			if err != nil {
				return nil, err
			}

			needed[fmt.Sprintf("dev/nvidia-caps/nvidia-cap%d", minor)] = true
		}
	}

	return needed, nil
}

// findCapability finds the minor number of the node that opens an instance
// ("gi3", "gi3/ci0") of the GPU of that minor number. Which of the two
// places exists depends on the driver and its options.
func findCapability(root string, gpu int, access string) (int, error) {
	list, _ := os.ReadFile(filepath.Join(root, "proc/driver/nvidia-caps/mig-minors"))
	for line := range strings.Lines(string(list)) { // gpu0/gi3/ci0/access 38
		name, minor, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == fmt.Sprintf("gpu%d/%s/access", gpu, access) {
			return strconv.Atoi(minor)
		}
	}

	path := filepath.Join(root, fmt.Sprintf("proc/driver/nvidia/capabilities/gpu%d/mig/%s/access", gpu, access))

	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("find the node of a MIG instance: %w", err)
	}

	for line := range strings.Lines(string(text)) { // DeviceFileMinor: 38
		if minor, ok := strings.CutPrefix(line, "DeviceFileMinor:"); ok {
			return strconv.Atoi(strings.TrimSpace(minor))
		}
	}

	return 0, fmt.Errorf("find the node of a MIG instance: %s does not tell", path)
}

// Environment is what a run on the devices needs in its environment: these and
// no others, in the order of their bus addresses. With no devices CUDA sees none.
func Environment(devices []Device) []string {
	uuids := make([]string, len(devices))
	for i, d := range devices {
		uuids[i] = d.UUID
	}

	return []string{"CUDA_DEVICE_ORDER=PCI_BUS_ID", "CUDA_VISIBLE_DEVICES=" + strings.Join(uuids, ",")}
}
