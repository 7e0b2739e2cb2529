package diskstore

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// currentFormat is the version of everything below the data directory. A
// change that an older Daypass could not read raises it.
//
//	1: the first
//	2: versions, multipart uploads, blobs that several objects share
//	3: object locks and encrypted bodies, which an older Daypass would not know
const currentFormat = 3

type formatFile struct {
	Format int `json:"format"`
}

// checkFormat refuses a data directory of a newer format, and marks a new or
// older one with the current one. What older ones hold can be read as it is.
func checkFormat(fs vfs.FS, dir string) error {
	name := fs.PathJoin(dir, "format")
	f, err := fs.Open(name)
	if notExist(err) {
		return writeFormat(fs, dir, name)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	var have formatFile
	if err := json.Unmarshal(data, &have); err != nil || have.Format < 1 {
		return fmt.Errorf("%s is not the format file of a data directory: %q", name, data)
	}
	if have.Format > currentFormat {
		return fmt.Errorf("%s has format %d, but this version of Daypass knows formats up to %d: use a newer version",
			dir, have.Format, currentFormat)
	}
	if have.Format < currentFormat {
		return writeFormat(fs, dir, name)
	}
	return nil
}

func writeFormat(fs vfs.FS, dir, name string) error {
	data, err := json.Marshal(formatFile{Format: currentFormat})
	if err != nil {
		return err
	}
	f, err := fs.Create(name+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fs.Rename(name+".new", name)
	}
	if err == nil {
		err = syncDir(fs, dir)
	}
	return err
}
