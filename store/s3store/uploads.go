package s3store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// An upload record is the control object uploads/BUCKET/UPSTREAM-ID: what the
// upstream does not keep of an upload. It never changes.
type uploadRecord struct {
	// Nonce is the first half of the upload's ID. It goes with the object to be,
	// where it tells whose object that is when the answer of a completion was
	// lost: the upstream's ID is known too late for that.
	Nonce string `json:"nonce"`
	// Bucket is the bucket's ID, so that an upload ends with it.
	Bucket       string                  `json:"bucket"`
	Key          string                  `json:"key"`
	Owner        string                  `json:"owner,omitempty"`
	Metadata     store.Metadata          `json:"metadata"`
	Tags         []store.Tag             `json:"tags,omitempty"`
	ACL          []byte                  `json:"acl,omitempty"`
	Lock         store.Lock              `json:"lock"`
	Initiated    time.Time               `json:"initiated"`
	Checksum     store.ChecksumAlgorithm `json:"checksum,omitempty"`
	ChecksumType store.ChecksumType      `json:"type,omitempty"`
}

// upload returns the upload that a record is of.
func (r *uploadRecord) upload(bucket, id string) *store.MultipartUpload {
	return &store.MultipartUpload{
		Bucket: bucket, Key: r.Key, ID: id, Metadata: r.Metadata, Owner: r.Owner, Tags: r.Tags, ACL: r.ACL,
		Lock: r.Lock, Initiated: r.Initiated, Checksum: r.Checksum, ChecksumType: r.ChecksumType,
	}
}

// nonceSize is the length of a nonce in bytes, and maxUpstreamID that of the
// longest ID that an upstream may give to an upload.
const (
	nonceSize     = 12
	maxUpstreamID = 512
)

func newNonce() (string, error) {
	var b [nonceSize]byte
	_, err := rand.Read(b[:])
	return hex.EncodeToString(b[:]), err
}

// splitUploadID returns what the ID of an upload consists of. A client may send
// anything.
func splitUploadID(id string) (nonce, upstream string, ok bool) {
	nonce, upstream, ok = strings.Cut(id, ".")
	_, err := hex.DecodeString(nonce)
	return nonce, upstream, ok && err == nil && len(nonce) == 2*nonceSize && upstream != "" && len(upstream) <= maxUpstreamID
}

// UploadName implements store.UploadNamer.
func (d *Driver) UploadName(uploadID string) string {
	nonce, _, ok := splitUploadID(uploadID)
	if !ok {
		return ""
	}
	return nonce
}

// uploadsPrefix begins the names of the control objects of a bucket's uploads.
func uploadsPrefix(bucket string) string { return "uploads/" + bucket + "/" }

// uploadName returns the name of the control object of an upload. The sums of
// its parts lie below it.
func uploadName(bucket, upstream string) string {
	return uploadsPrefix(bucket) + url.PathEscape(upstream)
}

// An openUpload is an upload that is under way, or was a moment ago.
type openUpload struct {
	*uploadRecord
	hold         hold
	at           place
	id, upstream string
}

func noSuchUpload(id string) error {
	return &daypass.Error{Code: store.NoSuchUpload, Details: []daypass.Detail{{Name: "UploadId", Value: id}}}
}

// openUpload returns an upload by what a client says of it. NoSuchUpload,
// NoSuchBucket.
func (d *Driver) openUpload(ctx context.Context, bucket, key, id string) (*openUpload, error) {
	h, err := d.hold(ctx, bucket)
	if err != nil {
		return nil, err
	}
	nonce, upstream, ok := splitUploadID(id)
	if !ok {
		return nil, noSuchUpload(id)
	}
	at, err := d.place(bucket, key)
	if err != nil {
		return nil, err
	}
	rec, err := d.readUpload(ctx, bucket, upstream)
	switch {
	case daypass.CodeOf(err) == daypass.NoSuchKey:
		return nil, noSuchUpload(id)
	case err != nil:
		return nil, err
	case rec.Nonce != nonce, rec.Key != key, rec.Bucket != h.ID:
		return nil, noSuchUpload(id)
	}
	return &openUpload{rec, h, at, id, upstream}, nil
}

