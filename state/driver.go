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
	// SetKeyDisabled disables or enables an access key. NoSuchAccessKey.
	SetKeyDisabled(ctx context.Context, id string, disabled bool) error
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
	// BucketSettings returns all settings of the bucket with a creation id,
	// an empty map where there are none.
	BucketSettings(ctx context.Context, bucketID string) (map[string][]byte, error)
	// SetBucketSetting sets one; a nil value removes it.
	SetBucketSetting(ctx context.Context, bucketID, name string, value []byte) error
	// DeleteBucketSettings removes all settings of a bucket.
	DeleteBucketSettings(ctx context.Context, bucketID string) error
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
	Root         bool
	Policy       string
}
