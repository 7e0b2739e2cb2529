package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/audit/bucketlog"
	"github.com/daypass/daypass/policy"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// loggingService is the principal that policies of log buckets let in.
const loggingService = "logging.s3.amazonaws.com"

// LogSettings is a Settings that knows which are used at all.
type LogSettings interface {
	Settings
	// HasBucketSetting reports whether any bucket has a setting of a name.
	HasBucketSetting(ctx context.Context, name string) (bool, error)
}

// LogDeliveryConfig is what a LogDelivery needs; all of it is required but
// Events and Rand.
type LogDeliveryConfig struct {
	Store    *store.Store
	Settings LogSettings
	// Region and Encrypt are those of Config.
	Region  string
	Encrypt bool
	// Events gets one event for each log object that was delivered or denied.
	Events EventSink
	Clock  func() time.Time
	// Rand is where the ids of events come from.
	Rand io.Reader
}

// LogDelivery tells where the access logs of buckets go, by PutBucketLogging,
// and writes log objects, as the service logging.s3.amazonaws.com does on S3: if
// the policy or the access control list of the target lets it (S3 User Guide,
// "Enabling Amazon S3 server access logging", Permissions for log delivery).
type LogDelivery struct{ cfg LogDeliveryConfig }

var _ bucketlog.Buckets = (*LogDelivery)(nil)

// NewLogDelivery returns a LogDelivery.
func NewLogDelivery(cfg LogDeliveryConfig) *LogDelivery { return &LogDelivery{cfg: cfg} }

// Logged implements bucketlog.Buckets.
func (d *LogDelivery) Logged(ctx context.Context) (bool, error) {
	return d.cfg.Settings.HasBucketSetting(ctx, settingLogging)
}

