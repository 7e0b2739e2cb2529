package state

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"net/netip"
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
	// Grace is how long, beyond a second, a State goes on with what it knows
	// of access keys, settings of buckets and revocations while it cannot reach
	// state; then Fresh fails and nothing is served from a cache any more. Zero
	// is DefaultGrace; a negative one is no grace at all, so that passes are
	// refused as soon as state is out of reach.
	Grace time.Duration
	// MaxLifetime is the longest life that the deployment allows a pass; zero
	// where there is no such limit. It tells when what is known of passes
	// whose end is unknown may be forgotten.
	MaxLifetime time.Duration
	// Log is told when work in the background begins to fail and when it
	// works again; nil for nobody.
	Log *slog.Logger
}

// DefaultGrace is the grace of Options whose Grace is zero.
const DefaultGrace = 60 * time.Second

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
	encryption     encryptionCache

	callerKeys  []byte // derives the keys that DeriveKey returns
	grace       time.Duration
	maxLifetime time.Duration
	settling    *settling
	promises    promises
	waiting     waiting
	usedUp      *recent[usedUp]
	bound       *recent[netip.Addr]
	revocations *revocations
	validity    validity
	seen        *seen
	upkeep      upkeep
}

// Open returns the state that d keeps, its secrets sealed under key, and
// begins to refresh, flush and sweep in the background. It fails with
// ErrMasterKey when the state was made with another key. The State owns d from
// then on; after an error the caller still does.
func Open(ctx context.Context, d Driver, key MasterKey, o Options) (*State, error) {
	const op = "state.Open"
	if key == (MasterKey{}) {
		return nil, failed(op, errors.New("no master key given"))
	}
	s := newState(d, o)
	if err := s.deriveKeys(key); err != nil {
		return nil, failed(op, err)
	}
	if err := checkMasterKey(ctx, d, key); err != nil {
		return nil, failed(op, err)
	}
	if err := errors.Join(s.refresh(ctx), s.revalidate(ctx)); err != nil {
		return nil, failed(op, err)
	}
	s.startUpkeep()
	return s, nil
}

// newState returns a State without keys that does nothing by itself yet.
func newState(d Driver, o Options) *State {
	s := &State{
		now: o.Clock, rand: o.Rand, keys: newKeyCache(),
		grace: max(o.Grace, 0), maxLifetime: o.MaxLifetime,
		settling: newSettling(), seen: newSeen(), revocations: newRevocations(),
		usedUp: newRecent[usedUp](usedUpEntries, usedUpMaxAge),
		bound:  newRecent[netip.Addr](bindingEntries, bindingMaxAge),
		upkeep: upkeep{log: o.Log},
	}
	if o.Grace == 0 {
		s.grace = DefaultGrace
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	s.driver = &guarded{Driver: d, keys: &s.validity.reach, passes: &s.revocations.reach}
	return s
}

func (s *State) deriveKeys(key MasterKey) error {
	var errs [4]error
	s.secrets, errs[0] = newSealer(key, purposeAccessKey)
	s.tokens, errs[1] = newSealer(key, purposeSessionToken)
	s.sessionSecrets, errs[2] = key.derive(purposeSessionSecret)
	s.callerKeys, errs[3] = key.derive(purposeCallerKeys)
	return errors.Join(errs[:]...)
}

// DeriveKey returns 32 secret bytes for a purpose, the same on all nodes.
// Those of different purposes tell nothing about each other, nor about what
// State itself derives from the master key.
func (s *State) DeriveKey(purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, s.callerKeys, nil, "daypass key 1 "+purpose, 32)
	if err != nil {
		return nil, failed("state.DeriveKey", err)
	}
	return key, nil
}

// Close ends the work in the background, writes what it had left and releases
// the driver.
func (s *State) Close() error { return errors.Join(s.finish(), s.driver.Close()) }

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
