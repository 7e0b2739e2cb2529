package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
)

// oneKey is a key source of one key.
type oneKey daypass.AccessKey

func (k oneKey) AccessKey(_ context.Context, id string) (daypass.AccessKey, error) {
	if id != k.ID {
		return daypass.AccessKey{}, &daypass.Error{Code: daypass.NoSuchAccessKey}
	}
	return daypass.AccessKey(k), nil
}

func Example() {
	dir, err := os.MkdirTemp("", "daypass")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	disk, err := diskstore.Open(diskstore.Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	objects := store.New(disk)
	defer objects.Close()
	handler, err := server.New(server.Config{
		Store: objects, Region: "us-east-1",
		Keys: oneKey{ID: "AKIDEXAMPLE", Secret: "secret", Owner: "me"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	endpoint := httptest.NewServer(handler)
	defer endpoint.Close()

	signer, err := sign.NewPresigner(sign.Key{ID: "AKIDEXAMPLE", Secret: "secret"}, endpoint.URL, "us-east-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, step := range []struct{ method, key, body string }{
		{"PUT", "", ""}, {"PUT", "a b/ü+.txt", "hello"}, {"GET", "a b/ü+.txt", ""},
	} {
		url, err := signer.URL(time.Now(), step.method, "photos", step.key, time.Minute)
		if err != nil {
			fmt.Println(err)
			return
		}
		req, err := http.NewRequest(step.method, url, strings.NewReader(step.body))
		if err != nil {
			fmt.Println(err)
			return
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Println(step.method, resp.StatusCode, len(body))
	}
	// Output:
	// PUT 200 0
	// PUT 200 0
	// GET 200 5
}
