package instrument

import (
	"context"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// The operations, in the order of their names below.
const (
	opCreateBucket = iota
	opBucket
	opDeleteBucket
	opListBuckets
	opPutObject
	opObject
	opOpenObject
	opDeleteObject
	opListObjects
	opSetVersioning
	opListVersions
	opUpdateObject
	opCreateUpload
	opMultipartUpload
	opPutPart
	opParts
	opListUploads
	opCompleteUpload
	opAbortUpload
	opCopyObject
	opCopyPart
	opSetObjectLock
	opUpdateLock
	opRewrap
	opRedirectURL
)

// StoreOperations are the names of a store driver's operations, by index.
func StoreOperations() []string {
	return []string{
		opCreateBucket:    "CreateBucket",
		opBucket:          "Bucket",
		opDeleteBucket:    "DeleteBucket",
		opListBuckets:     "ListBuckets",
		opPutObject:       "PutObject",
		opObject:          "Object",
		opOpenObject:      "OpenObject",
		opDeleteObject:    "DeleteObject",
		opListObjects:     "ListObjects",
		opSetVersioning:   "SetVersioning",
		opListVersions:    "ListVersions",
		opUpdateObject:    "UpdateObject",
		opCreateUpload:    "CreateUpload",
		opMultipartUpload: "MultipartUpload",
		opPutPart:         "PutPart",
		opParts:           "Parts",
		opListUploads:     "ListUploads",
		opCompleteUpload:  "CompleteUpload",
		opAbortUpload:     "AbortUpload",
		opCopyObject:      "CopyObject",
		opCopyPart:        "CopyPart",
		opSetObjectLock:   "SetObjectLock",
		opUpdateLock:      "UpdateLock",
		opRewrap:          "Rewrap",
		opRedirectURL:     "RedirectURL",
	}
}

// A storeDriver is a store driver whose calls are instrumented.
type storeDriver struct {
	store.Driver
	calls calls
}

var (
	_ store.Enclosing   = (*storeDriver)(nil)
	_ store.Versioner   = (*storeDriver)(nil)
	_ store.Updater     = (*storeDriver)(nil)
	_ store.Multiparter = (*storeDriver)(nil)
	_ store.Copier      = (*storeDriver)(nil)
	_ store.Locker      = (*storeDriver)(nil)
	_ store.UploadNamer = (*storeDriver)(nil)
	_ store.Rewrapper   = (*storeDriver)(nil)
	_ store.Limited     = (*storeDriver)(nil)
	_ store.Redirector  = (*storeDriver)(nil)
	_ store.RangeOpener = (*storeDriver)(nil)
)

// Store returns a driver that can do what d can and tells how long it takes.
// durations and steps may be nil.
func Store(d store.Driver, durations Durations, steps Steps) store.Driver {
	return &storeDriver{d, newCalls("store.", StoreOperations(), durations, steps)}
}

// Inside implements store.Enclosing.
func (d *storeDriver) Inside() store.Driver { return d.Driver }

// CreateBucket implements store.Driver.
func (d *storeDriver) CreateBucket(ctx context.Context, b store.Bucket) (err error) {
	ctx, c := d.calls.begin(ctx, opCreateBucket)
	defer c.done(&err)
	return d.Driver.CreateBucket(ctx, b)
}

// Bucket implements store.Driver.
func (d *storeDriver) Bucket(ctx context.Context, name string) (_ store.Bucket, err error) {
	ctx, c := d.calls.begin(ctx, opBucket)
	defer c.done(&err)
	return d.Driver.Bucket(ctx, name)
}

// DeleteBucket implements store.Driver.
func (d *storeDriver) DeleteBucket(ctx context.Context, name string) (err error) {
	ctx, c := d.calls.begin(ctx, opDeleteBucket)
	defer c.done(&err)
	return d.Driver.DeleteBucket(ctx, name)
}

// ListBuckets implements store.Driver.
func (d *storeDriver) ListBuckets(ctx context.Context, prefix, after string, max int) (_ []store.Bucket, err error) {
	ctx, c := d.calls.begin(ctx, opListBuckets)
	defer c.done(&err)
	return d.Driver.ListBuckets(ctx, prefix, after, max)
}

// PutObject implements store.Driver.
func (d *storeDriver) PutObject(ctx context.Context, req *store.PutRequest) (_ *store.Object, err error) {
	ctx, c := d.calls.begin(ctx, opPutObject)
	defer c.done(&err)
	return d.Driver.PutObject(ctx, req)
}

// Object implements store.Driver.
func (d *storeDriver) Object(ctx context.Context, ref daypass.ObjectRef) (_ *store.Object, err error) {
	ctx, c := d.calls.begin(ctx, opObject)
	defer c.done(&err)
	return d.Driver.Object(ctx, ref)
}

// OpenObject implements store.Driver.
func (d *storeDriver) OpenObject(ctx context.Context, ref daypass.ObjectRef) (_ *store.Object, _ store.Body, err error) {
	ctx, c := d.calls.begin(ctx, opOpenObject)
	defer c.done(&err)
	return d.Driver.OpenObject(ctx, ref)
}

// OpenObjectRange implements store.RangeOpener.
func (d *storeDriver) OpenObjectRange(ctx context.Context, ref daypass.ObjectRef, hint store.RangeHint) (_ *store.Object, _ store.Body, err error) {
	ctx, c := d.calls.begin(ctx, opOpenObject)
	defer c.done(&err)
	return d.Driver.(store.RangeOpener).OpenObjectRange(ctx, ref, hint)
}

// Supports implements store.Limited. It asks nobody.
func (d *storeDriver) Supports(f store.Feature) error { return d.Driver.(store.Limited).Supports(f) }

// DeleteObject implements store.Driver.
func (d *storeDriver) DeleteObject(ctx context.Context, ref daypass.ObjectRef, opts store.DeleteOptions) (_ store.Deleted, err error) {
	ctx, c := d.calls.begin(ctx, opDeleteObject)
	defer c.done(&err)
	return d.Driver.DeleteObject(ctx, ref, opts)
}

// ListObjects implements store.Driver.
func (d *storeDriver) ListObjects(ctx context.Context, req store.ListRequest) (_ *store.ListPage, err error) {
	ctx, c := d.calls.begin(ctx, opListObjects)
	defer c.done(&err)
	return d.Driver.ListObjects(ctx, req)
}

// SetVersioning implements store.Versioner.
func (d *storeDriver) SetVersioning(ctx context.Context, bucket string, v store.Versioning) (err error) {
	ctx, c := d.calls.begin(ctx, opSetVersioning)
	defer c.done(&err)
	return d.Driver.(store.Versioner).SetVersioning(ctx, bucket, v)
}

// ListVersions implements store.Versioner.
func (d *storeDriver) ListVersions(ctx context.Context, req store.VersionsRequest) (_ *store.VersionsPage, err error) {
	ctx, c := d.calls.begin(ctx, opListVersions)
	defer c.done(&err)
	return d.Driver.(store.Versioner).ListVersions(ctx, req)
}

// UpdateObject implements store.Updater.
func (d *storeDriver) UpdateObject(ctx context.Context, ref daypass.ObjectRef, u store.Update) (_ *store.Object, err error) {
	ctx, c := d.calls.begin(ctx, opUpdateObject)
	defer c.done(&err)
	return d.Driver.(store.Updater).UpdateObject(ctx, ref, u)
}

// CreateUpload implements store.Multiparter.
func (d *storeDriver) CreateUpload(ctx context.Context, u *store.MultipartUpload) (_ *store.MultipartUpload, err error) {
	ctx, c := d.calls.begin(ctx, opCreateUpload)
	defer c.done(&err)
	return d.Driver.(store.Multiparter).CreateUpload(ctx, u)
}

// MultipartUpload implements store.Multiparter.
func (d *storeDriver) MultipartUpload(ctx context.Context, bucket, key, id string) (_ *store.MultipartUpload, err error) {
	ctx, c := d.calls.begin(ctx, opMultipartUpload)
	defer c.done(&err)
	return d.Driver.(store.Multiparter).MultipartUpload(ctx, bucket, key, id)
}

// PutPart implements store.Multiparter.
func (d *storeDriver) PutPart(ctx context.Context, req *store.PartRequest) (_ *store.Part, err error) {
	ctx, c := d.calls.begin(ctx, opPutPart)
	defer c.done(&err)
	return d.Driver.(store.Multiparter).PutPart(ctx, req)
}

// Parts implements store.Multiparter.
func (d *storeDriver) Parts(ctx context.Context, bucket, key, id string, after, max int) (_ []store.Part, err error) {
	ctx, c := d.calls.begin(ctx, opParts)
	defer c.done(&err)
	return d.Driver.(store.Multiparter).Parts(ctx, bucket, key, id, after, max)
}

// ListUploads implements store.Multiparter.
func (d *storeDriver) ListUploads(ctx context.Context, req store.UploadsRequest) (_ *store.UploadsPage, err error) {
	ctx, c := d.calls.begin(ctx, opListUploads)
	defer c.done(&err)
	return d.Driver.(store.Multiparter).ListUploads(ctx, req)
}

// CompleteUpload implements store.Multiparter.
func (d *storeDriver) CompleteUpload(ctx context.Context, req *store.CompleteRequest) (_ *store.Object, err error) {
	ctx, c := d.calls.begin(ctx, opCompleteUpload)
	defer c.done(&err)
	return d.Driver.(store.Multiparter).CompleteUpload(ctx, req)
}

// AbortUpload implements store.Multiparter.
func (d *storeDriver) AbortUpload(ctx context.Context, bucket, key, id string) (err error) {
	ctx, c := d.calls.begin(ctx, opAbortUpload)
	defer c.done(&err)
	return d.Driver.(store.Multiparter).AbortUpload(ctx, bucket, key, id)
}

// CopyObject implements store.Copier.
func (d *storeDriver) CopyObject(ctx context.Context, req *store.CopyRequest) (_ *store.Object, err error) {
	ctx, c := d.calls.begin(ctx, opCopyObject)
	defer c.done(&err)
	return d.Driver.(store.Copier).CopyObject(ctx, req)
}

// CopyPart implements store.Copier.
func (d *storeDriver) CopyPart(ctx context.Context, req *store.PartCopyRequest, sums func() (store.PartSums, error)) (_ *store.Part, err error) {
	ctx, c := d.calls.begin(ctx, opCopyPart)
	defer c.done(&err)
	return d.Driver.(store.Copier).CopyPart(ctx, req, sums)
}

// UploadName implements store.UploadNamer.
func (d *storeDriver) UploadName(uploadID string) string {
	return d.Driver.(store.UploadNamer).UploadName(uploadID)
}

// SetObjectLock implements store.Locker.
func (d *storeDriver) SetObjectLock(ctx context.Context, bucket string, def store.DefaultRetention) (err error) {
	ctx, c := d.calls.begin(ctx, opSetObjectLock)
	defer c.done(&err)
	return d.Driver.(store.Locker).SetObjectLock(ctx, bucket, def)
}

// UpdateLock implements store.Locker.
func (d *storeDriver) UpdateLock(ctx context.Context, ref daypass.ObjectRef, u store.LockUpdate) (_ *store.Object, err error) {
	ctx, c := d.calls.begin(ctx, opUpdateLock)
	defer c.done(&err)
	return d.Driver.(store.Locker).UpdateLock(ctx, ref, u)
}

// Rewrap implements store.Rewrapper.
func (d *storeDriver) Rewrap(ctx context.Context, after []byte, rewrap store.RewrapFunc) (next []byte, n store.RewrapCount, err error) {
	ctx, c := d.calls.begin(ctx, opRewrap)
	defer c.done(&err)
	return d.Driver.(store.Rewrapper).Rewrap(ctx, after, rewrap)
}

// RedirectURL implements store.Redirector.
func (d *storeDriver) RedirectURL(ctx context.Context, req store.RedirectRequest) (_ string, _ bool, err error) {
	ctx, c := d.calls.begin(ctx, opRedirectURL)
	defer c.done(&err)
	return d.Driver.(store.Redirector).RedirectURL(ctx, req)
}
