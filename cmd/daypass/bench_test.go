package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
)

// BenchmarkCountedGet downloads an object of 4 KiB with passes that are good
// for one use each, over HTTP from a server on this machine: every draw is
// durable before its bytes are sent. The yardsticks are the same downloads
// without a number of uses, and how often the disk syncs.
func BenchmarkCountedGet(b *testing.B) {
	for _, uses := range []int64{0, 1} {
		b.Run(fmt.Sprintf("uses=%d", uses), func(b *testing.B) { benchGet(b, uses) })
	}
}

// benchClients is how many connections download at a time.
const benchClients = 256

func benchGet(b *testing.B, uses int64) {
	dir := b.TempDir()
	syncs := syncsPerSecond(b, dir)
	driver, addr, sign := benchServer(b, dir)
	before := driver.Commits()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range benchClients {
		conn, err := net.Dial("tcp", addr)
		check(b, err)
		defer conn.Close()
		client := rawClient{conn, bufio.NewReader(conn)}
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := client.download(sign(i, uses), 4<<10); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "GETs/s")
	b.ReportMetric(syncs, "fsyncs/s")
	if commits := driver.Commits() - before; commits > 0 && uses > 0 {
		b.ReportMetric(float64(b.N)/float64(commits), "draws/fsync")
	}
}

// A rawClient downloads over one connection and does no more than it must: it
// shares the machine with the server that is measured.
type rawClient struct {
	conn net.Conn
	in   *bufio.Reader
}

func (c *rawClient) download(url string, size int) error {
	_, target, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	_, err := io.WriteString(c.conn, "GET /"+target+" HTTP/1.1\r\nHost: "+c.conn.RemoteAddr().String()+"\r\n\r\n")
	if err != nil {
		return err
	}
	status, err := c.in.ReadString('\n')
	for line := status; err == nil && line != "\r\n"; {
		line, err = c.in.ReadString('\n')
	}
	if err == nil && !strings.HasPrefix(status, "HTTP/1.1 200 ") {
		err = errors.New(status)
	}
	if err == nil {
		_, err = c.in.Discard(size)
	}
	return err
}

// benchServer serves one object of 4 KiB, and returns what signs a pass for it
// that is like no other.
func benchServer(b *testing.B, dir string) (driver *sqlstate.Driver, addr string, mint func(i, uses int64) string) {
	ctx := b.Context()
	objects, err := diskstore.Open(diskstore.Options{Dir: dir})
	check(b, err)
	st := store.New(objects)
	b.Cleanup(func() { st.Close() })
	driver, err = sqlstate.OpenSQLite(ctx, filepath.Join(dir, "state.db"))
	check(b, err)
	keeper, err := state.Open(ctx, driver, state.MasterKey{1}, state.Options{})
	check(b, err)
	b.Cleanup(func() { keeper.Close() })
	root, _, err := keeper.EnsureRoot(ctx, "", "")
	check(b, err)
	_, err = st.CreateBucket(ctx, store.Bucket{Name: "bucket", Owner: root.Owner}, time.Now())
	check(b, err)
	upload, err := store.NewUpload(io.LimitReader(rand.Reader, 4<<10), store.UploadOptions{Size: 4 << 10})
	check(b, err)
	_, err = st.PutObject(ctx, &store.PutRequest{Bucket: "bucket", Key: "object", Body: upload, Time: time.Now()})
	check(b, err)
	handler, err := server.New(server.Config{Store: st, Keys: keeper, Region: "us-east-1", Settings: keeper,
		Ledger: keeper, Revocations: keeper, Passes: keeper, Logger: slog.New(slog.DiscardHandler)})
	check(b, err)
	srv := httptest.NewServer(handler)
	b.Cleanup(srv.Close)
	p, err := sign.NewPresigner(sign.Key{ID: root.ID, Secret: string(root.Secret)}, srv.URL, "us-east-1")
	check(b, err)
	return driver, srv.Listener.Addr().String(), func(i, uses int64) string {
		set := limits.Set{Name: fmt.Sprint(i), Uses: uses}
		q, err := set.Query()
		check(b, err)
		u, err := p.Presign(sign.URLRequest{Method: "GET", Bucket: "bucket", Key: "object", Time: time.Now(), Lifetime: time.Hour, Query: q})
		check(b, err)
		return u
	}
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// syncsPerSecond measures how often the disk below dir syncs a page.
func syncsPerSecond(b *testing.B, dir string) float64 {
	f, err := os.Create(filepath.Join(dir, "syncs"))
	check(b, err)
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	start, n := time.Now(), 0
	for ; time.Since(start) < time.Second; n++ {
		_, err := f.Write(page)
		check(b, err)
		check(b, f.Sync())
	}
	return float64(n) / time.Since(start).Seconds()
}
