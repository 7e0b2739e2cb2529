package state

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// settingEncryption holds an Encryption as JSON.
const settingEncryption = "encryption"

// encryptionMaxAge is for how long another node may go on with the wrapping key
// before the current one.
const encryptionMaxAge = time.Second

// An Encryption is which wrapping key the keys of objects get, and how far those
// that had an older one have come. The wrapping keys themselves are derived from
// the master key, so that objects can be read with nothing but that.
type Encryption struct {
	// Generation counts the wrapping keys; the first is 1.
	Generation uint32 `json:"generation"`
	// Running says that there may be objects with a key of an older generation.
	// Cursor is where the store goes on to look for them, and Changes how many
	// the pass over the index that is under way has found.
	Running bool   `json:"running,omitempty"`
	Cursor  []byte `json:"cursor,omitempty"`
	Changes int64  `json:"changes,omitempty"`
	// Seen and Rewrapped count what the rotation has looked at and changed.
	Seen      int64     `json:"seen,omitempty"`
	Rewrapped int64     `json:"rewrapped,omitempty"`
	Started   time.Time `json:"started,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`
}

// Begin returns the state of a rotation that begins now.
func (e Encryption) Begin(now time.Time) Encryption {
	return Encryption{Generation: e.Generation + 1, Running: true, Started: now.UTC()}
}

// Resume returns the state of a rotation that goes on after a crash. What the
// steps that were lost have changed is not known, so another pass follows.
func (e Encryption) Resume() Encryption {
	e.Changes++
	return e
}

// Step returns the state after a step of the store that has seen and changed so
// many records and goes on at next, nil where it has come to the end. Records
// move while they are looked at, so a pass is the last only when it has changed
// nothing.
func (e Encryption) Step(next []byte, seen, changed int, now time.Time) Encryption {
	e.Cursor, e.Seen, e.Rewrapped, e.Changes = next, e.Seen+int64(seen), e.Rewrapped+int64(changed), e.Changes+int64(changed)
	if next != nil {
		return e
	}
	if e.Running = e.Changes > 0; !e.Running {
		e.Ended = now.UTC()
	}
	e.Changes = 0
	return e
}

// encryptionCache keeps what is asked for with every object that is encrypted.
type encryptionCache struct {
	mu     sync.Mutex
	value  Encryption
	loaded time.Time
}

// Encryption returns which wrapping key counts. A change by another process
// shows within a second; while state cannot be reached, the one that is known
// counts for the grace.
func (s *State) Encryption(ctx context.Context) (Encryption, error) {
	e, err := s.encryptionWithin(ctx, encryptionMaxAge)
	if err != nil {
		return Encryption{}, failed("state.Encryption", err)
	}
	return e, nil
}

// encryptionWithin returns which wrapping key counts, as it was known less than
// so long ago.
func (s *State) encryptionWithin(ctx context.Context, most time.Duration) (Encryption, error) {
	c := &s.encryption
	c.mu.Lock()
	defer c.mu.Unlock()
	now := s.now()
	age := now.Sub(c.loaded)
	known := cached[Encryption]{value: c.value, there: !c.loaded.IsZero(), current: age >= 0 && age < most, suspect: true, age: age}
	return readThrough(ctx, s, known, func(ctx context.Context) (Encryption, error) {
		text, err := s.driver.Setting(ctx, settingEncryption)
		e := Encryption{Generation: 1}
		if err == nil && text != nil {
			err = json.Unmarshal(text, &e)
		}
		if err == nil {
			c.value, c.loaded = e, now
		}
		return e, err
	})
}

// keepEncryption reads again which wrapping key counts, where somebody has
// asked for it, so that what is known of it when state gets lost is as old as
// all else.
func (s *State) keepEncryption(ctx context.Context) error {
	c := &s.encryption
	c.mu.Lock()
	asked := !c.loaded.IsZero()
	c.mu.Unlock()
	if !asked {
		return nil
	}
	_, err := s.encryptionWithin(ctx, encryptionMaxAge/2)
	return err
}

// SetEncryption sets which wrapping key counts.
func (s *State) SetEncryption(ctx context.Context, e Encryption) error {
	const op = "state.SetEncryption"
	text, err := json.Marshal(e)
	if err != nil {
		return failed(op, err)
	}
	c := &s.encryption
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loaded = time.Time{}
	if err := s.driver.SetSetting(ctx, settingEncryption, text); err != nil {
		return failed(op, err)
	}
	c.value, c.loaded = e, s.now()
	return nil
}
