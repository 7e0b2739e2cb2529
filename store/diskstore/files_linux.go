package diskstore

import (
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
