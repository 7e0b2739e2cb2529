package notify

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestAddresses goes through what is not public, the first and last address of
// each range and their neighbours.
func TestAddresses(t *testing.T) {
	for addr, want := range map[string]bool{
		"0.0.0.0": false, "0.255.255.255": false, "1.0.0.0": true, "1.1.1.1": true, "8.8.8.8": true,
		"9.255.255.255": true, "10.0.0.0": false, "10.255.255.255": false, "11.0.0.0": true,
		"100.63.255.255": true, "100.64.0.0": false, "100.100.100.200": false, "100.127.255.255": false, "100.128.0.0": true,
		"127.0.0.1": false, "127.255.255.255": false, "126.255.255.255": true, "128.0.0.0": true,
		"168.63.129.16": false, "168.63.129.17": true,
		"169.253.255.255": true, "169.254.0.0": false, "169.254.169.254": false, "169.255.0.0": true,
		"172.15.255.255": true, "172.16.0.0": false, "172.31.255.255": false, "172.32.0.0": true,
		"192.0.0.8": false, "192.0.0.192": false, "192.0.2.1": false, "192.88.99.1": false, "192.0.1.1": true,
		"192.167.255.255": true, "192.168.0.0": false, "192.168.255.255": false, "192.169.0.0": true,
		"198.17.255.255": true, "198.18.0.0": false, "198.19.255.255": false, "198.20.0.0": true,
		"198.51.100.7": false, "203.0.113.7": false, "203.0.114.1": true,
		"223.255.255.255": true, "224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::127.0.0.1": false, "::8.8.8.8": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::ffff:8.8.8.8": true,
		"::ffff:0:127.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b::a00:1": false, "64:ff9b::808:808": false, "64:ff9b:1::1": false,
		"100::1": false, "2001::1": false, "2001:1ff::1": false, "2001:200::1": true, "2001:db8::1": false, "2001:4860:4860::8888": true,
		"2002:7f00:1::": false, "2002:808:808::": false, "2620:4f:8000::1": false, "3fff::1": false, "3fff:1000::1": true, "2606:4700::1": true,
		"5f00::1": false, "4000::1": false, "fc00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fe80::1%eth0": false, "fec0::1": false, "ff02::1": false,
	} {
		if err := (Allowlist{}).Check(netip.MustParseAddr(addr), false); (err == nil) != want {
			t.Errorf("%s: %v", addr, err)
		}
		if (Allowlist{}).Check(netip.MustParseAddr(addr), true) == nil {
			t.Errorf("%s over plain HTTP", addr)
		}
	}
	if (Allowlist{}).Check(netip.Addr{}, false) == nil {
		t.Error("no address")
	}
	list := Allowlist{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/64")}
	for addr, want := range map[string]bool{"10.1.2.3": true, "10.2.0.1": false, "::ffff:10.1.0.1": true, "fd00::1": true, "fd00:1::1": false,
		"fd00::1%eth0": true, "64:ff9b::a01:1": false} {
		for _, plain := range []bool{false, true} {
			if err := list.Check(netip.MustParseAddr(addr), plain); (err == nil) != want {
				t.Errorf("%s: %v", addr, err)
			}
		}
	}
	if list.control(false)("unix", "10.1.0.1:80", nil) == nil || list.control(false)("tcp4", "10.1.0.1", nil) == nil {
		t.Error("what is no TCP address")
	}
}

func sender(t *testing.T, target string, allow Allowlist) *Sender {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	s := NewSender(&Endpoint{Name: "test", URL: u, Secrets: []Secret{mustSecret(t, vectorSecret)}}, allow, time.Now)
	t.Cleanup(s.Close)
	return s
}

var loopback = Allowlist{netip.MustParsePrefix("127.0.0.0/30")}

// TestLoopbackIsRefused sends to a listener that would take the message, by all
// the ways of writing its address.
func TestLoopbackIsRefused(t *testing.T) {
	var hits atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	t.Setenv("HTTP_PROXY", srv.URL)
	t.Setenv("HTTPS_PROXY", srv.URL)
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "[::]"} {
		for _, scheme := range []string{"http", "https"} {
			o := sender(t, scheme+"://u:p@"+host+":"+port+"/secret?token=secret", nil).Send(t.Context(), &Message{ID: "1"})
			if refused := (*addressError)(nil); !errors.As(o.Failure, &refused) || strings.Contains(o.Failure.Error(), "secret") {
				t.Errorf("%s://%s: %v", scheme, host, o.Failure)
			}
		}
	}
	if hits.Load() > 0 {
		t.Error("it was reached")
	}
	if o := sender(t, srv.URL, loopback).Send(t.Context(), &Message{ID: "1"}); o.Failure != nil || hits.Load() != 1 {
		t.Errorf("listed: %v", o.Failure)
	}
}

