package diskstore

import (
	"io"
	"os"
	"path/filepath"
)

// files makes and opens blob files. It is apart from vfs.FS, which has
// neither unnamed files nor a way to the *os.File that sendfile needs.
type files interface {
	// create returns a new file on the file system of dir that nobody else
	// sees.
	create(dir string) (newFile, error)
	open(name string) (blobFile, error)
}

// A newFile is a file under construction.
type newFile interface {
	io.Writer
	Sync() error
	// link gives the file its name.
	link(name string) error
	// Close ends the construction. What has not been linked is gone.
	Close() error
}

// A blobFile is an open blob.
type blobFile interface {
	io.ReaderAt
	io.Closer
	Stat() (os.FileInfo, error)
}

// osFiles is the file system of the operating system.
type osFiles struct{}

func (osFiles) open(name string) (blobFile, error) { return os.Open(name) }

func (osFiles) create(dir string) (newFile, error) {
	f, err := createUnnamed(dir)
	if err != nil {
		return createNamed(dir)
	}
	return f, nil
}

// A namedFile is under construction in the directory for temporary files,
// which Open empties.
type namedFile struct {
	*os.File
	linked bool
}

func createNamed(dir string) (newFile, error) {
	f, err := os.CreateTemp(filepath.Join(dir, tmpDir), "")
	if err != nil {
		return nil, err
	}
	return &namedFile{File: f}, nil
}

func (f *namedFile) link(name string) error {
	err := os.Rename(f.Name(), name)
	f.linked = err == nil
	return err
}

func (f *namedFile) Close() error {
	if !f.linked {
		_ = os.Remove(f.Name())
	}
	return f.File.Close()
}
