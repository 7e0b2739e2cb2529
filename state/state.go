package state

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"
	"time"

	"github.com/daypass/daypass"
)

// ErrMasterKey is the cause when Open is given another master key than the
// one that the state was made with.
var ErrMasterKey = errors.New("the master key is not the one that this state was made with")

// settingKeyCheck holds the value that tells the right master key.
const settingKeyCheck = "master-key-check"

// Options are the choices of Open. The zero value is right outside tests.
type Options struct {
	// Clock tells the time; nil is time.Now.
	Clock func() time.Time
	// Rand is the source of ids, secrets and nonces, and is read from several
	// goroutines; nil is crypto/rand.Reader.
	Rand io.Reader
}

// A State is what all nodes agree on. Its methods may be called concurrently.
type State struct {
	driver  Driver
	secrets *sealer
	tokens  *sealer // of session tokens
	now     func() time.Time
	rand    io.Reader
	keys    *keyCache

	sessionSecrets []byte // derives the secrets of temporary keys
	settings       settingCache
}

// Open returns the state that d keeps, its secrets sealed under key. It fails
// with ErrMasterKey when the state was made with another key. The State owns
// d from then on; after an error the caller still does.
func Open(ctx context.Context, d Driver, key MasterKey, o Options) (*State, error) {
	const op = "state.Open"
	if key == (MasterKey{}) {
		return nil, failed(op, errors.New("no master key given"))
	}
	secrets, err := newSealer(key, purposeAccessKey)
	if err != nil {
		return nil, failed(op, err)
	}
	tokens, err := newSealer(key, purposeSessionToken)
	if err != nil {
		return nil, failed(op, err)
	}
	sessionSecrets, err := key.derive(purposeSessionSecret)
	if err != nil {
		return nil, failed(op, err)
	}
	if err := checkMasterKey(ctx, d, key); err != nil {
		return nil, failed(op, err)
	}
	s := &State{driver: d, secrets: secrets, tokens: tokens, sessionSecrets: sessionSecrets, now: o.Clock, rand: o.Rand, keys: newKeyCache()}
	if s.now == nil {
		s.now = time.Now
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	return s, nil
}

// Close releases the driver.
func (s *State) Close() error { return s.driver.Close() }

// checkMasterKey compares key with the one that the state was made with, and
// makes it that one when the state is new.
func checkMasterKey(ctx context.Context, d Driver, key MasterKey) error {
	want, err := key.check()
	if err != nil {
		return err
	}
	have, err := d.InitSetting(ctx, settingKeyCheck, want)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(have, want) != 1 {
		return &daypass.Error{
			Code:    daypass.InvalidRequest,
			Message: "give every node the master key that the first one started with, or start with an empty state",
			Err:     ErrMasterKey,
		}
	}
	return nil
}

// failed returns err as an error of op, keeping its code and message.
func failed(op string, err error) error {
	e, ok := err.(*daypass.Error)
	if !ok {
		return &daypass.Error{Op: op, Code: daypass.CodeOf(err), Err: err}
	}
	c := *e
	c.Op = op
	if e.Op != "" {
		c.Op += ": " + e.Op
	}
	return &c
}
