package state

import (
	"context"
	"time"
)

// A Driver keeps records. Its methods may be called concurrently; what they
// acknowledge is durable. Errors are *daypass.Error with the codes that each
// method names; any other error is a failure of the driver.
type Driver interface {
	KeyDriver
	SettingDriver
	LedgerDriver
	RevocationDriver
	PassDriver
	LinkDriver
	// Close releases the driver.
	Close() error
}

// A KeyDriver keeps access keys.
type KeyDriver interface {
	// InsertKey adds an access key. AccessKeyAlreadyExists, also when the
	// key is a root key and there is one already.
	InsertKey(ctx context.Context, k KeyRecord) error
	// Key returns an access key. NoSuchAccessKey.
	Key(ctx context.Context, id string) (KeyRecord, error)
	// ListKeys returns at most max keys in byte order of id, whose ids come
	// after the given one.
	ListKeys(ctx context.Context, after string, max int) ([]KeyRecord, error)
	// SetKeyDisabled disables an access key, or enables it, which forgets when
	// and by whom it was disabled. To disable one that is changes nothing.
	// NoSuchAccessKey.
	SetKeyDisabled(ctx context.Context, id string, disabled bool, at time.Time, by string) error
	// SetKeyPolicy sets the policy of an access key. NoSuchAccessKey.
	SetKeyPolicy(ctx context.Context, id, policy string) error
	// DeleteKey removes an access key. NoSuchAccessKey.
	DeleteKey(ctx context.Context, id string) error
	// RootKey returns the root key; there is at most one. NoSuchAccessKey.
	RootKey(ctx context.Context) (KeyRecord, error)
	// ReplaceRoot removes the root key and any key with k's id, and adds k,
	// which is a root key, all at once.
	ReplaceRoot(ctx context.Context, k KeyRecord) error
}

// A SettingDriver keeps settings of the deployment and of buckets.
type SettingDriver interface {
	// Setting returns the value of a deployment-wide setting, nil when it
	// was never set.
	Setting(ctx context.Context, name string) ([]byte, error)
	// InitSetting sets a setting that was never set and returns the value
	// that it then has: the given one, or that of whoever was first.
	InitSetting(ctx context.Context, name string, value []byte) ([]byte, error)
	// SetSetting sets a setting, whether or not it was set.
	SetSetting(ctx context.Context, name string, value []byte) error
	// BucketSettings returns all settings of the bucket with a creation id,
	// an empty map where there are none.
	BucketSettings(ctx context.Context, bucketID string) (map[string][]byte, error)
	// SetBucketSetting sets one; a nil value removes it.
	SetBucketSetting(ctx context.Context, bucketID, name string, value []byte) error
	// HasBucketSetting reports whether any bucket has a setting of a name.
	HasBucketSetting(ctx context.Context, name string) (bool, error)
	// DeleteBucketSettings removes all settings of a bucket.
	DeleteBucketSettings(ctx context.Context, bucketID string) error
	// Changes returns a number that becomes another one with every change of
	// access keys and of settings of buckets, in the same step: who gets the
	// same number twice has missed no change in between.
	Changes(ctx context.Context) (int64, error)
}

// A Notifier is a driver that hears of changes as they are made. Notifications
// may get lost: they only make it quicker what is found out by asking anyway.
type Notifier interface {
	// Changed returns a channel that gets a value after changes to access keys,
	// settings of buckets and revocations, whoever made them; nil where the
	// driver hears of none.
	Changed() <-chan struct{}
}

// A KeyRecord is an access key as drivers see it. Times are in UTC and whole
// microseconds.
type KeyRecord struct {
	ID string
	// SealedSecret is the secret encrypted under the master key.
	SealedSecret []byte
	Owner, Name  string
	Created      time.Time
	Expires      time.Time // zero: never
	Disabled     bool
	// DisabledAt and DisabledBy tell when it was disabled, and by whom, where
	// that is known.
	DisabledAt time.Time
	DisabledBy string
	Root       bool
	Policy     string
}

// A LedgerDriver keeps the ledger: small entries that are read, changed and
// written in one step.
type LedgerDriver interface {
	// UpdateEntry calls change with the entry of an id, nil where there is
	// none, and writes what change returns: nil removes the entry, the same
	// pointer leaves it alone. All of it is one transaction, which may hold
	// other calls too. change must not block, must not change what it is
	// given, and may be called again with other values; its error is returned
	// as it is and leaves the entry alone. An error of the driver leaves open
	// whether the change was made.
	UpdateEntry(ctx context.Context, id string, change func(old *EntryRecord) (*EntryRecord, error)) error
	// Entry returns the entry of an id as it was last written, nil where
	// there is none.
	Entry(ctx context.Context, id string) (*EntryRecord, error)
	// PassEntries returns at most max entries of a pass in order of id, whose
	// ids come after the given one.
	PassEntries(ctx context.Context, pass, after string, max int) ([]EntryRecord, error)
	// DeletePassEntries removes all entries of a pass.
	DeletePassEntries(ctx context.Context, pass string) error
	// ExpireEntries removes at most max entries that expire before t and
	// returns how many.
	ExpireEntries(ctx context.Context, t time.Time, max int) (int, error)
}

