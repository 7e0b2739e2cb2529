package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

// A server's root key makes access keys for others. A real program gives the
// address of its server, or the path of its unix socket, as Endpoint, and as
// Sign a function that signs for the service "daypass".
func Example() {
	srv := httptest.NewServer(exampleServer())
	defer srv.Close()

	c, err := client.New(client.Config{
		Endpoint: srv.URL,
		Sign:     func(r *http.Request) error { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 …"); return nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	k, err := c.CreateKey(ctx, client.NewKey{Name: "nightly backup"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("made", k.AccessKeyID, "with a secret of", len(k.SecretAccessKey), "characters:", k.SecretAccessKey)

	_, err = c.Key(ctx, "DPAKGONE")
	if errors.Is(err, &daypass.Error{Code: daypass.NoSuchAccessKey}) {
		fmt.Println(err)
	}
	// Output:
	// made DPAKEXAMPLE with a secret of 6 characters: REDACTED
	// client.Key: NoSuchAccessKey: There is no access key with this id.
}

// A link that went astray is revoked, whether anybody has used it yet or not.
func ExampleClient_Revoke() {
	srv := httptest.NewServer(exampleServer())
	defer srv.Close()

	c, err := client.New(client.Config{Endpoint: srv.URL})
	if err != nil {
		log.Fatal(err)
	}
	r, err := c.Revoke(context.Background(), client.NewRevocation{URL: "https://files.example.com/photos/puppy.jpg?X-Amz-Algorithm=…"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.ID, "refuses the pass", r.PassID)
	// Output: rev-example refuses the pass 6UA7BJ6BIATTWKW63HZQT2RNM3
}

// exampleServer stands for a Daypass.
func exampleServer() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/keys", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"accessKeyId":"DPAKEXAMPLE","secretAccessKey":"secret"}`)
	})
	mux.HandleFunc("POST /api/v1/revocations", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"id":"rev-example","passId":"6UA7BJ6BIATTWKW63HZQT2RNM3"}`)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"code":"NoSuchAccessKey","message":"There is no access key with this id.","requestId":"1"}`)
	})
	return mux
}
