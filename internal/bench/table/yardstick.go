package main

import (
	"io"
	"net/http"
	"strconv"
)

// serveYardstick is the least that a server on net/http does: it answers GET
// with 4 KiB from memory and throws bodies of PUT away.
func serveYardstick(address string) error {
	body := make([]byte, small)
	length := strconv.Itoa(len(body))
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return // the client is gone
			}
			w.WriteHeader(http.StatusCreated)
			return
		}
		w.Header().Set("Content-Length", length)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(body)
	}))
}
