package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// LogFileOptions configure a LogFile. Zero values mean no rotation.
type LogFileOptions struct {
	// Path is the file; "-" is the standard output, which is never rotated.
	Path string
	// MaxBytes and MaxAge are when a file is rotated: before it would grow
	// beyond so many bytes, and when it is so old.
	MaxBytes int64
	MaxAge   time.Duration
	// Keep is how many rotated files are kept; 0 keeps all.
	Keep int
	// Now is the clock, time.Now by default.
	Now func() time.Time
	// Stdout is for "-", os.Stdout by default.
	Stdout io.Writer
}

// A LogFile is a file that lines are appended to. It may be rotated by itself
// or by a program such as logrotate, which renames the file and then asks for
// Reopen. Its methods may be called concurrently.
type LogFile struct {
	opts LogFileOptions

	mu   sync.Mutex
	file *os.File // nil for the standard output and after Close
	size int64
	born time.Time
}

// OpenLogFile opens a file for appending and makes it where there is none.
func OpenLogFile(opts LogFileOptions) (*LogFile, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Stdout == nil {
		opts.Stdout = os.Stdout
	}
	f := &LogFile{opts: opts}
	if opts.Path == "-" {
		return f, nil
	}
	return f, f.open()
}

func (f *LogFile) open() error {
	file, err := os.OpenFile(f.opts.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	st, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	f.file, f.size, f.born = file, st.Size(), f.opts.Now()
	if f.size > 0 && st.ModTime().Before(f.born) {
		f.born = st.ModTime() // the nearest to its birth that is known
	}
	return nil
}

// Write appends whole lines. They are in one file: rotation comes before them.
func (f *LogFile) Write(lines []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opts.Path == "-" {
		return f.opts.Stdout.Write(lines)
	}
	if f.file == nil {
		return 0, os.ErrClosed
	}
	if f.due(int64(len(lines))) {
		if err := f.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(lines)
	f.size += int64(n)
	return n, err
}

func (f *LogFile) due(more int64) bool {
	return f.size > 0 && (f.opts.MaxBytes > 0 && f.size+more > f.opts.MaxBytes ||
		f.opts.MaxAge > 0 && f.opts.Now().Sub(f.born) >= f.opts.MaxAge)
}

// rotatedTime dates rotated files.
const rotatedTime = "20060102T150405Z"

// rotate renames the file and opens a new one. Where that fails, the old one
// goes on.
func (f *LogFile) rotate() error {
	name := f.opts.Path + "." + f.opts.Now().UTC().Format(rotatedTime)
	for n := 1; ; n++ {
		if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) {
			break
		}
		name = fmt.Sprintf("%s.%s-%03d", f.opts.Path, f.opts.Now().UTC().Format(rotatedTime), n)
	}
	if err := os.Rename(f.opts.Path, name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	old := f.file
	if err := f.open(); err != nil {
		return err
	}
	return errors.Join(old.Close(), f.removeOld())
}

// removeOld removes the oldest rotated files.
func (f *LogFile) removeOld() error {
	if f.opts.Keep <= 0 {
		return nil
	}
	dir, base := filepath.Split(f.opts.Path)
	entries, err := os.ReadDir(filepath.Clean(dir + "."))
	if err != nil {
		return err
	}
	var rotated []string // sorted, as entries are
	for _, e := range entries {
		if date, ok := strings.CutPrefix(e.Name(), base+"."); ok && len(date) >= len(rotatedTime) {
			if _, err := time.Parse(rotatedTime, date[:len(rotatedTime)]); err == nil {
				rotated = append(rotated, dir+e.Name())
			}
		}
	}
	for len(rotated) > f.opts.Keep {
		if err := os.Remove(rotated[0]); err != nil {
			return err
		}
		rotated = rotated[1:]
	}
	return nil
}

// Reopen closes the file and opens what has its name now. Where that fails,
// the old file goes on.
func (f *LogFile) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opts.Path == "-" {
		return nil
	}
	if f.file == nil {
		return os.ErrClosed
	}
	old := f.file
	if err := f.open(); err != nil {
		return err
	}
	return old.Close()
}

// Sync makes what was written durable and returns the size of the file.
func (f *LogFile) Sync() (size int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return 0, nil
	}
	return f.size, f.file.Sync()
}

// Resume returns how many of the bytes of lines are at the end of the file
// already, since they were being written when the process ended: size is what
// Sync returned before. They are looked for behind that, or in a file that was
// begun for them.
func (f *LogFile) Resume(size int64, lines []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, from := range []int64{size, 0} {
		if f.file == nil || from > f.size || f.size-from > int64(len(lines)) {
			continue
		}
		tail := make([]byte, f.size-from)
		if _, err := f.file.ReadAt(tail, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if bytes.HasPrefix(lines, tail) {
			return len(tail), nil
		}
	}
	return 0, nil
}

// Close closes the file.
func (f *LogFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}
