package spool

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"

	"github.com/daypass/daypass/internal/durable"
)

const cursorSuffix = ".cursor"

// A cursor is what a consumer keeps on the disk.
type cursor struct {
	Next Position `json:"next"`
	// Claimed says that the batch from Next to To was given out at Time.
	Claimed bool      `json:"claimed,omitempty"`
	To      Position  `json:"to,omitempty"`
	Time    time.Time `json:"time,omitzero"`
	State   []byte    `json:"state,omitempty"`
}

// A cursorFile holds a cursor. It is a log of its values, each with a length
// and a CRC-32C before it, of which the last counts: storing one costs one sync.
type cursorFile struct {
	path string
	file *os.File // nil before the first value
	size int64
}

// cursorHeader is the length and the checksum of a value.
const cursorHeader = 8

// maxCursorFile is how large the file may become before it is begun anew.
const maxCursorFile = 256 << 10

// load returns the last value. The error is os.ErrNotExist where there is none.
func (f *cursorFile) load() (cur cursor, err error) {
	b, err := os.ReadFile(f.path)
	if err != nil {
		return cur, err
	}
	f.size = 0
	var last []byte
	for {
		value, ok := cursorValue(b[f.size:])
		if !ok {
			break
		}
		last = value
		f.size += cursorHeader + int64(len(value))
	}
	if last == nil {
		return cur, errors.New("spool: a damaged cursor: " + f.path)
	}
	if err := json.Unmarshal(last, &cur); err != nil {
		return cur, err
	}
	if f.file, err = os.OpenFile(f.path, os.O_WRONLY, 0); err != nil {
		return cur, err
	}
	return cur, f.file.Truncate(f.size) // a value that was cut off
}

// ReadState returns the state that a consumer of the spool in a directory stored
// last. It needs no lock: the spool may be in use by a server. The error is
// fs.ErrNotExist where there is no such consumer.
func ReadState(dir, consumer string) ([]byte, error) {
	path := filepath.Join(dir, consumer+cursorSuffix)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var last []byte
	for {
		value, ok := cursorValue(b)
		if !ok {
			break
		}
		last, b = value, b[cursorHeader+len(value):]
	}
	if last == nil {
		return nil, errors.New("spool: a damaged cursor: " + path)
	}
	var cur cursor
	err = json.Unmarshal(last, &cur)
	return cur.State, err
}

// cursorValue returns the value at the beginning of b.
func cursorValue(b []byte) (value []byte, ok bool) {
	if len(b) < cursorHeader {
		return nil, false
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || int64(n) > int64(len(b)-cursorHeader) {
		return nil, false
	}
	value = b[cursorHeader : cursorHeader+int(n)]
	return value, crc32.Checksum(value, crcTable) == binary.LittleEndian.Uint32(b[4:])
}

// store makes a value durable.
func (f *cursorFile) store(cur cursor) error {
	value, err := json.Marshal(cur)
	if err != nil {
		return err
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(value)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(value, crcTable))
	b = append(b, value...)
	if f.file == nil || f.size > maxCursorFile && f.size > 4*int64(len(b)) {
		return f.begin(b)
	}
	if _, err = f.file.WriteAt(b, f.size); err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		return errors.Join(err, f.close()) // what the file holds is not known
	}
	f.size += int64(len(b))
	return nil
}

// begin replaces the file by one with one value.
func (f *cursorFile) begin(b []byte) error {
	if err := durable.Replace(f.path, b, 0o600); err != nil {
		return err
	}
	file, err := os.OpenFile(f.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	f.close()
	f.file, f.size = file, int64(len(b))
	return nil
}

func (f *cursorFile) close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}
