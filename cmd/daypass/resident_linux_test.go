package main

import (
	"os"
	"strings"
	"testing"
)

func TestMappings(t *testing.T) {
	const smaps = `00400000-0110f000 r-xp 00000000 fe:00 10608819                           /usr/local/my bin/daypass
Size:              13372 kB
Rss:               10168 kB
Anonymous:             0 kB
FilePmdMapped:         0 kB
Swap:                  0 kB
SwapPss:               0 kB
01e84000-01f58000 rw-p 01a84000 fe:00 10608819                           /usr/local/my bin/daypass
Anonymous:           220 kB
Swap:                  0 kB
01f58000-01f5a000 r--p 01b58000 fe:00 10608819                           /usr/local/my bin/daypass
Anonymous:             0 kB
Swap:                  8 kB
7f0000000000-7f0000001000 r--p 00000000 00:00 0
AnonHugePages:         0 kB
Anonymous:             4 kB
Swap:                  0 kB
`
	want := []mapping{
		{0x400000, 0x110f000, "r-xp", "/usr/local/my bin/daypass", false},
		{0x1e84000, 0x1f58000, "rw-p", "/usr/local/my bin/daypass", true},
		{0x1f58000, 0x1f5a000, "r--p", "/usr/local/my bin/daypass", true}, // swapped out
		{0x7f0000000000, 0x7f0000001000, "r--p", "", true},
	}
	var m mapping
	var got []mapping
	for line := range strings.Lines(smaps) {
		if m.read(strings.TrimSuffix(line, "\n")) {
			got = append(got, m)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d mappings, want %d: %+v", len(got), len(want), got)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("got  %+v\nwant %+v", got[i], want[i])
		}
	}
}

// TestForgetUnused checks that the program is mapped less afterwards, and still
// works.
func TestForgetUnused(t *testing.T) {
	resident := func() string {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(status), "RssFile:")
		size, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		return strings.Repeat(" ", 12-len(size)) + size // compares as a number
	}
	before := resident()
	forgetUnused()
	if after := resident(); after >= before {
		t.Errorf("%s KiB of files are mapped, before %s", after, before)
	}
}