// readUpload returns the record of an upload. NoSuchKey.
func (d *Driver) readUpload(ctx context.Context, bucket, upstream string) (*uploadRecord, error) {
	name := uploadName(bucket, upstream)
	if rec, ok := d.uploads.get(name); ok {
		return rec, nil
	}
	value, _, err := d.readControl(ctx, name)
	if err != nil {
		return nil, err
	}
	rec := new(uploadRecord)
	if err := json.Unmarshal(value, rec); err != nil {
		return nil, fmt.Errorf("s3store: the control object %s is damaged: %w", name, err)
	}
	d.uploads.put(name, rec)
	return rec, nil
}

// writeUpload keeps the record of a new upload.
func (d *Driver) writeUpload(ctx context.Context, bucket, upstream string, rec *uploadRecord) error {
	value, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	name := uploadName(bucket, upstream)
	if _, err := d.writeControl(ctx, name, value, ""); err != nil {
		return err
	}
	d.uploads.put(name, rec)
	return nil
}

// forgetUpload removes the control objects of an upload that has ended. What is
// left when that fails, or when the sums of a part arrive afterwards, is removed
// with the bucket, so an error is logged only.
func (d *Driver) forgetUpload(ctx context.Context, bucket, upstream string, rec *uploadRecord) {
	name := uploadName(bucket, upstream)
	d.uploads.remove(name)
	// A client that has gone away does not end this.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	err := d.deleteControl(ctx, name)
	if err == nil && d.keepsSums(rec) {
		err = d.deleteControls(ctx, name+"/")
	}
	if err != nil {
		d.log.LogAttrs(ctx, slog.LevelWarn, "control objects of an ended upload are left", slog.String("bucket", bucket), slog.Any("error", err))
	}
}

// cleanupTimeout bounds the removal of what an upload leaves.
const cleanupTimeout = 30 * time.Second

// deleteControls removes the control objects whose names begin with prefix.
func (d *Driver) deleteControls(ctx context.Context, prefix string) error {
	for more := true; more; {
		names, truncated, err := d.listControl(ctx, prefix, "", listMax)
		if err != nil {
			return err
		}
		if err := d.deleteNames(ctx, names); err != nil {
			return err
		}
		more = truncated
	}
	return nil
}

// deleteNames removes at most listMax control objects.
func (d *Driver) deleteNames(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	ids := make([]types.ObjectIdentifier, len(names))
	var bucket string
	for i, name := range names {
		at := d.names.control(name)
		ids[i].Key, bucket = &at.key, at.bucket
	}
	out, err := d.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &bucket, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)},
	})
	if err != nil {
		return d.fail("delete control objects", err)
	}
	if len(out.Errors) > 0 {
		return fmt.Errorf("s3store: %d control objects were not deleted: %s", len(out.Errors), aws.ToString(out.Errors[0].Code))
	}
	return nil
}

// endUploads ends what is under way in a bucket that was deleted.
func (d *Driver) endUploads(ctx context.Context, bucket string) error {
	// Where buckets are mapped one to one, uploads have ended with the upstream
	// bucket, or that would not be gone.
	if d.names.bucket != "" {
		err := d.eachUpload(ctx, bucket, "", func(u *upstreamUpload) error {
			at := place{d.names.bucket, d.names.keyPrefix(bucket) + u.key}
			err := d.abortUpstream(ctx, at, u.id)
			if daypass.CodeOf(err) == store.NoSuchUpload {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return d.deleteControls(ctx, uploadsPrefix(bucket))
}

// abortUpstream ends an upstream upload. NoSuchUpload.
func (d *Driver) abortUpstream(ctx context.Context, at place, upstream string) error {
	_, err := d.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &at.bucket, Key: &at.key, UploadId: &upstream})
	return d.fail("abort an upload", err)
}

// maxUploads is how many records of uploads a node keeps in mind.
const maxUploads = 512

// uploadCache keeps records of uploads, which never change.
type uploadCache struct {
	mu     sync.Mutex
	byName map[string]*uploadRecord
}

func newUploadCache() *uploadCache { return &uploadCache{byName: make(map[string]*uploadRecord)} }

func (c *uploadCache) get(name string) (*uploadRecord, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rec, ok := c.byName[name]
	return rec, ok
}

func (c *uploadCache) put(name string, rec *uploadRecord) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.byName {
		if len(c.byName) < maxUploads {
			break
		}
		delete(c.byName, other)
	}
	c.byName[name] = rec
}

func (c *uploadCache) remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byName, name)
}

