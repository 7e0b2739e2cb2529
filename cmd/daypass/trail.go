package main

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit/spool"
	"github.com/daypass/daypass/audit/trail"
	"github.com/daypass/daypass/internal/durable"
)

// The files of a data directory that hold the key that signs digests, and its
// public part.
const (
	trailKeyFile    = "trail.key"
	trailPublicFile = "trail.pub"
)

// trailKeyBits is the size of CloudTrail's keys.
const trailKeyBits = 2048

// A file of a trail has the events of so many bytes, or of so long.
const (
	trailFileBytes = 2 << 20
	trailFileWait  = 5 * time.Minute
)

// trailBucket stands for the bucket in digests, since a directory has none. It
// is signed, so it never changes.
const trailBucket = "trail"

// startTrail writes the trail.
func (n *node) startTrail(ctx context.Context) error {
	root, err := n.state.RootKey(ctx)
	if err != nil {
		return err
	}
	key, err := trailKey(n.config.data, n.app.rand)
	if err != nil {
		return fmt.Errorf("the key that signs the trail: %w", err)
	}
	dir := n.config.events.trail
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return hinted(err, "--trail names a directory that can be written to")
	}
	w, err := trail.NewWriter(trail.Config{
		Account: daypass.AccountID(root.Owner), Region: n.config.server.Region, Bucket: trailBucket,
		// Several servers may write to one place: each has a key.
		Name: "daypass-" + trail.Fingerprint(&key.PublicKey)[:8],
		Key:  key, Storage: trail.Dir(dir), Now: n.app.now,
	})
	if err != nil {
		return err
	}
	s := n.sinks
	s.names = append(s.names, trailSink)
	s.metrics.addSink(trailSink)
	source := &trailSource{consumer: n.spool.Consumer(trailSink), hurried: s.hurried}
	s.running.Go(func() {
		forGood := func(error) bool { return false } // it is stopped before the spool closes
		_ = w.Run(s.ctx, source, forGood, s.failed(trailSink, "the trail cannot be written"))
	})
	return nil
}

// A trailSource is a consumer of the spool, as package trail reads it.
type trailSource struct {
	consumer *spool.Consumer
	hurried  context.Context
	batch    *spool.Batch
}

var _ trail.Source = (*trailSource)(nil)

// Next implements trail.Source.
func (s *trailSource) Next(ctx context.Context) (trail.Batch, error) {
	b, err := s.next(ctx)
	if err != nil {
		return trail.Batch{}, err
	}
	s.batch = b
	out := trail.Batch{Time: b.Time, Unique: b.Unique(), Events: eventsOf(b)}
	for _, g := range b.Gaps {
		out.Gaps = append(out.Gaps, trail.Gap{Loss: string(g.Loss), Events: g.Events, Bytes: g.Bytes, From: g.From, To: g.To})
	}
	return out, nil
}

// eventsOf returns the events of a batch without their numbers.
func eventsOf(b *spool.Batch) iter.Seq[*daypass.Event] {
	return func(yield func(*daypass.Event) bool) {
		for _, e := range b.Events() {
			if !yield(e) {
				return
			}
		}
	}
}

// next waits for a file's worth of events, until the server stops.
func (s *trailSource) next(ctx context.Context) (*spool.Batch, error) {
	patient, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.hurried, cancel)()
	b, err := s.consumer.Next(patient, spool.Limit{Bytes: trailFileBytes, Wait: trailFileWait, Patience: trailPatience})
	if err != nil && s.hurried.Err() != nil && ctx.Err() == nil {
		return s.consumer.Next(ctx, spool.Limit{Bytes: trailFileBytes})
	}
	return b, err
}

// Commit implements trail.Source.
func (s *trailSource) Commit(state []byte) error { return s.consumer.Commit(s.batch, state) }

// State implements trail.Source.
func (s *trailSource) State() []byte { return s.consumer.State() }

// SetState implements trail.Source.
func (s *trailSource) SetState(state []byte) error { return s.consumer.SetState(state) }

// trailKey reads the key that signs digests, and makes it at its first use.
func trailKey(data string, random io.Reader) (*rsa.PrivateKey, error) {
	path := filepath.Join(data, trailKeyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = newTrailKey(random); err == nil {
			err = durable.Replace(path, text, 0o600)
		}
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is not an RSA key", path)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return key, durable.Replace(filepath.Join(data, trailPublicFile), public, 0o644)
}

func newTrailKey(random io.Reader) ([]byte, error) {
	key, err := rsa.GenerateKey(random, trailKeyBits)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// readPublicKey reads a public key of a trail.
func readPublicKey(path string) (*rsa.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, usagef("%s holds no public key (PEM)", path)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, usagef("%s: %v", path, err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, usagef("%s is not an RSA key", path)
	}
	return key, nil
}
