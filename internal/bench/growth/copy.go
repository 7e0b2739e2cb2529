package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// unchanging are the endings of files that a store never writes again, so that
// a copy of the store may have them by link.
var unchanging = map[string]bool{".sst": true, ".blob": true}

// copyStore copies a store that no server has open.
func copyStore(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rest)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o700)
		case unchanging[filepath.Ext(path)] && os.Link(path, target) == nil:
			return nil
		case entry.Type().IsRegular():
			return copyFile(path, target)
		}
		return nil // a socket
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// warm reads the files below a directory, as far as there is memory for them.
func warm(dir string) error {
	return eachFile(dir, func(f *os.File) error {
		_, err := io.Copy(io.Discard, struct{ io.Reader }{f})
		return err
	})
}

// chill takes the files below a directory out of the operating system's cache.
func chill(dir string) error { return eachFile(dir, uncache) }

// eachFile calls do with every file below a directory.
func eachFile(dir string, do func(*os.File) error) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return do(f)
	})
}