// An EntryRecord is an entry of the ledger.
type EntryRecord struct {
	// ID is unique; it begins with the pass id, where there is one.
	ID string
	// Pass is the id of the pass whose entry it is.
	Pass string
	Data []byte
	// Expires is when the entry may be removed; zero: never.
	Expires time.Time
}

// A RevocationDriver keeps revocations. Every change to the set of them gets
// the next version, in the order in which the changes become visible: who has
// seen version n will never see a change with a version up to n appear.
type RevocationDriver interface {
	// InsertRevocation adds a revocation and returns its version. r.Version
	// is not looked at.
	InsertRevocation(ctx context.Context, r RevocationRecord) (version int64, err error)
	// LiftRevocations marks revocations as lifted, which is a change to each,
	// and lets them expire at t. Ids that do not exist or are lifted already
	// are passed over. It returns how many were lifted.
	LiftRevocations(ctx context.Context, ids []string, t time.Time) (int, error)
	// Revocations returns at most max revocations in order of version, whose
	// versions come after the given one, lifted ones included.
	Revocations(ctx context.Context, after int64, max int) ([]RevocationRecord, error)
	// ExpireRevocations removes at most max revocations that expire before t
	// and returns how many.
	ExpireRevocations(ctx context.Context, t time.Time, max int) (int, error)
}

// A RevocationRecord revokes the passes that match all of its fields that are
// set. Times are in UTC and whole microseconds.
type RevocationRecord struct {
	ID      string
	Version int64
	// Pass is the id of one pass.
	Pass string
	// Name and Owner are the label of passes and the owner of the access key
	// that signed them.
	Name, Owner string
	// Key is the access key that signed.
	Key string
	// Bucket and Prefix are the bucket and the beginning of the key.
	Bucket, Prefix string
	// Before matches what was signed before it, or does not tell when.
	Before time.Time
	// Created and Creator tell when it was made, and by which access key.
	Created time.Time
	Creator string
	Expires time.Time // zero: never
	Lifted  bool
}

// An UnwrittenError is what AddPasses returns when it has written some of the
// records, and could not write these.
type UnwrittenError struct {
	Passes []PassRecord
	Err    error
}

// Error implements error.
func (e *UnwrittenError) Error() string { return e.Err.Error() }

// Unwrap returns why they could not be written.
func (e *UnwrittenError) Unwrap() error { return e.Err }

// A PassDriver keeps what was seen of passes.
type PassDriver interface {
	// AddPasses adds to the records of passes: counts are added up, First is
	// the earlier, Last the later one, the rest stays as it was first given.
	// An *UnwrittenError in the error names those that were not written.
	AddPasses(ctx context.Context, seen []PassRecord) error
	// Pass returns what was seen of a pass, nil where nothing was.
	Pass(ctx context.Context, id string) (*PassRecord, error)
	// ListPasses returns at most max records that match f, in order of id,
	// whose ids come after the given one.
	ListPasses(ctx context.Context, f PassFilter, after string, max int) ([]PassRecord, error)
	// ExpirePasses removes at most max records that expire before t and
	// returns how many.
	ExpirePasses(ctx context.Context, t time.Time, max int) (int, error)
}

// A PassRecord is what was seen of a pass. Times are in UTC and whole
// microseconds.
type PassRecord struct {
	ID   string
	Name string
	// Key is the access key that signed, Owner its owner.
	Key, Owner string
	Action     string
	Bucket     string
	// Object is the key that was signed, or the prefix.
	Object string
	// Limits are the limits as a canonical query.
	Limits string
	// Signed is when the pass was signed, Ends when it ends; zero: unknown.
	Signed, Ends time.Time
	// First and Last are when it was first and last used, refusals included.
	First, Last time.Time
	// Uses counts the requests that were granted, Refused the others.
	Uses, Refused int64
	// Received and Sent are bytes of bodies.
	Received, Sent int64
	Expires        time.Time // zero: never
}

// A PassFilter selects passes; empty fields select all. Prefix is the
// beginning of Object.
type PassFilter struct{ Owner, Name, Key, Bucket, Prefix string }

// A LinkDriver keeps links.
type LinkDriver interface {
	// InsertLink adds a link. LinkAlreadyExists.
	InsertLink(ctx context.Context, l LinkRecord) error
	// Link returns a link. NoSuchLink.
	Link(ctx context.Context, id string) (LinkRecord, error)
	// ListLinks returns at most max links of an owner, of all where it is
	// empty, in order of id, whose ids come after the given one.
	ListLinks(ctx context.Context, owner, after string, max int) ([]LinkRecord, error)
	// DeleteLink removes a link. NoSuchLink.
	DeleteLink(ctx context.Context, id string) error
	// ExpireLinks removes at most max links that expire before t and returns
	// how many.
	ExpireLinks(ctx context.Context, t time.Time, max int) (int, error)
}

// A LinkRecord is a short, stored alias for a pass that is minted when it is
// opened. Times are in UTC and whole microseconds.
type LinkRecord struct {
	ID string
	// Key is the access key that mints, Owner its owner.
	Key, Owner string
	// Pass is the description of what is minted, in JSON.
	Pass    []byte
	Created time.Time
	Expires time.Time // zero: never
}
