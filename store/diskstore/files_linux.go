package diskstore

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// An unnamedFile vanishes by itself unless it is linked, whatever happens to
// the process (open(2), O_TMPFILE).
type unnamedFile struct{ *os.File }

func createUnnamed(dir string) (newFile, error) {
	f, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(procPath(f)); err != nil {
		f.Close() // no /proc, so it could not be linked
		return nil, err
	}
	return unnamedFile{f}, nil
}

func (f unnamedFile) link(name string) error {
	err := unix.Linkat(unix.AT_FDCWD, procPath(f.File), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	return os.NewSyscallError("linkat", err)
}

func procPath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// setDirect begins or ends direct I/O (open(2), O_DIRECT) where the file can do
// it, and returns what is in force.
func setDirect(f newFile, on bool) bool {
	file := osFile(f)
	if file == nil {
		return false
	}
	flags, err := unix.FcntlInt(file.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return !on
	}
	change := flags &^ unix.O_DIRECT
	if on {
		change |= unix.O_DIRECT
	}
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETFL, change); err != nil {
		return !on
	}
	return on
}

// osFile returns the file below f, nil if it is not the operating system's.
func osFile(f newFile) *os.File {
	switch f := f.(type) {
	case unnamedFile:
		return f.File
	case *namedFile:
		return f.File
	}
	return nil
}

// refusesDirect reports whether a write failed because of how direct I/O was
// asked for.
func refusesDirect(err error) bool { return errors.Is(err, unix.EINVAL) }
