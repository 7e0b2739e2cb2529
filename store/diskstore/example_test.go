package diskstore_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "diskstore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	driver, err := diskstore.Open(diskstore.Options{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	s := store.New(driver)
	defer s.Close()

	ctx := context.Background()
	if _, err := s.CreateBucket(ctx, store.Bucket{Name: "greetings"}, time.Now()); err != nil {
		log.Fatal(err)
	}
	upload, err := store.NewUpload(strings.NewReader("hello world"), store.UploadOptions{Size: 11})
	if err != nil {
		log.Fatal(err)
	}
	_, err = s.PutObject(ctx, &store.PutRequest{Bucket: "greetings", Key: "en/hello.txt", Body: upload})
	if err != nil {
		log.Fatal(err)
	}

	obj, body, err := s.OpenObject(ctx, daypass.ObjectRef{Bucket: "greetings", Key: "en/hello.txt"})
	if err != nil {
		log.Fatal(err)
	}
	defer body.Close()
	r, err := body.Range(6, 5)
	if err != nil {
		log.Fatal(err)
	}
	part, err := io.ReadAll(r)
	fmt.Println(obj.ETag, string(part), err)
	// Output: 5eb63bbbe01eeed093cb22bb8f5acdc3 world <nil>
}
