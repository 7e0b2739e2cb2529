package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/notify"
	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/s3store"
)

// A fakeUpstream keeps control objects, and nothing else.
type fakeUpstream struct {
	store.Driver // nil: it is not asked for objects
	key          string
	endpoints    []s3store.EndpointStatus

	tried atomic.Int64

	mu      sync.Mutex
	control map[string]string
}

func (u *fakeUpstream) InitControl(_ context.Context, name string, value []byte) ([]byte, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.control == nil {
		u.control = map[string]string{}
	}
	if _, there := u.control[name]; !there {
		u.control[name] = string(value)
	}
	return []byte(u.control[name]), nil
}

// ListBuckets is what an endpoint is tried with that has failed.
func (u *fakeUpstream) ListBuckets(context.Context, string, string, int) ([]store.Bucket, error) {
	u.tried.Add(1)
	return nil, nil
}

func (u *fakeUpstream) UpstreamKey(context.Context) (string, error) { return u.key, nil }
func (u *fakeUpstream) Endpoints() []s3store.EndpointStatus         { return u.endpoints }

// shared is the configuration of a node whose state others may use too.
func shared() backendConfig { return backendConfig{state: []string{"postgres://localhost/x"}} }

// bareNode is a node on a data directory, with nothing open.
func bareNode(t *testing.T, c backendConfig) *node {
	t.Helper()
	return &node{config: nodeConfig{data: t.TempDir(), backend: c}, log: slog.New(slog.DiscardHandler), rest: rest,
		app: &app{env: func(string) string { return "" }, now: time.Now, rand: rand.Reader, err: os.Stderr}}
}

