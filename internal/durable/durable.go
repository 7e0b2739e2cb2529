// Package durable replaces files so that a crash leaves the old or the new one,
// whole.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// TemporarySuffix ends the names of files that an interrupted Replace left.
const TemporarySuffix = ".tmp"

// Replace replaces a file as a whole, or makes it. When it returns nil the file
// is on the disk, under its name.
func Replace(path string, b []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path+TemporarySuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+TemporarySuffix, path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}
