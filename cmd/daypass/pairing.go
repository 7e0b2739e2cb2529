package main

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/daypass/daypass/internal/durable"
	"github.com/daypass/daypass/state"
)

// Store and state belong together: settings of buckets, what passes have used and
// what was revoked is in one, what it is about in the other. Where one of them can
// be had by several nodes, each keeps the id of the other, and a node that has put
// together two that do not belong together refuses to start. Two nodes over one
// state, each with a data directory of its own for objects, would answer
// differently; two over one upstream, each with a state of its own, would let a
// pass be used twice.

// The settings of state, and the control objects of an upstream, that hold those
// ids, and the file of a data directory that holds its own.
const (
	settingStoreID = "store-id"
	settingStateID = "state-id"
	storeIDFile    = "store.id"
)

// pair refuses a state that belongs to another store, and a store that belongs to
// another state. What belongs to none yet belongs to each other from now on.
func (n *node) pair(ctx context.Context, d state.Driver) error {
	steps := []func(context.Context, state.Driver) error{n.pairStore, n.pairState}
	known, err := d.Setting(ctx, settingStoreID)
	if err != nil {
		return err
	}
	if known == nil {
		// A new state that a store refuses is to stay as it is, so that it can be
		// given its own.
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// pairState refuses an upstream that belongs to another state.
func (n *node) pairState(ctx context.Context, d state.Driver) error {
	if n.upstream == nil {
		return nil
	}
	id, err := n.newID()
	if err != nil {
		return err
	}
	own, err := d.InitSetting(ctx, settingStateID, id)
	if err != nil {
		return err
	}
	have, err := n.upstream.InitControl(ctx, settingStateID, own)
	if err != nil || string(have) == string(own) {
		return err
	}
	return hinted(errors.New("the objects of --store belong to another state, in which passes have been used and revoked that this one does not know"),
		"all nodes over one upstream share one state: start this one with the --state of the others, or choose another prefix\n"+
			"if that state is lost for good, remove the control object "+settingStateID+" from the upstream (see docs/cluster.md)")
}

// pairStore refuses a shared state that belongs to another store.
func (n *node) pairStore(ctx context.Context, d state.Driver) error {
	if !n.config.backend.shared() {
		return nil
	}
	own, err := n.storeID(ctx)
	if err != nil {
		return err
	}
	have, err := d.InitSetting(ctx, settingStoreID, own)
	if err != nil || string(have) == string(own) {
		return err
	}
	hint := "all nodes that share state have one --store: give this one that of the others"
	if n.upstream == nil {
		hint = "nodes that share state keep objects in one upstream: give all of them the same --store s3://…"
	}
	return hinted(errors.New("the state of --state belongs to another store, so that this node would answer differently from the others"),
		hint+"\nif objects have moved, see 'Moving to another store' in docs/cluster.md")
}

// storeID returns the id of what keeps objects.
func (n *node) storeID(ctx context.Context) ([]byte, error) {
	id, err := n.newID()
	if err != nil {
		return nil, err
	}
	if n.upstream != nil {
		return n.upstream.InitControl(ctx, settingStoreID, id)
	}
	return keptText(filepath.Join(n.config.data, storeIDFile), id)
}

// newID returns an id that nothing else has.
func (n *node) newID() ([]byte, error) {
	var raw [15]byte
	if _, err := io.ReadFull(n.app.rand, raw[:]); err != nil {
		return nil, err
	}
	return []byte(strings.ToLower(base32.StdEncoding.EncodeToString(raw[:]))), nil
}

// keptText returns what a file holds, which is made with a text where there is
// none. One process at a time does so.
func keptText(path string, text []byte) ([]byte, error) {
	have, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return text, durable.Replace(path, append(text[:len(text):len(text)], '\n'), 0o600)
	}
	if have = []byte(strings.TrimSpace(string(have))); err == nil && len(have) == 0 {
		err = fmt.Errorf("%s is empty: remove it", path)
	}
	return have, err
}
