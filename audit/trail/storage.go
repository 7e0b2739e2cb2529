package trail

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/daypass/daypass/internal/durable"
)

// A Storage keeps files by names with slashes: a bucket or a directory.
type Storage interface {
	// Put stores a file with its metadata, as a whole and durably, in place
	// of what had its name. It must not keep the body.
	Put(ctx context.Context, name string, body []byte, metadata map[string]string) error
	// Get returns a file. The error is fs.ErrNotExist where there is none.
	Get(ctx context.Context, name string) (body []byte, metadata map[string]string, err error)
	// List returns the names that begin with a prefix, sorted.
	List(ctx context.Context, prefix string) ([]string, error)
}

// Dir is a Storage in a directory. Metadata is in a file beside, with
// ".metadata" added to its name.
type Dir string

var _ Storage = Dir("")

const metadataSuffix = ".metadata"

func (d Dir) path(name string) string { return filepath.Join(string(d), filepath.FromSlash(name)) }

// Put implements Storage.
func (d Dir) Put(_ context.Context, name string, body []byte, metadata map[string]string) error {
	path := d.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	if len(metadata) > 0 {
		b, err := json.Marshal(metadata)
		if err != nil {
			return err
		}
		if err := durable.Replace(path+metadataSuffix, b, 0o640); err != nil {
			return err
		}
	}
	return durable.Replace(path, body, 0o640)
}

// Get implements Storage.
func (d Dir) Get(_ context.Context, name string) (body []byte, metadata map[string]string, err error) {
	if body, err = os.ReadFile(d.path(name)); err != nil {
		return nil, nil, err
	}
	b, err := os.ReadFile(d.path(name) + metadataSuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return body, nil, nil
	case err != nil:
		return nil, nil, err
	}
	return body, metadata, json.Unmarshal(b, &metadata)
}

// List implements Storage.
func (d Dir) List(_ context.Context, prefix string) (names []string, err error) {
	err = filepath.WalkDir(string(d), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(string(d), path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if strings.HasPrefix(name, prefix) && !strings.HasSuffix(name, metadataSuffix) && !strings.HasSuffix(name, durable.TemporarySuffix) {
			names = append(names, name)
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}
