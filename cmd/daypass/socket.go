package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/daypass/daypass/client"
)

// The admin socket in the data directory tells that a server runs on it and
// lets whoever may read the directory, and so its keys, talk to the admin API.

const socketName = "daypass.sock"

// maxSocketPath is what the operating system takes as a socket's path.
const maxSocketPath = 100

// socketPath returns a path under which the socket can be reached, and a
// function that releases what that took: a path that is too long goes through
// an open directory.
func socketPath(data string) (string, func() error, error) {
	path, err := filepath.Abs(filepath.Join(data, socketName))
	if err != nil || len(path) <= maxSocketPath {
		return path, func() error { return nil }, err
	}
	if runtime.GOOS != "linux" {
		return "", nil, fmt.Errorf("the path of the data directory is too long for a socket in it: %s", data)
	}
	dir, err := os.Open(data)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketName), dir.Close, nil
}

// listenSocket serves the admin API on the socket. The store is open by now,
// so no other server runs on this directory and an old socket is a leftover.
func (n *node) listenSocket() error {
	path, release, err := socketPath(n.config.data)
	if err != nil {
		return err
	}
	n.release = append(n.release, release)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return err
	}
	handler, err := n.admin(true)
	if err != nil {
		l.Close()
		return err
	}
	n.serve(l, &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second})
	return nil
}

// dialLocal returns a client of the server that runs on a data directory, or
// nil when none does.
func dialLocal(ctx context.Context, data string) (*client.Client, client.Server, error) {
	path, release, err := socketPath(data)
	if errors.Is(err, os.ErrNotExist) {
		return nil, client.Server{}, nil
	}
	if err != nil {
		return nil, client.Server{}, err
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		// No socket, or one that nobody listens on any more.
		release()
		return nil, client.Server{}, nil
	}
	conn.Close()
	c, err := client.New(client.Config{Endpoint: "unix:" + path})
	if err != nil {
		return nil, client.Server{}, err
	}
	info, err := c.Server(ctx)
	return c, info, err
}
