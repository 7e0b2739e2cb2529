package state

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// MasterKeySize is the size of a master key in bytes.
const MasterKeySize = 32

// A MasterKey is the secret that all nodes of a deployment share. Other keys
// are derived from it, never stored. Printing it by any verb of fmt, by
// log/slog or by encoding/json shows a placeholder.
type MasterKey [MasterKeySize]byte

const redacted = "REDACTED"

// Format writes a placeholder.
func (MasterKey) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue returns a placeholder.
func (MasterKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder.
func (MasterKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// derive returns the sub-key for one purpose. Keys of different purposes tell
// nothing about each other or about the master key.
func (k MasterKey) derive(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, k[:], nil, "daypass state 1 "+purpose, 32)
}

// check returns the value that tells this key from others.
func (k MasterKey) check() ([]byte, error) {
	sum, err := k.derive("key check")
	return append([]byte{1}, sum...), err
}

// ParseMasterKey returns the master key written in text as 64 hexadecimal
// digits or as base64 (either alphabet, padded or not); space around it is
// ignored. This is the form of the DAYPASS_MASTER_KEY environment variable
// and of the key file. Errors do not repeat the text.
func ParseMasterKey(text string) (MasterKey, error) {
	text = strings.TrimSpace(text)
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != MasterKeySize {
		raw, err = decodeBase64(text)
	}
	if err != nil || len(raw) != MasterKeySize {
		return MasterKey{}, fmt.Errorf("a master key must be %d random bytes as 64 hexadecimal digits or in base64, such as `openssl rand -hex 32` prints; these are %d characters of something else", MasterKeySize, len(text))
	}
	return MasterKey(raw), nil
}

func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
}

// MasterKeyFromFile returns the master key in the file at path. A missing
// file is made with a random key from rand, readable by its owner only and
// safe on disk before the key is returned; created tells. A file that others
// may read or write is refused. The directory must exist.
func MasterKeyFromFile(path string, rand io.Reader) (key MasterKey, created bool, err error) {
	key, err = readMasterKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = createMasterKey(path, rand)
		created = err == nil
	}
	if errors.Is(err, fs.ErrExist) { // another process was first
		key, err = readMasterKey(path)
	}
	if err != nil {
		return MasterKey{}, false, fmt.Errorf("master key file %s: %w", path, err)
	}
	return key, created, nil
}

// ReadMasterKeyFile returns the master key in the file at path, which must
// exist and be its owner's alone.
func ReadMasterKeyFile(path string) (MasterKey, error) {
	key, err := readMasterKey(path)
	if err != nil {
		return MasterKey{}, fmt.Errorf("master key file %s: %w", path, err)
	}
	return key, nil
}

// Initialised reports whether the state that d keeps was opened before, so that
// it belongs to one master key.
func Initialised(ctx context.Context, d Driver) (bool, error) {
	check, err := d.Setting(ctx, settingKeyCheck)
	if err != nil {
		return false, failed("state.Initialised", err)
	}
	return check != nil, nil
}

func readMasterKey(path string) (MasterKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return MasterKey{}, err
	}
	defer f.Close()
	if err := checkPrivate(f); err != nil {
		return MasterKey{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		return MasterKey{}, err
	}
	return ParseMasterKey(string(text))
}

// checkPrivate refuses a file that is not its owner's alone.
func checkPrivate(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	if p := info.Mode().Perm(); p&0o077 != 0 {
		return fmt.Errorf("it has mode %04o, so that others can reach it: run `chmod 600 %s`, or give the key in DAYPASS_MASTER_KEY instead", p, f.Name())
	}
	return nil
}

// createMasterKey makes the file at path unless it exists (fs.ErrExist). The
// text is written and synced under another name first, so that path never
// names half a key, and linked rather than renamed, so that no key that
// somebody else has just made is overwritten.
func createMasterKey(path string, rand io.Reader) (MasterKey, error) {
	var key MasterKey
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return MasterKey{}, err
	}
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".master-key-*") // mode 0600
	if err != nil {
		return MasterKey{}, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(hex.EncodeToString(key[:]) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return MasterKey{}, err
	}
	if err := os.Link(tmp.Name(), path); err != nil {
		return MasterKey{}, err
	}
	return key, syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
