package s3store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// A Driver keeps buckets and objects in an upstream S3. Open makes one.
type Driver struct {
	config    Config
	client    *s3.Client
	endpoints *endpoints
	can       Capabilities
	names     mapping
	records   *records
	uploads   *uploadCache
	log       *slog.Logger
	now       func() time.Time
	// lease is how long what was read of a bucket counts.
	lease time.Duration
	// buffers are for bodies that are read before they are sent, parts for
	// those of an unknown size.
	buffers pools
	parts   *pool
}

var (
	_ store.Driver      = (*Driver)(nil)
	_ store.Versioner   = (*Driver)(nil)
	_ store.Updater     = (*Driver)(nil)
	_ store.RangeOpener = (*Driver)(nil)
	_ store.Limited     = (*Driver)(nil)
)

// Open returns a driver for the upstream that c describes. It makes the bucket
// of the control objects where buckets are mapped one to one and there is none,
// and finds out with requests on a scratch object what the upstream can do. The
// errors say what to change.
func Open(ctx context.Context, c Config) (*Driver, error) {
	d, err := connect(ctx, c, recordTTL)
	if err != nil {
		return nil, err
	}
	if d.can, err = d.probe(ctx); err != nil {
		return nil, err
	}
	return d, d.checkProbed()
}

// connect returns a driver that does not know yet what the upstream can do.
func connect(ctx context.Context, c Config, lease time.Duration) (*Driver, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("s3store: %w", err)
	}
	c = c.withDefaults()
	client, ends, err := newClient(ctx, c)
	if err != nil {
		return nil, err
	}
	d := &Driver{
		config: c, client: client, endpoints: ends, names: newMapping(c), log: c.Logger, now: c.Now, lease: lease,
		buffers: newPools(), parts: newPool(partSize),
	}
	d.records, d.uploads = newRecords(d), newUploadCache()
	return d, d.prepareControl(ctx)
}

// checkProbed refuses an upstream that cannot do what is not to be done without.
func (d *Driver) checkProbed() error {
	if !d.can.PutIfNoneMatch || !d.can.PutIfMatch {
		return errors.New("s3store: the upstream has no conditional writes (If-Match and If-None-Match of PutObject), " +
			"without which nodes cannot agree on buckets; use another upstream, or a newer version of it")
	}
	return nil
}

// prepareControl makes sure that the bucket of the control objects is there.
func (d *Driver) prepareControl(ctx context.Context) error {
	name := d.names.controlBucket
	// Unlike that to HEAD, the answer to GET says what is wrong.
	_, err := d.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &name, MaxKeys: aws.Int32(1)})
	if err == nil {
		return nil
	}
	if !isMissing(err) {
		return explain(err)
	}
	if d.names.bucket != "" {
		return fmt.Errorf("s3store: the upstream bucket %s of the store URL does not exist: create it", name)
	}
	_, err = d.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: d.location()})
	if err == nil {
		return nil
	}
	// Another node that starts at this moment may have made it.
	if _, there := d.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name}); there != nil {
		return fmt.Errorf("s3store: creating the upstream bucket %s for control objects: %w", name, explain(err))
	}
	return nil
}

// Close implements store.Driver.
func (d *Driver) Close() error {
	d.client.Options().HTTPClient.(interface{ CloseIdleConnections() }).CloseIdleConnections()
	return nil
}

// Supports implements store.Limited.
func (d *Driver) Supports(f store.Feature) error {
	switch f {
	case store.FeatureEncryption:
		return notImplemented("Encryption at rest is the upstream's: configure it there.")
	case store.FeatureConditionalRemoval:
		return notImplemented("The upstream cannot remove an object on the condition that it is unchanged: use its own lifecycle rules.")
	case store.FeatureStoredACLs:
		return notImplemented("The access control list of a stored object cannot be changed in the upstream.")
	case store.FeatureVersions:
		return d.supportsVersions()
	case store.FeatureObjectLock:
		if err := d.supportsVersions(); err != nil {
			return err
		}
		if !d.can.ObjectLock {
			return notImplemented("The upstream has no object lock.")
		}
	}
	return nil
}

func (d *Driver) supportsVersions() error {
	switch {
	case d.names.bucket != "":
		return notImplemented("Versions cannot be kept where all buckets lie in one upstream bucket: map buckets one to one.")
	case !d.can.Versioning:
		return notImplemented("The upstream keeps no versions.")
	}
	return nil
}

// notImplemented refuses what the upstream cannot do, and says so to the client.
func notImplemented(message string) error {
	return &daypass.Error{Code: daypass.NotImplemented, Message: message}
}

// str returns nil for "", which the SDK does not send.
func str(s string) *string {
	if s == "" {
		return nil
	}
	return aws.String(s)
}
