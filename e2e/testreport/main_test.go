package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRun(t *testing.T) {
	const events = `{"Action":"build-output","ImportPath":"p","Output":"# p\n"}
plain text
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: noise\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:2: measured: 3 MiB\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.5}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: no network\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB","Elapsed":0}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.512s\n"}
{"Action":"pass","Package":"p","Elapsed":0.512}
`
	const want = `# p
plain text
TestA measured: 3 MiB
--- SKIP: p TestB (0s)
    b_test.go:1: no network
ok  	p	0.512s
1 passed, 0 failed, 1 skipped
`
	var out strings.Builder
	if err := run(strings.NewReader(events), &out); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error("report (-want +got):\n" + diff)
	}
}

func TestRunFails(t *testing.T) {
	for _, events := range []string{
		``,
		`{"Action":"fail","Package":"p"}`,
		`{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p","Test":"TestB"}`,
	} {
		if err := run(strings.NewReader(events), new(strings.Builder)); err == nil {
			t.Errorf("run(%s) succeeds", events)
		}
	}
}