// Where an upstream keeps no checksums, those of a part are the name of an empty
// control object, uploads/BUCKET/UPSTREAM-ID/NUMBER-ETAG-ALGORITHM=VALUE…: a
// listing tells all of them. Since the ETag is that of the content, the sums of
// a part that another one replaces are never taken for its own.

// sumsName returns the name of the control object with the sums of a part.
func sumsName(upload string, number int, etag string, sums []store.Checksum) string {
	name := fmt.Sprintf("%s/%05d-%s", upload, number, etag)
	for _, sum := range sums {
		name += "-" + string(sum.Algorithm) + "=" + strings.ReplaceAll(sum.Value, "/", "_")
	}
	return name
}

// A partKey names the content of a part.
type partKey struct {
	number int
	etag   string
}

// parseSums returns what a name below that of an upload tells.
func parseSums(name string) (k partKey, sums []store.Checksum, ok bool) {
	fields := strings.Split(name, "-")
	if len(fields) < 3 {
		return k, nil, false
	}
	var err error
	if k.number, err = strconv.Atoi(fields[0]); err != nil {
		return k, nil, false
	}
	k.etag = fields[1]
	for _, field := range fields[2:] {
		a, value, _ := strings.Cut(field, "=")
		sums = append(sums, store.Checksum{Algorithm: store.ChecksumAlgorithm(a), Value: strings.ReplaceAll(value, "_", "/")})
	}
	return k, sums, true
}

// keepsSums reports whether there may be control objects with the sums of parts:
// where the client has chosen no algorithm, parts may have another one each.
// Beside them may be a claim of the upload's end.
func (d *Driver) keepsSums(rec *uploadRecord) bool {
	return !d.can.Checksums || rec.Checksum == "" || d.claimsEnd()
}

// writeSums keeps the checksums of a part where the upstream does not.
func (d *Driver) writeSums(ctx context.Context, u *openUpload, p *store.Part) error {
	// An upstream that does keep checksums keeps one.
	if d.can.Checksums && len(p.Checksums) < 2 {
		return nil
	}
	at := d.names.control(sumsName(uploadName(u.hold.name, u.upstream), p.Number, p.ETag, p.Checksums))
	_, err := d.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &at.bucket, Key: &at.key, Body: strings.NewReader(""), ContentLength: aws.Int64(0),
	})
	return d.fail("keep the checksums of a part", err)
}

// readSums fills in the checksums of parts, which are in order of number, where
// the upstream does not keep them.
func (d *Driver) readSums(ctx context.Context, u *openUpload, parts []store.Part) error {
	if !d.keepsSums(u.uploadRecord) || len(parts) == 0 {
		return nil
	}
	wanted := make(map[partKey]*store.Part, len(parts))
	for i := range parts {
		wanted[partKey{parts[i].Number, parts[i].ETag}] = &parts[i]
	}
	base := uploadName(u.hold.name, u.upstream) + "/"
	after, last := fmt.Sprintf("%s%05d", base, parts[0].Number), parts[len(parts)-1].Number
	for more := true; more; {
		names, truncated, err := d.listControl(ctx, base, after, listMax)
		if err != nil {
			return err
		}
		more = truncated && len(names) > 0
		for _, name := range names {
			after = name
			k, sums, ok := parseSums(strings.TrimPrefix(name, base))
			if ok && k.number > last {
				return nil
			}
			if p := wanted[k]; ok && p != nil {
				p.Checksums = sums
			}
		}
	}
	return nil
}
