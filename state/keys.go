package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/daypass/daypass"
)

// DefaultOwner is the account of the root key, and of keys that are made
// without naming an owner.
const DefaultOwner = "daypass"

// MaxListKeys is how many keys ListKeys returns at most.
const MaxListKeys = 1000

// A NewKey is an access key to be made.
type NewKey struct {
	// Name is a label for people, at most 128 characters.
	Name string
	// Owner is the account that the key acts for; empty is DefaultOwner.
	Owner string
	// Expires is when the key ends; zero when it does not.
	Expires time.Time
	// ID and Secret are given to take over a key from elsewhere. Both are
	// empty to make a random one.
	ID     string
	Secret daypass.Secret
	// Policy is the IAM policy document of the key; empty lets it act as its
	// account. The caller has checked that it is one.
	Policy string
}

// CreateKey makes an access key and returns it with its secret, which can be
// had again from AccessKey only. Errors: InvalidArgument,
// AccessKeyAlreadyExists.
func (s *State) CreateKey(ctx context.Context, n NewKey) (daypass.AccessKey, error) {
	const op = "state.CreateKey"
	k, err := s.newKey(n)
	if err != nil {
		return daypass.AccessKey{}, failed(op, err)
	}
	r, err := s.record(k)
	if err != nil {
		return daypass.AccessKey{}, failed(op, err)
	}
	err = s.driver.InsertKey(ctx, r)
	s.keys.drop(k.ID)
	if err != nil {
		return daypass.AccessKey{}, failed(op, err)
	}
	return k, nil
}

// AccessKey returns the access key with the given id and its secret, disabled
// and expired ones too: what those may do is the caller's decision. A change
// made through this State shows at once, one made by another process within a
// second; so it is with ids that no key has. While state cannot be reached, keys
// that are known are returned for the grace. Errors: NoSuchAccessKey.
func (s *State) AccessKey(ctx context.Context, id string) (daypass.AccessKey, error) {
	now := s.now()
	k := s.keys.get(id)
	if k != nil && k.suspect.IsZero() && s.validity.current(now, k.loaded) {
		return k.key, nil
	}
	if since, ok := s.keys.lacks(id); ok && s.validity.current(now, since) {
		return daypass.AccessKey{}, &daypass.Error{Op: "state.AccessKey", Code: daypass.NoSuchAccessKey}
	}
	return s.loadKey(ctx, id, k, now)
}

// loadKey reads an access key, of which old is what is cached, if anything.
func (s *State) loadKey(ctx context.Context, id string, old *cachedKey, now time.Time) (daypass.AccessKey, error) {
	const op = "state.AccessKey"
	if !validKeyID(id) { // spare the driver what cannot be there
		return daypass.AccessKey{}, &daypass.Error{Op: op, Code: daypass.NoSuchAccessKey}
	}
	var c cached[daypass.AccessKey]
	if old != nil {
		c.value, c.there = old.key, true
		c.suspect, c.age = s.known(now, old.suspect)
	}
	k, err := readThrough(ctx, s, c, func(ctx context.Context) (k daypass.AccessKey, err error) {
		mark := s.keys.mark()
		r, err := s.driver.Key(ctx, id)
		if daypass.CodeOf(err) == daypass.NoSuchAccessKey {
			s.keys.putAbsent(id, now, mark)
		}
		if err == nil {
			k, err = s.openRecord(r)
		}
		if err == nil {
			s.keys.put(k, now, mark)
		}
		return k, err
	})
	if err != nil {
		return daypass.AccessKey{}, failed(op, err)
	}
	return k, nil
}

// ListKeys returns at most max keys, without their secrets, in byte order of
// id, starting after the given id; more tells whether there are further ones.
// A max outside 1 to MaxListKeys is MaxListKeys.
func (s *State) ListKeys(ctx context.Context, after string, max int) (keys []daypass.AccessKey, more bool, err error) {
	if max < 1 || max > MaxListKeys {
		max = MaxListKeys
	}
	records, err := s.driver.ListKeys(ctx, after, max+1)
	if err != nil {
		return nil, false, failed("state.ListKeys", err)
	}
	if more = len(records) > max; more {
		records = records[:max]
	}
	for _, r := range records {
		keys = append(keys, r.accessKey())
	}
	return keys, more, nil
}

