package bucketlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/daypass/daypass/audit/spool"
	"github.com/daypass/daypass/internal/durable"
)

// A queue keeps objects on the disk until they are delivered: a file for each
// batch, written as a whole.
type queue struct {
	dir   string
	files []*file // in order of their batches
	bytes int64
}

// A file is the objects of one batch that are not yet delivered. On the disk it
// is a line of JSON about the objects, and then their bodies.
type file struct {
	name string
	from spool.Position // of the batch
	size int64
	// targets are the buckets of the objects; nil before the file was read.
	targets []string
	// objects are kept from when the file was written to the first delivery.
	objects []Object
}

const (
	fileSuffix    = ".logs"
	damagedSuffix = ".damaged"
)

// maxFiles bounds the queue where files are small.
const maxFiles = 100_000

// fileName names the file of a batch.
func fileName(b *spool.Batch) string {
	return fmt.Sprintf("%020d-%s%s", b.From, b.Unique("queue"), fileSuffix)
}

// openQueue finds what an earlier process left.
func openQueue(dir string) (*queue, error) {
	q := &queue{dir: dir}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), durable.TemporarySuffix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		position, _, _ := strings.Cut(e.Name(), "-")
		from, err := strconv.ParseUint(position, 10, 64)
		if err != nil || !strings.HasSuffix(e.Name(), fileSuffix) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		q.add(&file{name: e.Name(), from: spool.Position(from), size: info.Size()})
	}
	return q, nil
}

func (q *queue) add(f *file) {
	q.files = append(q.files, f)
	q.bytes += f.size
}

// has reports whether the file of a batch is there. It is among the last.
func (q *queue) has(name string, from spool.Position) bool {
	for i := len(q.files) - 1; i >= 0 && q.files[i].from >= from; i-- {
		if q.files[i].name == name {
			return true
		}
	}
	return false
}

// put adds a file, durably.
func (q *queue) put(name string, from spool.Position, objects []Object) error {
	f := &file{name: name, from: from}
	if err := q.write(f, objects); err != nil {
		return err
	}
	f.objects = objects
	q.files = append(q.files, f)
	return nil
}

// write writes a file, in place of what had its name.
func (q *queue) write(f *file, objects []Object) error {
	var b bytes.Buffer
	if err := encode(&b, objects); err != nil {
		return err
	}
	if err := os.MkdirAll(q.dir, 0o700); err != nil {
		return err
	}
	if err := durable.Replace(filepath.Join(q.dir, f.name), b.Bytes(), 0o600); err != nil {
		return err
	}
	q.bytes += int64(b.Len()) - f.size
	f.size, f.targets = int64(b.Len()), targets(objects)
	return nil
}

// read returns the objects of a file. One that cannot be understood is put
// aside and never looked at again.
func (q *queue) read(f *file) ([]Object, error) {
	if f.objects != nil {
		return f.objects, nil
	}
	b, err := os.ReadFile(filepath.Join(q.dir, f.name))
	if errors.Is(err, fs.ErrNotExist) {
		// Somebody took it away. To look for it again is no use.
		return nil, errors.Join(err, q.forget(f))
	}
	if err != nil {
		return nil, err
	}
	objects, err := decode(b)
	if err != nil {
		path := filepath.Join(q.dir, f.name)
		return nil, errors.Join(fmt.Errorf("%s%s is put aside: %w", path, damagedSuffix, err),
			os.Rename(path, path+damagedSuffix), q.forget(f))
	}
	f.targets = targets(objects)
	return objects, nil
}

// remove removes a file.
func (q *queue) remove(f *file) error {
	if err := os.Remove(filepath.Join(q.dir, f.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return q.forget(f)
}

func (q *queue) forget(f *file) error {
	q.bytes -= f.size
	q.files = slices.DeleteFunc(q.files, func(other *file) bool { return other == f })
	return nil
}

// full reports whether the oldest file has to go.
func (q *queue) full(most int64) bool {
	return len(q.files) > 0 && (q.bytes > most || len(q.files) > maxFiles)
}

func targets(objects []Object) []string {
	var names []string
	for i := range objects {
		if !slices.Contains(names, objects[i].Target) {
			names = append(names, objects[i].Target)
		}
	}
	return names
}

// A stored is an object in the first line of a file.
type stored struct {
	Object
	Size int `json:"size"` // of the body
}

func encode(b *bytes.Buffer, objects []Object) error {
	list := make([]stored, len(objects))
	for i := range objects {
		list[i] = stored{objects[i], len(objects[i].Body)}
	}
	if err := json.NewEncoder(b).Encode(list); err != nil { // ends with a line end
		return err
	}
	size := 0
	for i := range objects {
		size += len(objects[i].Body)
	}
	b.Grow(size)
	for i := range objects {
		b.Write(objects[i].Body)
	}
	return nil
}

func decode(b []byte) ([]Object, error) {
	head, rest, ok := bytes.Cut(b, []byte{'\n'})
	var list []stored
	if err := json.Unmarshal(head, &list); err != nil || !ok {
		return nil, errors.Join(errors.New("not a file of log objects"), err)
	}
	objects := make([]Object, len(list))
	for i := range list {
		size := list[i].Size
		if size < 0 || size > len(rest) {
			return nil, errors.New("a file of log objects that was cut off")
		}
		objects[i] = list[i].Object
		objects[i].Body, rest = rest[:size:size], rest[size:]
	}
	return objects, nil
}