// TestRedirects are failures.
func TestRedirects(t *testing.T) {
	var hits atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer target.Close()
	srv := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	if o := sender(t, srv.URL, loopback).Send(t.Context(), &Message{ID: "1"}); o.Failure == nil || hits.Load() > 0 {
		t.Errorf("%v, %d", o.Failure, hits.Load())
	}
}

// TestRebinding has a name that is a listed address when it is asked for first,
// and then another one: each dial is judged by itself.
func TestRebinding(t *testing.T) {
	var hits atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Header().Set("Connection", "close")
	}))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	var answer atomic.Value
	answer.Store(netip.MustParseAddr("127.0.0.1"))
	s := sender(t, "http://rebind.test.:"+port, Allowlist{netip.MustParsePrefix("127.0.0.1/32")})
	dialer := &net.Dialer{Control: Allowlist{netip.MustParsePrefix("127.0.0.1/32")}.control(true), Resolver: fakeDNS(&answer)}
	s.client.Transport.(*http.Transport).DialContext = dialer.DialContext
	if o := s.Send(t.Context(), &Message{ID: "1"}); o.Failure != nil || hits.Load() != 1 {
		t.Fatalf("first: %v", o.Failure)
	}
	answer.Store(netip.MustParseAddr("127.0.0.2"))
	o := s.Send(t.Context(), &Message{ID: "1"})
	if refused := (*addressError)(nil); !errors.As(o.Failure, &refused) || hits.Load() != 1 {
		t.Errorf("rebound: %v", o.Failure)
	}
}

// fakeDNS resolves any name to one IPv4 address.
func fakeDNS(answer *atomic.Value) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			// Not a packet connection: each message has its length before it.
			for {
				var size [2]byte
				if _, err := server.Read(size[:]); err != nil {
					return
				}
				q := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := server.Read(q); err != nil {
					return
				}
				if _, err := server.Write(dnsAnswer(q, answer.Load().(netip.Addr))); err != nil {
					return
				}
			}
		}()
		return client, nil
	}}
}

// dnsAnswer answers a question for an A record, and others with nothing (RFC
// 1035, section 4.1).
func dnsAnswer(q []byte, addr netip.Addr) []byte {
	end := 12
	for q[end] != 0 {
		end += int(q[end]) + 1
	}
	kind := binary.BigEndian.Uint16(q[end+1:])
	r := append([]byte{}, q[:end+5]...)
	r[2], r[3] = 0x81, 0x80
	binary.BigEndian.PutUint16(r[6:], 0)
	binary.BigEndian.PutUint32(r[8:], 0)
	if kind == 1 {
		binary.BigEndian.PutUint16(r[6:], 1)
		r = append(r, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		r = append(r, addr.AsSlice()...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(r))), r...)
}

func TestAnswers(t *testing.T) {
	now := time.Date(2026, 2, 6, 12, 0, 0, 0, time.UTC)
	status, after := 0, ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" || Verify([]Secret{mustSecret(t, vectorSecret)}, r.Header, []byte("other"), now) != nil {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		w.Header().Set("Retry-After", after)
		w.WriteHeader(status)
		w.Write(make([]byte, 1<<20))
	}))
	defer srv.Close()
	s := sender(t, srv.URL, loopback)
	s.now = func() time.Time { return now }
	for _, c := range []struct {
		status int
		after  string
		ok     bool
		gone   bool
		wait   time.Duration
	}{
		{200, "", true, false, 0}, {204, "9", true, false, 0}, {299, "", true, false, 0},
		{301, "", false, false, 0}, {404, "", false, false, 0}, {500, "-1", false, false, 0},
		{410, "", false, true, 0},
		{429, "120", false, false, 2 * time.Minute}, {503, "999999999", false, false, time.Hour}, {503, "99999999999999999999", false, false, 0},
		{503, "Fri, 06 Feb 2026 12:01:00 GMT", false, false, time.Minute}, {503, "Fri, 06 Feb 2026 11:00:00 GMT", false, false, 0}, {503, "soon", false, false, 0},
	} {
		status, after = c.status, c.after
		o := s.Send(t.Context(), &Message{ID: "1", Body: []byte("other")})
		if (o.Failure == nil) != c.ok || o.Gone != c.gone || o.RetryAfter != c.wait {
			t.Errorf("%d %q: %+v", c.status, c.after, o)
		}
	}
}