// SetKeyDisabled disables or enables an access key, and notes when it was
// disabled and by whom. The root key cannot be disabled, so that nobody locks
// everybody out. Errors: NoSuchAccessKey, InvalidRequest.
func (s *State) SetKeyDisabled(ctx context.Context, id string, disabled bool, by string) error {
	const op = "state.SetKeyDisabled"
	if disabled {
		if err := s.refuseRoot(ctx, id); err != nil {
			return failed(op, err)
		}
	}
	err := s.driver.SetKeyDisabled(ctx, id, disabled, stamp(s.now()), by)
	s.keys.drop(id)
	if err != nil {
		return failed(op, err)
	}
	return nil
}

// SetKeyPolicy sets the policy of an access key, which the caller has checked
// to be one; empty lets the key act as its account. The root key has none.
// Errors: NoSuchAccessKey, InvalidRequest.
func (s *State) SetKeyPolicy(ctx context.Context, id, policy string) error {
	const op = "state.SetKeyPolicy"
	if err := s.refuseRoot(ctx, id); err != nil {
		return failed(op, err)
	}
	err := s.driver.SetKeyPolicy(ctx, id, policy)
	s.keys.drop(id)
	if err != nil {
		return failed(op, err)
	}
	return nil
}

// DeleteKey removes an access key, and with it whatever it signed. The root
// key cannot be removed, only replaced by EnsureRoot. Errors:
// NoSuchAccessKey, InvalidRequest.
func (s *State) DeleteKey(ctx context.Context, id string) error {
	const op = "state.DeleteKey"
	if err := s.refuseRoot(ctx, id); err != nil {
		return failed(op, err)
	}
	err := s.driver.DeleteKey(ctx, id)
	s.keys.drop(id)
	if err != nil {
		return failed(op, err)
	}
	return nil
}

func (s *State) refuseRoot(ctx context.Context, id string) error {
	r, err := s.driver.Key(ctx, id)
	if err != nil {
		return err
	}
	if r.Root {
		return &daypass.Error{
			Code:    daypass.InvalidRequest,
			Message: "the root key cannot be disabled, deleted or given a policy; to replace it, restart the server with another root key",
		}
	}
	return nil
}

// newKey checks n and fills in what it leaves open.
func (s *State) newKey(n NewKey) (daypass.AccessKey, error) {
	k := daypass.AccessKey{
		ID: n.ID, Secret: n.Secret, Owner: n.Owner, Name: n.Name,
		Created: stamp(s.now()), Expires: stamp(n.Expires), Policy: n.Policy,
	}
	if k.Owner == "" {
		k.Owner = DefaultOwner
	}
	if err := checkLabels(k.Name, k.Owner); err != nil {
		return k, err
	}
	if !k.Expires.IsZero() && !k.Expires.After(k.Created) {
		return k, invalid("Expires", "the key would have expired already")
	}
	if k.ID == "" && k.Secret == "" {
		return s.fillPair(k)
	}
	return k, checkPair(k.ID, k.Secret)
}

// fillPair gives k a random id and secret.
func (s *State) fillPair(k daypass.AccessKey) (daypass.AccessKey, error) {
	var err1, err2 error
	k.ID, err1 = randomKeyID(s.rand)
	k.Secret, err2 = randomSecret(s.rand)
	return k, errors.Join(err1, err2)
}

// stamp returns t as drivers keep it.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// record returns k as drivers keep it, its secret sealed.
func (s *State) record(k daypass.AccessKey) (KeyRecord, error) {
	sealed, err := s.secrets.seal(s.rand, k.ID, string(k.Secret))
	return KeyRecord{
		ID: k.ID, SealedSecret: sealed, Owner: k.Owner, Name: k.Name,
		Created: k.Created, Expires: k.Expires, Disabled: k.Disabled, Root: k.Root, Policy: k.Policy,
		DisabledAt: k.DisabledAt, DisabledBy: k.DisabledBy,
	}, err
}

// openRecord returns r with its secret opened.
func (s *State) openRecord(r KeyRecord) (daypass.AccessKey, error) {
	secret, err := s.secrets.open(r.ID, r.SealedSecret)
	if err != nil {
		return daypass.AccessKey{}, fmt.Errorf("secret of access key %s: %w", r.ID, err)
	}
	k := r.accessKey()
	k.Secret = daypass.Secret(secret)
	return k, nil
}

// accessKey returns r without its secret.
func (r KeyRecord) accessKey() daypass.AccessKey {
	return daypass.AccessKey{
		ID: r.ID, Owner: r.Owner, Name: r.Name,
		Created: r.Created, Expires: r.Expires, Disabled: r.Disabled, Root: r.Root, Policy: r.Policy,
		DisabledAt: r.DisabledAt, DisabledBy: r.DisabledBy,
	}
}
