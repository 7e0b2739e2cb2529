package diskstore

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// TestSealedOfUnknownSize writes encrypted bodies of the sizes at which the
// content fits into the index and what encryption adds does not: the content
// has ended when the rest of the body goes on into a file.
func TestSealedOfUnknownSize(t *testing.T) {
	s := store.New(openTest(t, Options{Dir: t.TempDir()}))
	if _, err := s.CreateBucket(t.Context(), store.Bucket{Name: "bucket"}, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	key := &store.Key{1}
	for n := DefaultInlineSize - 18; n <= DefaultInlineSize+2; n++ {
		data := content(uint64(n), n)
		body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: -1})
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint(n)
		if _, err := s.PutObject(t.Context(), &store.PutRequest{
			Bucket: "bucket", Key: name, Body: body, Sealing: store.Sealing{SSE: store.SSEC, Key: key},
		}); err != nil {
			t.Fatal(err)
		}
		if got, err := readSealed(t, s, name, key); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: %d come back, %v", n, len(got), err)
		}
	}
}

func readSealed(t *testing.T, s *store.Store, name string, key *store.Key) ([]byte, error) {
	obj, body, err := s.OpenWithKey(t.Context(), daypass.ObjectRef{Bucket: "bucket", Key: name}, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	r, err := body.Range(0, obj.Size)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
