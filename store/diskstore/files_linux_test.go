package diskstore

import "testing"

// TestUnnamedFiles checks that uploads have no names before they are complete.
func TestUnnamedFiles(t *testing.T) {
	f, err := osFiles{}.create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, ok := f.(unnamedFile); !ok {
		t.Errorf("an upload is a %T", f)
	}
}
