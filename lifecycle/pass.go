package lifecycle

import (
	"context"
	"encoding/base32"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

const (
	// maxFailures is how many removals may fail one after the other before it
	// is given up for now.
	maxFailures = 10
	// renewEvery is how often the lease is renewed, whatever the pages.
	renewEvery = leaseTime / 4
)

// errNewRules says that the configuration or the bucket is not the one that the
// work began with.
var errNewRules = errors.New("the configuration has changed")

// A stride is how far the work goes at a time.
type stride struct {
	// page is how many versions are read at once; save is how many pages a
	// crash may cost, and slice after how many another bucket has its turn.
	page, save, slice int
}

// A pass is the work in one bucket.
type pass struct {
	worker   *Worker
	bucket   *store.Bucket
	rules    *Rules
	progress progress

	key key
	// failures counts what failed since something was removed.
	failures int
	// pages counts those since how far it is was last kept, at a time.
	pages int
	saved time.Time
}

// A key is what the versions of one key that came so far say of the next ones.
type key struct {
	name  string
	begun bool
	// before is when the version that came last was made.
	before time.Time
	// newer counts the noncurrent objects that came so far.
	newer int
	// marker is a delete marker of which is not known yet whether it is the
	// only version.
	marker *store.Object
}

// run does a slice of the work.
func (p *pass) run(ctx context.Context) error {
	p.saved = p.worker.cfg.Clock()
	if !p.progress.Uploads {
		ended, err := p.versions(ctx)
		if err != nil || !ended {
			return err
		}
		p.progress.Uploads, p.progress.Key = true, ""
	}
	ended, err := p.uploads(ctx)
	p.progress.Done = ended && err == nil
	return err
}

// versions goes through versions, and reports whether it has come to the end.
// The cursor is always a whole key, since what is to become of a version depends
// on those before it; so a slice goes on until it has finished one.
func (p *pass) versions(ctx context.Context) (ended bool, err error) {
	w := p.worker
	req := store.VersionsRequest{Bucket: p.bucket.Name, KeyMarker: p.progress.Key, Max: w.stride.page}
	first := p.progress.Key
	for n := 0; n < w.stride.slice || p.progress.Key == first; n++ {
		page, err := w.cfg.Store.ListVersions(ctx, req)
		if err != nil {
			return false, err
		}
		if err := p.unchanged(ctx); err != nil {
			return false, err
		}
		w.n.scanned.Add(int64(len(page.Versions)))
		for _, v := range page.Versions {
			if err := p.version(ctx, v); err != nil {
				return false, err
			}
		}
		if !page.Truncated {
			return true, p.endKey(ctx)
		}
		if err := p.checkpoint(ctx, 1); err != nil {
			return false, err
		}
		if err := w.scan.spend(ctx, len(page.Versions)); err != nil {
			return false, err
		}
		req.KeyMarker, req.VersionMarker = page.NextKey, page.NextVersion
	}
	return false, nil
}

// version does with one version what the rules say.
func (p *pass) version(ctx context.Context, v *store.Object) error {
	k := &p.key
	if v.Key != k.name {
		if err := p.endKey(ctx); err != nil {
			return err
		}
	}
	// A page may begin with the newest version of its key again.
	if !k.begun || v.Key != k.name || v.IsLatest {
		*k = key{name: v.Key, begun: true, before: v.ModTime}
		if v.DeleteMarker {
			k.marker = v
			return nil
		}
		return p.judge(ctx, v, Place{})
	}
	k.marker = nil // it is not alone
	err := p.judge(ctx, v, Place{Succeeded: k.before, Newer: k.newer})
	k.before = v.ModTime
	if !v.DeleteMarker {
		k.newer++
	}
	return err
}

// endKey does what can be done only once no version of a key is left, and makes
// the key the cursor.
func (p *pass) endKey(ctx context.Context) error {
	if !p.key.begun {
		return nil
	}
	if m := p.key.marker; m != nil {
		p.key.marker = nil
		if err := p.judge(ctx, m, Place{Alone: true}); err != nil {
			return err
		}
	}
	p.progress.Key = p.key.name
	return nil
}

// uploads goes through the uploads under way.
func (p *pass) uploads(ctx context.Context) (ended bool, err error) {
	if len(p.rules.uploads) == 0 {
		return true, nil
	}
	w := p.worker
	for range w.stride.slice {
		page, err := w.cfg.Store.ListUploads(ctx, store.UploadsRequest{
			Bucket: p.bucket.Name, KeyMarker: p.progress.Key, UploadIDMarker: p.progress.Upload, Max: w.stride.page})
		if err != nil {
			return false, err
		}
		if err := p.unchanged(ctx); err != nil {
			return false, err
		}
		w.n.scanned.Add(int64(len(page.Uploads)))
		for _, u := range page.Uploads {
			if v := p.rules.Upload(u.Key, u.Initiated); v.At(w.cfg.Clock()) {
				if err := p.abort(ctx, u); err != nil {
					return false, err
				}
			}
		}
		if !page.Truncated {
			return true, nil
		}
		p.progress.Key, p.progress.Upload = page.NextKey, page.NextUploadID
		if err := p.checkpoint(ctx, 1); err != nil {
			return false, err
		}
		if err := w.scan.spend(ctx, len(page.Uploads)); err != nil {
			return false, err
		}
	}
	return false, nil
}

// unchanged refuses to go on where the bucket or its configuration is another
// than at the beginning. It is asked after each page was read and before anything
// of that is removed: so nothing of a later bucket of the same name is.
func (p *pass) unchanged(ctx context.Context) error {
	b, err := p.worker.cfg.Store.Bucket(ctx, p.bucket.Name)
	if err != nil {
		return err
	}
	settings, err := p.worker.cfg.Settings.BucketSettings(ctx, p.bucket.ID)
	if err != nil {
		return err
	}
	if b.ID != p.bucket.ID || settings[Setting] == nil || hashOf(settings[Setting]) != p.progress.Config {
		return errNewRules
	}
	return nil
}

// checkpoint keeps how far the work is after so many more pages, where that were
// enough or the lease wants to be renewed.
func (p *pass) checkpoint(ctx context.Context, pages int) error {
	now := p.worker.cfg.Clock()
	p.pages += pages
	if p.pages < p.worker.stride.save && now.Sub(p.saved) < renewEvery {
		return nil
	}
	p.pages, p.saved = 0, now
	return p.worker.save(ctx, p.bucket, &p.progress, false)
}

// judge removes a version if the rules say so.
func (p *pass) judge(ctx context.Context, o *store.Object, at Place) error {
	w := p.worker
	v := p.rules.Version(o, at)
	if !v.At(w.cfg.Clock()) {
		return nil
	}
	ref := daypass.ObjectRef{Bucket: o.Bucket, Key: o.Key}
	if v.Action != Expire {
		ref.VersionID = o.VersionID
	}
	return p.remove(ctx, v.Action, ref, o.Size, func() (store.Deleted, error) {
		return w.cfg.Store.DeleteObject(ctx, ref, store.DeleteOptions{Seen: o, Time: w.cfg.Clock()})
	})
}

func (p *pass) abort(ctx context.Context, u *store.MultipartUpload) error {
	return p.remove(ctx, Abort, daypass.ObjectRef{Bucket: u.Bucket, Key: u.Key}, -1, func() (store.Deleted, error) {
		return store.Deleted{}, p.worker.cfg.Store.AbortUpload(ctx, u.Bucket, u.Key, u.ID)
	})
}

// remove removes something, and counts what came of it. Its own error ends the
// work for now.
func (p *pass) remove(ctx context.Context, a Action, ref daypass.ObjectRef, size int64, do func() (store.Deleted, error)) error {
	w := p.worker
	if err := w.deletion.spend(ctx, 1); err != nil {
		return err
	}
	if err := p.checkpoint(ctx, 0); err != nil {
		return err
	}
	deleted, err := do()
	switch code := daypass.CodeOf(err); {
	case err == nil:
		p.failures = 0
		w.count(a).Add(1)
		p.tell(a, ref, size, deleted)
	case code == daypass.AccessDenied:
		w.n.locked.Add(1)
	case code == daypass.PreconditionFailed, code == daypass.NoSuchKey, code == daypass.NoSuchVersion, code == noSuchUpload:
		w.n.changed.Add(1)
	case code == daypass.NoSuchBucket, code == daypass.NotImplemented, ctx.Err() != nil:
		return err
	default:
		w.n.failed.Add(1)
		w.cfg.Log.Error("what lifecycle rules say cannot be done", "bucket", ref.Bucket, "key", ref.Key, "version", ref.VersionID, "err", err)
		if p.failures++; p.failures >= maxFailures {
			return err
		}
	}
	return nil
}

// noSuchUpload is S3's code for an upload that is no more.
const noSuchUpload daypass.Code = "NoSuchUpload"

func (w *Worker) count(a Action) interface{ Add(int64) int64 } {
	switch a {
	case Expire:
		return &w.n.expired
	case ExpireNoncurrent:
		return &w.n.noncurrent
	case RemoveMarker:
		return &w.n.markers
	}
	return &w.n.uploads
}

// The names of what is removed in S3's access logs (S3 User Guide, "S3 Lifecycle
// and logging"), and who does it there.
const (
	expireOperation = "S3.EXPIRE.OBJECT"
	markerOperation = "S3.CREATE.DELETEMARKER"
	abortOperation  = "S3.DELETE.UPLOAD"
	requester       = "AmazonS3"
)

// What events say was done, by the names of S3's event notifications where there
// are any (S3 User Guide, "Supported event types").
const (
	ActionExpired daypass.Action = "LifecycleExpiration:Delete"
	ActionMarked  daypass.Action = "LifecycleExpiration:DeleteMarkerCreated"
	ActionAborted daypass.Action = "LifecycleAbortMultipartUpload"
)

// tell makes an event of what was removed. It has no request, so no status, no
// bytes and no times.
func (p *pass) tell(a Action, ref daypass.ObjectRef, size int64, deleted store.Deleted) {
	w := p.worker
	if w.cfg.Events == nil {
		return
	}
	operation, action := expireOperation, ActionExpired
	switch {
	case a == Abort:
		operation, action = abortOperation, ActionAborted
	case a == Expire && deleted.DeleteMarker:
		operation, action, ref.VersionID = markerOperation, ActionMarked, deleted.VersionID
	}
	e := daypass.Event{Time: w.cfg.Clock().UTC(), RequestID: w.requestID(), Action: action, Operation: operation,
		Grant: daypass.Grant{Scheme: daypass.SchemeService}, Principal: requester,
		Object: ref, BucketOwner: p.bucket.Owner, ObjectSize: size, Total: -1}
	if action != ActionAborted {
		e.ResultVersionID, e.DeleteMarker = ref.VersionID, action == ActionMarked
		if w.cfg.Sequencer != nil {
			e.Sequencer = w.cfg.Sequencer()
		}
	}
	w.cfg.Events.Append(&e)
}

// requestID returns 16 letters and digits, which stand in the log in the place of
// a request's; "" where there is no randomness.
func (w *Worker) requestID() string {
	var id [10]byte
	if _, err := io.ReadFull(w.cfg.Rand, id[:]); err != nil {
		w.cfg.Log.Error("an event gets no id", "err", err)
		return ""
	}
	return strings.TrimRight(base32.StdEncoding.EncodeToString(id[:]), "=")
}
