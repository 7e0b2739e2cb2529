package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

const (
	bucket   = "measure"
	hostName = "measure.test" // under which all nodes are signed for
	objects  = 100
	size     = 4 << 10
)

// A minter makes the URLs of requests.
type minter struct {
	signer *sign.Presigner
	next   atomic.Int64
	gets   []string // reused, as passes without limits may be
	puts   []string
	hot    []string
	spent  []string
}

// newMinter signs for nodes that were started now: passes of another run have
// other names, and so no other run's uses.
func newMinter() (*minter, error) {
	signer, err := sign.NewPresigner(sign.Key{ID: rootID, Secret: rootSecret}, "http://"+hostName, "us-east-1")
	if err != nil {
		return nil, err
	}
	m := &minter{signer: signer}
	m.next.Store(time.Now().UnixNano())
	for i := range objects {
		get, err := m.sign("GET", fmt.Sprint("object", i), 0)
		if err != nil {
			return nil, err
		}
		put, err := m.sign("PUT", fmt.Sprint("upload", i), 0)
		if err != nil {
			return nil, err
		}
		spent, err := m.sign("GET", "object0", 1)
		if err != nil {
			return nil, err
		}
		m.gets, m.puts, m.spent = append(m.gets, get), append(m.puts, put), append(m.spent, spent)
	}
	return m, nil
}

// sign makes a URL that is like no other where it has uses.
func (m *minter) sign(method, key string, uses int64) (string, error) {
	if uses == 0 {
		return m.signWith(method, key, limits.Set{})
	}
	return m.signWith(method, key, limits.Set{Name: m.name(), Uses: uses})
}

// signNamed makes a URL without uses that is like no other.
func (m *minter) signNamed(method, key string) (string, error) {
	return m.signWith(method, key, limits.Set{Name: m.name()})
}

func (m *minter) name() string { return fmt.Sprint(m.next.Add(1)) }

func (m *minter) signWith(method, key string, set limits.Set) (string, error) {
	q, err := set.Query()
	if err != nil {
		return "", err
	}
	return m.signer.Presign(sign.URLRequest{Method: method, Bucket: bucket, Key: key, Time: time.Now(), Lifetime: 6 * time.Hour, Query: q})
}

// request returns method and URL of a request of a kind, and the statuses that
// answer it well.
func (m *minter) request(kind string) (method, url string, want [2]string, err error) {
	i := rand.IntN(objects)
	switch kind {
	case "put":
		return "PUT", m.puts[i], [2]string{"200"}, nil
	case "counted":
		url, err = m.sign("GET", fmt.Sprint("object", i), 1)
		return "GET", url, [2]string{"200"}, err
	case "fresh":
		url, err = m.signNamed("GET", fmt.Sprint("object", i))
		return "GET", url, [2]string{"200"}, err
	case "hot":
		return "GET", m.hot[rand.IntN(len(m.hot))], [2]string{"200"}, nil
	case "exhausted":
		return "GET", m.spent[i], [2]string{"403"}, nil
	case "redirect":
		return "GET", m.gets[i], [2]string{"307"}, nil
	}
	return "GET", m.gets[i], [2]string{"200"}, nil
}

// A connection does no more than it must: it shares the machine with what is
// measured.
type connection struct {
	net.Conn
	in *bufio.Reader
}

func dial(addr string) (*connection, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &connection{c, bufio.NewReaderSize(c, 16<<10)}, nil
}

// do sends a request and returns the status of the answer.
func (c *connection) do(method, url string, body string) (status string, err error) {
	target := strings.TrimPrefix(url, "http://"+hostName)
	head := method + " " + target + " HTTP/1.1\r\nHost: " + hostName + "\r\n"
	if method == "PUT" {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, head+"\r\n"+body); err != nil {
		return "", err
	}
	res, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.Status[:3], err
}

// prepare makes the bucket and the objects, and uses up what is to be spent.
func (m *minter) prepare(addr string, hot int) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	do := func(method, key string, uses int64, body string, want string) (string, error) {
		url, err := m.sign(method, key, uses)
		if err != nil {
			return "", err
		}
		return url, c.expect(method, url, body, want)
	}
	if _, err := do("PUT", "", 0, "", "200 409"); err != nil {
		return err
	}
	content := strings.Repeat("x", size)
	for i := range objects {
		if _, err := do("PUT", fmt.Sprint("object", i), 0, content, "200"); err != nil {
			return err
		}
	}
	for _, url := range m.spent {
		if err := c.expect("GET", url, "", "200"); err != nil {
			return err
		}
	}
	for range hot {
		url, err := do("GET", "object0", 1_000_000_000, "", "200")
		if err != nil {
			return err
		}
		m.hot = append(m.hot, url)
	}
	return nil
}

func (c *connection) expect(method, url, body, want string) error {
	status, err := c.do(method, url, body)
	if err == nil && !strings.Contains(want, status) {
		path, _, _ := strings.Cut(url, "?")
		err = fmt.Errorf("%s %s: %s", method, path, status)
	}
	return err
}
