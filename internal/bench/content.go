package bench

import (
	"bytes"
	"hash/fnv"
)

// period is after how many bytes a body repeats itself. It is odd, so that a
// server that takes the wrong block of a body is found out.
const period = 1<<20 + 7

// A content is what bodies are made of: bytes that look random and follow from
// the key and the offset alone, so that any part of any body can be checked
// without keeping it. It is written once and shared.
type content struct {
	pattern []byte // twice the period, so that any offset begins a window
}

func newContent() *content {
	c := &content{make([]byte, 2*period)}
	state := uint64(0x6461797061737321)
	for i := range period {
		// splitmix64 (Steele, Lea, Flood 2014); one byte of each value.
		state += 0x9e3779b97f4a7c15
		z := state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		c.pattern[i] = byte(z ^ z>>31)
	}
	copy(c.pattern[period:], c.pattern[:period])
	return c
}

// A body is the content of one key.
type body struct {
	content *content
	start   int64
}

// of returns the body of a key.
func (c *content) of(key string) body {
	h := fnv.New64a()
	h.Write([]byte(key))
	return body{c, int64(h.Sum64() % period)}
}

// window returns up to period bytes of the body from an offset on.
func (b body) window(offset, n int64) []byte {
	at := (b.start + offset) % period
	return b.content.pattern[at : at+min(n, period)]
}

// matches reports whether got is what the body has at an offset.
func (b body) matches(got []byte, offset int64) bool {
	for len(got) > 0 {
		want := b.window(offset, int64(len(got)))
		if !bytes.Equal(got[:len(want)], want) {
			return false
		}
		got, offset = got[len(want):], offset+int64(len(want))
	}
	return true
}
