package hostinfo_test

import (
	"reflect"
	"regexp"
	"testing"
	"time"

	"ratchet/sandbox/hostinfo"
)

func fullEnvironment() hostinfo.Environment {
	return hostinfo.Environment{OS: "linux", Kernel: "6.1", CPU: "Xeon", CPUs: 2, Quota: 1.5, Governor: "powersave",
		Memory: 1000 << 26, GPUs: []string{"NVIDIA H100", "NVIDIA H100", "NVIDIA L4"}, Driver: "535.129.03"}
}

func TestDiffers(t *testing.T) {
	for _, test := range []struct {
		change func(*hostinfo.Environment)
		want   string
	}{
		{func(e *hostinfo.Environment) {}, ""},
		{func(e *hostinfo.Environment) { e.Kernel, e.CPUs = "6.18", 4 }, "kernel 6.1 → 6.18, CPUs 2 → 4"},
		{func(e *hostinfo.Environment) { e.Quota, e.Governor = 0, "" },
			"CPU quota 1.5 → none, governor powersave → none"},
		{func(e *hostinfo.Environment) { e.Memory = 8 << 26 }, "memory 62.5 GiB → 512 MiB"},
		{func(e *hostinfo.Environment) { e.GPUs = e.GPUs[:2] }, "GPUs 2 × NVIDIA H100 + NVIDIA L4 → 2 × NVIDIA H100"},
		{func(e *hostinfo.Environment) { e.GPUs, e.Driver = nil, "" },
			"GPUs 2 × NVIDIA H100 + NVIDIA L4 → none, driver 535.129.03 → none"},
	} {
		is := fullEnvironment()
		test.change(&is)

		if got := is.Differs(fullEnvironment()); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// Every field counts, in the digest and in words.
func TestEveryFieldCounts(t *testing.T) {
	was := fullEnvironment()
	if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(was.Digest()) || fullEnvironment().Digest() != was.Digest() {
		t.Errorf("digests %q and %q", was.Digest(), fullEnvironment().Digest())
	}

	for i := range reflect.TypeOf(was).NumField() {
		is := fullEnvironment()
		switch f := reflect.ValueOf(&is).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString(f.String() + "+")
		case reflect.Int, reflect.Int64:
			f.SetInt(f.Int() + 64<<20)
		case reflect.Float64:
			f.SetFloat(f.Float() + .001)
		case reflect.Slice:
			f.SetLen(2)
		}

		name := reflect.TypeOf(was).Field(i).Name
		if is.Digest() == was.Digest() || is.Differs(was) == "" || is.Differs(was) == was.Differs(is) {
			t.Errorf("%s: digest %s, differs by %q", name, is.Digest(), is.Differs(was))
		}
	}
}

func TestReadEnvironment(t *testing.T) {
	e := hostinfo.ReadEnvironment()
	t.Logf("%+v", e)

	if e.OS == "" || e.CPUs < 1 {
		t.Errorf("%+v", e)
	}

	if again := hostinfo.ReadEnvironment(); again.Digest() != e.Digest() || again.Differs(e) != "" {
		t.Errorf("it flickers: %s", again.Differs(e))
	}
}

func TestLoadTooShort(t *testing.T) {
	before := time.Now()
	m := hostinfo.StartLoad()
	time.Sleep(25 * time.Millisecond) // the counters have moved by then

	cpus, ok := m.Outside(0)
	if ok && time.Since(before) < 50*time.Millisecond {
		t.Errorf("it knows too early: %v", cpus)
	}

	if hostinfo.LoadAverage() < 0 {
		t.Error(hostinfo.LoadAverage())
	}
}
