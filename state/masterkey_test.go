package state_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/daypass/daypass/state"
)

func TestParseMasterKey(t *testing.T) {
	var key state.MasterKey
	for i := range key {
		key[i] = byte(255 - 3*i) // base64 with + and /
	}
	for _, text := range []string{
		hex.EncodeToString(key[:]),
		strings.ToUpper(hex.EncodeToString(key[:])),
		base64.StdEncoding.EncodeToString(key[:]),
		base64.RawStdEncoding.EncodeToString(key[:]),
		base64.URLEncoding.EncodeToString(key[:]),
		" \t" + base64.RawURLEncoding.EncodeToString(key[:]) + "\r\n",
	} {
		if got, err := state.ParseMasterKey(text); err != nil || got != key {
			t.Errorf("ParseMasterKey(%q): %v", text, err)
		}
	}
}

func TestParseMasterKeyErrors(t *testing.T) {
	for _, text := range []string{
		"", "secret", strings.Repeat("0", 62), strings.Repeat("0", 66), strings.Repeat("g", 64),
		strings.Repeat("A", 42), strings.Repeat("A", 44), strings.Repeat("é", 43),
	} {
		got, err := state.ParseMasterKey(text)
		if err == nil {
			t.Errorf("ParseMasterKey(%q) succeeded", text)
		} else if got != (state.MasterKey{}) || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("ParseMasterKey(%q): %v", text, err)
		}
	}
}

func TestMasterKeyFromFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "master.key")
	made, created, err := state.MasterKeyFromFile(path, rand.Reader)
	if err != nil || !created || made == (state.MasterKey{}) {
		t.Fatalf("first use: created %v, %v", created, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	read, created, err := state.MasterKeyFromFile(path, nil)
	if err != nil || created || read != made {
		t.Errorf("second use: created %v, %v", created, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files, want the key only", len(left))
	}
}

func TestMasterKeyFromFileRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := strings.Repeat("ab", 32)
	for _, c := range []struct{ path, want string }{
		{write("group", good, 0o640), "chmod 600"},
		{write("world", good, 0o604), "chmod 600"},
		{write("group-write", good, 0o620), "chmod 600"},
		{write("empty", "", 0o600), "64 hexadecimal digits"},
		{write("short", good[:60], 0o600), "64 hexadecimal digits"},
		{dir, "regular file"},
		{filepath.Join(dir, "no", "directory"), "no such file"},
	} {
		_, _, err := state.MasterKeyFromFile(c.path, rand.Reader)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: %v, want the path and %q", c.path, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), good[:60]) {
			t.Errorf("%s: the error repeats the key", c.path)
		}
	}
	if _, _, err := state.MasterKeyFromFile(write("read-only", good, 0o400), nil); err != nil {
		t.Errorf("a file that even its owner can only read: %v", err)
	}
}

// Programs that start together agree on one key.
func TestMasterKeyFromFileTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	const programs = 16
	var keys [programs]state.MasterKey
	var made [programs]bool
	var wg sync.WaitGroup
	for i := range programs {
		wg.Go(func() {
			var err error
			if keys[i], made[i], err = state.MasterKeyFromFile(path, rand.Reader); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	count := 0
	for i := range programs {
		if made[i] {
			count++
		}
		if keys[i] != keys[0] {
			t.Errorf("program %d has another key", i)
		}
	}
	if count != 1 {
		t.Errorf("%d programs made the key", count)
	}
}

func FuzzParseMasterKey(f *testing.F) {
	f.Add(strings.Repeat("ab", 32))
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	f.Add("\x00=-_ \n")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := state.ParseMasterKey(text)
		if err != nil {
			return
		}
		again, err := state.ParseMasterKey(hex.EncodeToString(key[:]))
		if err != nil || again != key {
			t.Errorf("%q does not survive a round trip: %v", text, err)
		}
	})
}
