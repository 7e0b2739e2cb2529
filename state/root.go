package state

import (
	"context"
	"crypto/subtle"

	"github.com/daypass/daypass"
)

// RootKey returns the root key with its secret. Errors: NoSuchAccessKey
// before EnsureRoot.
func (s *State) RootKey(ctx context.Context) (daypass.AccessKey, error) {
	const op = "state.RootKey"
	r, err := s.driver.RootKey(ctx)
	if err != nil {
		return daypass.AccessKey{}, failed(op, err)
	}
	k, err := s.openRecord(r)
	if err != nil {
		return daypass.AccessKey{}, failed(op, err)
	}
	return k, nil
}

// EnsureRoot makes sure that there is a root key and returns it; there is
// never more than one. created tells whether it is new.
//
// With an empty id and secret the stored root key stays, and the first start
// makes a random one. A given pair is the root key from then on: the earlier
// root key is removed, and whatever it signed with it, as is an ordinary key
// with the same id. So the environment decides, a leaked root key ends with a
// restart, and a start without a pair keeps the last one that was given.
//
// Errors: InvalidArgument for a pair that cannot be one.
func (s *State) EnsureRoot(ctx context.Context, id string, secret daypass.Secret) (key daypass.AccessKey, created bool, err error) {
	if id == "" && secret == "" {
		key, created, err = s.anyRoot(ctx)
	} else {
		key, created, err = s.givenRoot(ctx, id, secret)
	}
	if err != nil {
		return daypass.AccessKey{}, false, failed("state.EnsureRoot", err)
	}
	return key, created, nil
}

// anyRoot returns the stored root key, or else a new random one.
func (s *State) anyRoot(ctx context.Context) (daypass.AccessKey, bool, error) {
	k, err := s.RootKey(ctx)
	if daypass.CodeOf(err) != daypass.NoSuchAccessKey {
		return k, false, err
	}
	k, r, err := s.newRoot("", "")
	if err != nil {
		return k, false, err
	}
	err = s.driver.InsertKey(ctx, r)
	s.keys.drop(k.ID)
	if daypass.CodeOf(err) == daypass.AccessKeyAlreadyExists { // another node was first
		k, err = s.RootKey(ctx)
		return k, false, err
	}
	return k, true, err
}

// givenRoot makes the given pair the root key unless it is already.
func (s *State) givenRoot(ctx context.Context, id string, secret daypass.Secret) (daypass.AccessKey, bool, error) {
	k, r, err := s.newRoot(id, secret)
	if err != nil {
		return k, false, err
	}
	have, err := s.RootKey(ctx)
	if err == nil && have.ID == id && subtle.ConstantTimeCompare([]byte(have.Secret), []byte(secret)) == 1 {
		return have, false, nil
	}
	if err != nil && daypass.CodeOf(err) != daypass.NoSuchAccessKey {
		return k, false, err
	}
	err = s.driver.ReplaceRoot(ctx, r)
	s.keys.clear()
	return k, true, err
}

func (s *State) newRoot(id string, secret daypass.Secret) (daypass.AccessKey, KeyRecord, error) {
	k, err := s.newKey(NewKey{Name: "root", ID: id, Secret: secret})
	if err != nil {
		return k, KeyRecord{}, err
	}
	k.Root = true
	r, err := s.record(k)
	return k, r, err
}
