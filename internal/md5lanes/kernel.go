package md5lanes

import (
	"crypto/md5"
	"encoding"
	"encoding/binary"
	"hash"
)

const (
	blockSize = md5.BlockSize
	// maxLanes is how many streams the widest kernel takes.
	maxLanes = 16
	// maxBlocks bounds a call of a kernel, which the scheduler cannot
	// interrupt: all goroutines wait for it where the collector stops them.
	maxBlocks = 512
)

// A kernel hashes blocks of several streams: row i of the state holds word i
// of each lane, and the data of each lane is at least blocks long.
type kernel struct {
	lanes int
	run   func(state *[4][maxLanes]uint32, data *[maxLanes]*byte, blocks int)
}

// A state is what MD5 carries from one block to the next.
type state [4]uint32

// initial is the state before the first block (RFC 1321, section 3.3).
func initial() state { return state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476} }

// A lane is a state and the whole blocks that it takes next.
type lane struct {
	state *state
	data  []byte
}

// advance hashes n blocks of each lane, which has as many.
func (k kernel) advance(lanes []lane, n int) {
	var states [4][maxLanes]uint32
	var data [maxLanes]*byte
	for i := range k.lanes {
		// A lane that is left over repeats the first.
		l := &lanes[0]
		if i < len(lanes) {
			l = &lanes[i]
		}
		for word, v := range l.state {
			states[word][i] = v
		}
		data[i] = &l.data[: n*blockSize : n*blockSize][0]
	}
	k.run(&states, &data, n)
	for i := range lanes {
		for word := range states {
			lanes[i].state[word] = states[word][i]
		}
	}
}

// A single is crypto/md5 with a state that can be set, through the form in
// which crypto/md5 keeps it.
type single struct {
	hash.Hash
	form [formEnd]byte
}

// The form: a magic string, the state, the bytes that do not fill a block yet
// and the length of the stream in bytes.
const (
	magic     = "md5\x01"
	formState = len(magic)
	formTail  = formState + md5.Size
	formSize  = formTail + blockSize
	formEnd   = formSize + 8
)

// set puts crypto/md5 into a state after size bytes, of which the last, less
// than a block, are the tail. It panics when crypto/md5 has another form, which
// New has ruled out.
func (s *single) set(st *state, tail []byte, size uint64) {
	b := append(s.form[:0], magic...)
	for _, word := range st {
		b = binary.BigEndian.AppendUint32(b, word)
	}
	b = append(b, tail...)
	clear(s.form[len(b):formSize])
	binary.BigEndian.PutUint64(s.form[formSize:], size)
	if err := s.Hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.form[:]); err != nil {
		panic(err)
	}
}

// get returns the size and what belongs to it, the inverse of set.
func (s *single) get(st *state, tail *[blockSize]byte) (size uint64) {
	form, err := s.Hash.(encoding.BinaryAppender).AppendBinary(s.form[:0])
	if err != nil {
		panic(err)
	}
	for i := range st {
		st[i] = binary.BigEndian.Uint32(form[formState+4*i:])
	}
	copy(tail[:], form[formTail:])
	return binary.BigEndian.Uint64(form[formSize:])
}

// blocks hashes whole blocks.
func (s *single) blocks(st *state, data []byte) {
	s.set(st, nil, 0)
	s.Hash.Write(data)
	var tail [blockSize]byte
	s.get(st, &tail)
}

// knownForm reports whether crypto/md5 keeps its state in the form above.
func knownForm() bool {
	d, ok := md5.New().(interface {
		encoding.BinaryAppender
		encoding.BinaryUnmarshaler
	})
	if !ok {
		return false
	}
	form, err := d.AppendBinary(nil)
	if err != nil || len(form) != formEnd || string(form[:formState]) != magic {
		return false
	}
	for i, word := range initial() {
		if binary.BigEndian.Uint32(form[formState+4*i:]) != word {
			return false
		}
	}
	return true
}