// Destination implements bucketlog.Buckets.
func (d *LogDelivery) Destination(ctx context.Context, bucket string) (*bucketlog.Destination, error) {
	b, err := d.cfg.Store.Bucket(ctx, bucket)
	if daypass.CodeOf(err) == daypass.NoSuchBucket {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	raw, err := d.cfg.Settings.BucketSettings(ctx, b.ID)
	if err != nil {
		return nil, err
	}
	text, ok := raw[settingLogging]
	if !ok {
		return nil, nil
	}
	l, err := s3.ParseLogging(text)
	if err != nil || l == nil {
		return nil, fmt.Errorf("%w: the setting cannot be read: %w", bucketlog.ErrRefused, err)
	}
	to := &bucketlog.Destination{BucketID: b.ID, Owner: b.Owner, Created: b.Created, Target: l.TargetBucket, Keys: logPrefix(&b, d.cfg.Region, l)}
	if len(l.Grants) > 0 {
		to.ACL = append(defaultACL(b.Owner), l.Grants...).Encode()
	}
	return to, nil
}

// logPrefix says what the keys of a bucket's log objects are like.
func logPrefix(b *store.Bucket, region string, l *s3.Logging) audit.LogPrefix {
	if b.Region != "" {
		region = b.Region
	}
	return audit.LogPrefix{Prefix: l.TargetPrefix, Partitioned: l.Format == s3.PartitionedPrefix, EventTime: l.ByEventTime(),
		AccountID: daypass.AccountID(b.Owner), Region: region, Bucket: b.Name}
}

// Put implements bucketlog.Buckets. The object belongs to the target's owner.
func (d *LogDelivery) Put(ctx context.Context, o *bucketlog.Object) error {
	start := d.cfg.Clock()
	target, err := d.cfg.Store.Bucket(ctx, o.Target)
	if err != nil {
		return lasting(err)
	}
	req := &store.PutRequest{Bucket: o.Target, Key: o.Key, Owner: target.Owner, Metadata: store.Metadata{ContentType: "text/plain"},
		Conditions: store.WriteConditions{IfNoneMatch: "*"}, Time: start}
	err = d.permit(ctx, o, &target, req)
	var stored *store.Object
	if err == nil {
		if req.Body, err = store.NewUpload(bytes.NewReader(o.Body), store.UploadOptions{Size: int64(len(o.Body))}); err == nil {
			stored, err = d.cfg.Store.PutObject(ctx, req)
		}
	}
	if daypass.CodeOf(err) == daypass.PreconditionFailed {
		return nil // it is there from before a crash
	}
	d.emit(o, &target, stored, start, err)
	return lasting(err)
}

// lasting makes an error bucketlog.ErrRefused where trying again is no use.
func lasting(err error) error {
	switch daypass.CodeOf(err) {
	case daypass.NoSuchBucket, daypass.AccessDenied, daypass.KeyTooLongError, s3.InvalidURI, daypass.NotImplemented:
		return fmt.Errorf("%w: %w", bucketlog.ErrRefused, err)
	}
	return err
}

// permit decides whether the target lets an object in, and gives it the access
// control list and the encryption that it is to have. AccessDenied.
func (d *LogDelivery) permit(ctx context.Context, o *bucketlog.Object, target *store.Bucket, req *store.PutRequest) error {
	if target.Owner != o.Owner {
		return logDenied("it belongs to another account than the bucket that is logged")
	}
	raw, err := d.cfg.Settings.BucketSettings(ctx, target.ID)
	if err != nil {
		return err
	}
	rules, err := compileRules(raw)
	if err != nil {
		return logDenied("its settings cannot be read: " + err.Error())
	}
	req.Sealing = rules.sealing(d.cfg.Encrypt)
	if rules.listsCount() {
		req.ACL = o.ACL
	}
	r := policy.Request{Principal: policy.Principal{Service: loggingService}, Action: "s3:PutObject",
		Resource: policy.ObjectARN(o.Target, o.Key), Context: d.logContext(o)}
	v := policy.Evaluate(&r, &policy.Set{Resource: rules.policy})
	switch {
	case v.Decision == policy.Allowed:
		return nil
	case v.Decision == policy.ImplicitDeny && rules.listsCount() && givesLogDelivery(rules.acl):
		return nil
	}
	return logDenied("neither its policy lets " + loggingService + " put objects, nor its access control list the group LogDelivery: " + v.Reason())
}

func logDenied(why string) error {
	return &daypass.Error{Op: "server.deliverLog", Code: daypass.AccessDenied, Err: errors.New(why)}
}

// givesLogDelivery reports whether a list lets the log delivery group write.
func givesLogDelivery(acl s3.ACL) bool {
	write, read := false, false
	for _, g := range acl {
		if g.Group == s3.LogDelivery {
			write, read = write || g.Gives(s3.Write), read || g.Gives(s3.ReadACP)
		}
	}
	return write && read
}

// logContext returns the condition keys of a delivery.
func (d *LogDelivery) logContext(o *bucketlog.Object) func(string) ([]string, bool) {
	now, account := d.cfg.Clock().UTC(), daypass.AccountID(o.Owner)
	values := map[string]string{
		"aws:sourcearn": policy.BucketARN(o.Source), "aws:sourceaccount": account,
		"aws:resourceaccount": account, "s3:resourceaccount": account,
		"aws:requestedregion": d.cfg.Region, "aws:viaawsservice": "false",
		"aws:currenttime": now.Format(time.RFC3339), "aws:epochtime": strconv.FormatInt(now.Unix(), 10),
		// It does not leave this server.
		"aws:securetransport": "true",
	}
	return func(key string) ([]string, bool) {
		v, ok := values[key]
		return []string{v}, ok
	}
}

// emit records a delivery, as S3 does: whoever has the target logged reads of it
// there.
func (d *LogDelivery) emit(o *bucketlog.Object, target *store.Bucket, stored *store.Object, start time.Time, err error) {
	status := http.StatusOK
	if err != nil {
		status = s3.Status(daypass.CodeOf(err))
	}
	if d.cfg.Events == nil || err != nil && !errors.Is(lasting(err), bucketlog.ErrRefused) {
		return // it is tried again
	}
	e := &daypass.Event{
		Time: start.UTC(), Action: daypass.PutObject, Operation: "REST.PUT.OBJECT", BucketOwner: target.Owner,
		Object: daypass.ObjectRef{Bucket: o.Target, Key: o.Key}, Grant: daypass.Grant{Scheme: daypass.SchemeService},
		Principal: "svc:" + loggingService, Method: http.MethodPut, URI: (&url.URL{Path: "/" + o.Target + "/" + o.Key}).EscapedPath(), Status: status,
		Received: int64(len(o.Body)), ObjectSize: -1, Total: d.cfg.Clock().Sub(start),
	}
	e.RequestID, e.HostID = newRequestIDs(d.cfg.Rand)
	if stored != nil {
		e.ObjectSize, e.Object.VersionID = stored.Size, stored.VersionID
		// Nobody else writes under this key, so the time is order enough.
		w := written{eTag: stored.ETag, version: stored.VersionID, sequencer: sequencerText(start.UnixNano())}
		w.tell(e)
	}
	if err != nil {
		said := s3.ErrorOf(err)
		e.Code, e.Message, e.Reason = said.Code, said.Message, reasonOf(err)
	}
	d.cfg.Events.Append(e)
}

// newRequestIDs returns a request id and a host id in the form of S3's.
func newRequestIDs(random io.Reader) (request, host string) {
	var ids [idLength]byte
	_ = (&idSource{rand: random}).next(&ids) // nothing depends on it
	return string(ids[:requestIDLength]), string(ids[requestIDLength:])
}
