package sealed_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/daypass/daypass/store/sealed"
)

// An object is encrypted with a random key, which is kept wrapped; a range of
// it is read again.
func Example() {
	wrapping, err := sealed.NewKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	key, err := sealed.NewKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	kept, err := sealed.Wrap(rand.Reader, wrapping, "photos/cat.jpg", key)
	if err != nil {
		log.Fatal(err)
	}
	sealer, err := sealed.NewSealer(key, strings.NewReader("a picture of a cat"), -1)
	if err != nil {
		log.Fatal(err)
	}
	data, err := io.ReadAll(sealer)
	if err != nil {
		log.Fatal(err)
	}

	again := func() (sealed.Key, error) { return sealed.Unwrap(wrapping, "photos/cat.jpg", kept) }
	opener, err := sealed.NewOpener(source(data), []sealed.Piece{{Size: 18, Key: again}})
	if err != nil {
		log.Fatal(err)
	}
	r, err := opener.Range(2, 7)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.Copy(os.Stdout, r); err != nil {
		log.Fatal(err)
	}
	fmt.Println(",", len(data), "bytes")
	// Output: picture, 34 bytes
}

// source is a body in memory.
type source []byte

// Range implements sealed.Source.
func (s source) Range(off, n int64) (io.Reader, error) {
	return bytes.NewReader(s[off : off+n]), nil
}