func openSQLite(t *testing.T) state.Driver {
	t.Helper()
	d, err := sqlstate.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// TestPairing checks which stores and states nodes may put together.
func TestPairing(t *testing.T) {
	one, two := openSQLite(t), openSQLite(t)
	ceph, other := &fakeUpstream{}, &fakeUpstream{}
	refused := func(n *node, d state.Driver, what, hint string) {
		t.Helper()
		err := n.pair(t.Context(), d)
		if err == nil {
			t.Fatalf("%s was accepted", what)
		}
		var c *commandError
		if c, _ = err.(*commandError); c == nil || !strings.Contains(c.hint, hint) {
			t.Errorf("%s: %v, which does not say %q", what, err, hint)
		}
	}
	accepted := func(n *node, d state.Driver, what string) {
		t.Helper()
		for range 2 { // a restart
			if err := n.pair(t.Context(), d); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	over := func(c backendConfig, u *fakeUpstream) *node {
		n := bareNode(t, c)
		if u != nil {
			n.upstream = u
		}
		return n
	}
	accepted(over(backendConfig{}, nil), one, "everything in a data directory")
	first := over(shared(), nil)
	accepted(first, one, "a data directory with shared state")
	refused(over(shared(), nil), one, "another data directory over the same state", "--store s3://")
	refused(over(shared(), ceph), one, "an upstream over the state of a data directory", "--store: give this one")
	accepted(first, one, "the first one again")

	accepted(over(shared(), other), two, "an upstream with shared state")
	accepted(over(shared(), other), two, "a second node")
	refused(over(shared(), &fakeUpstream{}), two, "another upstream over the same state", "--store")
	refused(over(backendConfig{}, other), openSQLite(t), "the same upstream with state of its own", "--state of the others")
	refused(over(shared(), other), openSQLite(t), "the same upstream with another shared state", "--state of the others")

	alone := &fakeUpstream{}
	own := openSQLite(t)
	accepted(over(backendConfig{}, alone), own, "an upstream with state in a data directory")
	accepted(over(backendConfig{}, alone), own, "its restart")
	refused(over(backendConfig{}, alone), openSQLite(t), "a second node with state of its own", "share one state")
}

// TestMasterKeyOfSharedState checks that no key is made in the place of one that
// is missing.
func TestMasterKeyOfSharedState(t *testing.T) {
	d := openSQLite(t)
	first := bareNode(t, shared())
	s, err := first.stateOver(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	made, err := os.ReadFile(first.masterKeyPath())
	if err != nil {
		t.Fatal(err)
	}

	second := bareNode(t, shared())
	hint := func(err error) string {
		if c, ok := err.(*commandError); ok {
			return c.hint
		}
		return ""
	}
	if _, err := second.masterKey(t.Context(), d); !strings.Contains(hint(err), second.masterKeyPath()) {
		t.Errorf("without a key: %v, %q", err, hint(err))
	}
	if _, err := os.Stat(second.masterKeyPath()); err == nil {
		t.Error("a key was made")
	}
	if err := os.WriteFile(second.masterKeyPath(), []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	// The store is the same.
	id, err := os.ReadFile(filepath.Join(first.config.data, storeIDFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(second.config.data, storeIDFile), id, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := second.stateOver(t.Context(), d); !strings.Contains(hint(err), "one master key") {
		t.Errorf("with another key: %v, %q", err, hint(err))
	}
	named := filepath.Join(t.TempDir(), "key")
	second.config.backend.masterKeyFile = named
	if _, err := second.masterKey(t.Context(), d); err == nil {
		t.Error("a named file that is missing was accepted, or made")
	}
	if err := os.WriteFile(named, made, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := second.masterKey(t.Context(), d); err != nil {
		t.Errorf("a named file: %v", err)
	}
	second.app.env = func(string) string { return strings.Repeat("ab", 32) }
	if _, err := second.masterKey(t.Context(), d); exitCode(err) != exitUsage {
		t.Errorf("a file and a variable: %v", err)
	}
}

// TestUpstreamKey checks that the upstream's key is none of Daypass.
func TestUpstreamKey(t *testing.T) {
	n := bareNode(t, backendConfig{})
	u := &fakeUpstream{}
	n.upstream = u
	var err error
	if n.state, err = n.stateOver(t.Context(), openSQLite(t)); err != nil {
		t.Fatal(err)
	}
	defer n.state.Close()
	key, err := n.state.CreateKey(t.Context(), state.NewKey{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.refuseUpstreamKey(t.Context()); err != nil {
		t.Errorf("an upstream without a key: %v", err)
	}
	u.key = "UPSTREAMKEY000000001"
	if err := n.refuseUpstreamKey(t.Context()); err != nil {
		t.Errorf("a key of the upstream alone: %v", err)
	}
	_, err = n.adminKeys().CreateKey(t.Context(), state.NewKey{ID: u.key, Secret: "0123456789012345678901234567890123456789"})
	if daypass.CodeOf(err) != daypass.InvalidArgument {
		t.Errorf("it was made: %v", err)
	}
	if _, err := n.serverKeys().AccessKey(t.Context(), key.ID); err != nil {
		t.Errorf("another key: %v", err)
	}
	n.app.env = func(name string) string { return map[string]string{"DAYPASS_ROOT_ACCESS_KEY": u.key}[name] }
	if err := n.refuseUpstreamKey(t.Context()); err == nil {
		t.Error("it may be the root key")
	}
	n.app.env = func(string) string { return "" }
	// Another node has made it, or the upstream's credentials have changed.
	u.key = key.ID
	if err := n.refuseUpstreamKey(t.Context()); err == nil || !strings.Contains(err.Error(), key.ID) {
		t.Errorf("a start with a key of both: %v", err)
	}
	if _, err := n.serverKeys().AccessKey(t.Context(), key.ID); daypass.CodeOf(err) != daypass.NoSuchAccessKey {
		t.Errorf("it signs: %v", err)
	}
	if _, _, err := n.serverKeys().(signingKeys).FindKey(t.Context(), key.ID, ""); daypass.CodeOf(err) != daypass.NoSuchAccessKey {
		t.Errorf("it is found: %v", err)
	}
	if _, err := n.presignKey(t.Context(), key.ID); daypass.CodeOf(err) != daypass.NoSuchAccessKey {
		t.Errorf("it makes URLs: %v", err)
	}
	if err := n.adminKeys().DeleteKey(t.Context(), key.ID); err != nil {
		t.Errorf("it cannot be deleted: %v", err)
	}
}

// TestNodeIdentity checks that a name is kept, and that two nodes never hold the
// same lease.
func TestNodeIdentity(t *testing.T) {
	alone := bareNode(t, backendConfig{})
	if err := alone.identify(); err != nil || alone.identity.holder != oneNode {
		t.Errorf("alone: %+v, %v", alone.identity, err)
	}
	if _, err := os.Stat(filepath.Join(alone.config.data, nodeIDFile)); err == nil {
		t.Error("a node that is alone needs no id")
	}
	one, two := bareNode(t, shared()), bareNode(t, shared())
	for _, n := range []*node{one, two} {
		if err := n.identify(); err != nil || !nodeName.MatchString(n.identity.name) {
			t.Errorf("%+v, %v", n.identity, err)
		}
	}
	if one.identity.name == two.identity.name || one.identity.holder == two.identity.holder {
		t.Errorf("two nodes are %+v", one.identity)
	}
	// A copy of a disk keeps the id, but runs on a machine of another name.
	if !strings.HasPrefix(one.identity.holder, machineName()+"/") {
		t.Errorf("%q may be another machine's", one.identity.holder)
	}
	again := bareNode(t, shared())
	again.config.data = one.config.data
	if err := again.identify(); err != nil || again.identity != one.identity {
		t.Errorf("after a restart %+v, %v, not %+v", again.identity, err, one.identity)
	}
	one.config.backend.node, two.config.backend.node = "a", "a"
	for _, n := range []*node{one, two} {
		if err := n.identify(); err != nil || n.identity.name != "a" {
			t.Errorf("%+v, %v", n.identity, err)
		}
	}
	if one.identity.holder == two.identity.holder {
		t.Error("two nodes with one name hold the same leases")
	}
}

// TestRedirects: a webhook is told of every upload that it wants to be told of.
func TestRedirects(t *testing.T) {
	for _, c := range []struct {
		redirect, want server.Redirect
		kinds          []notify.Kind
	}{
		{server.RedirectNone, server.RedirectNone, []notify.Kind{notify.ObjectCreated}},
		{server.RedirectGet, server.RedirectGet, []notify.Kind{notify.ObjectCreated}},
		{server.RedirectAll, server.RedirectAll, []notify.Kind{notify.ObjectRemoved, notify.PassFirstUse}},
		{server.RedirectAll, server.RedirectGet, []notify.Kind{notify.ObjectRemoved, notify.ObjectCreated}},
	} {
		n := bareNode(t, backendConfig{redirect: c.redirect})
		n.webhooks = notify.Endpoints{{Name: "w", Kinds: c.kinds}}
		if got := n.redirects(); got != c.want {
			t.Errorf("%v with a webhook for %v: %v, want %v", c.redirect, c.kinds, got, c.want)
		}
	}
}

// TestPairingLeavesNewState: a new state that was put to a store that is another's
// can be put to its own then.
func TestPairingLeavesNewState(t *testing.T) {
	taken, free := &fakeUpstream{control: map[string]string{settingStateID: "another"}}, &fakeUpstream{}
	d := openSQLite(t)
	n := bareNode(t, shared())
	if n.upstream = taken; n.pair(t.Context(), d) == nil {
		t.Fatal("a store of another state was accepted")
	}
	if n.upstream = free; n.pair(t.Context(), d) != nil {
		t.Error("the state is bound to the store that refused it")
	}
}
