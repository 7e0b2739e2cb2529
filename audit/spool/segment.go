package spool

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/daypass/daypass/audit"
)

// A Position is a place in a spool: how many bytes of records were written
// before it since the spool was made.
type Position uint64

// A segment begins with a header: magic, position of the first record, marker
// and zeros. Records follow, each of a marker, a length and kind, and a CRC-32C
// of the marker, length, kind and payload. Integers are little-endian.
const (
	segmentMagic  = "daypass spool 1\n"
	headerBytes   = 32
	frameBytes    = 12
	maxPayload    = audit.MaxEncoded
	segmentSuffix = ".seg"
)

// The kinds of records.
const (
	kindEvent = 1
	kindGap   = 2
)

// crcTable is that of CRC-32C, which processors compute.
var crcTable = crc32.MakeTable(crc32.Castagnoli)

// A segmentName says where a segment is. Of two with one start, the one with
// the higher generation counts; the other holds nothing.
type segmentName struct {
	start      Position
	generation uint32
}

func (n segmentName) String() string {
	return fmt.Sprintf("%016x-%08x%s", uint64(n.start), n.generation, segmentSuffix)
}

func parseSegmentName(name string) (n segmentName, ok bool) {
	_, err := fmt.Sscanf(name, "%016x-%08x"+segmentSuffix, &n.start, &n.generation)
	return n, err == nil && n.String() == name
}

// listSegments returns the segments of a directory, oldest first.
func listSegments(dir string) ([]segmentName, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	var names []segmentName
	for _, e := range entries {
		if n, ok := parseSegmentName(e.Name()); ok {
			names = append(names, n)
		}
	}
	return names, nil
}

// newHeader returns a header with a random marker.
func newHeader(start Position) (header []byte, marker uint32) {
	header = make([]byte, headerBytes)
	copy(header, segmentMagic)
	binary.LittleEndian.PutUint64(header[16:], uint64(start))
	rand.Read(header[24:28])
	return header, binary.LittleEndian.Uint32(header[24:])
}

// readMarker returns the marker of a segment.
func readMarker(r io.ReaderAt, start Position) (uint32, error) {
	var h [headerBytes]byte
	if _, err := r.ReadAt(h[:], 0); err != nil {
		return 0, err
	}
	if string(h[:16]) != segmentMagic || binary.LittleEndian.Uint64(h[16:]) != uint64(start) {
		return 0, errHeader
	}
	return binary.LittleEndian.Uint32(h[24:]), nil
}

var errHeader = errors.New("spool: damaged segment header")

// beginRecord reserves a frame. The payload follows, then nameRecord, and seal
// when it is known which segment the record is in.
func beginRecord(dst []byte) []byte { return append(dst, make([]byte, frameBytes)...) }

// nameRecord notes the length and kind of a record in its frame.
func nameRecord(record []byte, kind byte) {
	binary.LittleEndian.PutUint32(record[4:], uint32(len(record)-frameBytes)<<8|uint32(kind))
}

func recordSum(record []byte) uint32 {
	sum := crc32.Update(0, crcTable, record[:8])
	return crc32.Update(sum, crcTable, record[frameBytes:])
}

// seal gives records a segment's marker, and their checksums.
func seal(records []byte, marker uint32) {
	for len(records) > 0 {
		n := frameBytes + int(binary.LittleEndian.Uint32(records[4:])>>8)
		binary.LittleEndian.PutUint32(records, marker)
		binary.LittleEndian.PutUint32(records[8:], recordSum(records[:n]))
		records = records[n:]
	}
}

// A record is one that was read.
type record struct {
	kind    byte
	payload []byte
}

// parseRecord reads the record at the beginning of b. It reports false where
// there is no whole and valid one.
func parseRecord(b []byte, marker uint32) (r record, n int, ok bool) {
	if len(b) < frameBytes || binary.LittleEndian.Uint32(b) != marker {
		return r, 0, false
	}
	word := binary.LittleEndian.Uint32(b[4:])
	n = frameBytes + int(word>>8)
	if n > frameBytes+maxPayload || n > len(b) || recordSum(b[:n]) != binary.LittleEndian.Uint32(b[8:]) {
		return r, 0, false
	}
	return record{kind: byte(word), payload: b[frameBytes:n]}, n, true
}

// findRecord returns where in b the first valid record is, -1 for nowhere.
func findRecord(b []byte, marker uint32) int {
	var m [4]byte
	binary.LittleEndian.PutUint32(m[:], marker)
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], m[:])
		if i < 0 {
			return -1
		}
		at += i
		if _, _, ok := parseRecord(b[at:], marker); ok {
			return at
		}
	}
}

// validEnd returns the position where the valid records of the last segment
// end.
func validEnd(dir string, n segmentName) (Position, error) {
	path := filepath.Join(dir, n.String())
	st, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if st.Size() < headerBytes {
		return n.start, nil // it was just made
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	_, err = readMarker(f, n.start)
	f.Close()
	if errors.Is(err, errHeader) {
		// Nothing in it can be read, but its positions were given.
		return n.start + Position(st.Size()-headerBytes), nil
	}
	if err != nil {
		return 0, err
	}
	r := newReader(dir, n.start)
	defer r.close()
	for end := n.start; ; {
		found, err := r.nextRecord(noLimit, true)
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return 0, err
		}
		end = found.next // a gap ends where a record begins
	}
}

// current returns the segments that hold anything: those of two with the same
// start only the later.
func current(names []segmentName) []segmentName {
	out := slices.Clone(names)[:0]
	for i, n := range names {
		if i+1 == len(names) || names[i+1].start != n.start {
			out = append(out, n)
		}
	}
	return out
}
