package storetest

import (
	"bytes"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	"github.com/google/go-cmp/cmp"
)

// later is a time at which what is locked for less than d from now on has been
// released.
func (s *suite) later(d time.Duration) time.Time { return s.now().Add(d) }

// now is the time at which a test writes: the present, where locks go by the
// clock of what keeps the objects, since that takes no retention that is over.
func (s *suite) now() time.Time {
	if !s.has(StoreTimes) {
		return now
	}
	if s.began.IsZero() {
		s.began = time.Now().UTC().Truncate(time.Second)
	}
	return s.began
}

const day = 24 * time.Hour

// retain returns a lock that ends some time from now.
func (s *suite) retain(mode store.RetentionMode, d time.Duration) store.Lock {
	return store.Lock{Retention: store.Retention{Mode: mode, Until: s.later(d)}}
}

func (s *suite) lockBucket(name string, def store.DefaultRetention) {
	s.Helper()
	_, err := s.store.CreateBucket(s.ctx, store.Bucket{Name: name, ObjectLock: store.ObjectLock{Enabled: true, Default: def}}, s.now())
	s.must(err)
}

// putLocked stores an object with a lock.
func (s *suite) putLocked(bucket, key string, l store.Lock) (*store.Object, error) {
	s.Helper()
	body, err := store.NewUpload(bytes.NewReader([]byte(key)), store.UploadOptions{Size: int64(len(key))})
	s.must(err)
	return s.store.PutObject(s.ctx, &store.PutRequest{Bucket: bucket, Key: key, Body: body, Lock: l, Time: s.now()})
}

func (s *suite) mustPutLocked(key string, l store.Lock) *store.Object {
	s.Helper()
	obj, err := s.putLocked(bucketName, key, l)
	s.must(err)
	return obj
}

// tryRemove tries to delete a version for ever.
func (s *suite) tryRemove(key, id string, at time.Time, bypass bool) error {
	_, err := s.store.DeleteObject(s.ctx, versionRef(key, id), store.DeleteOptions{Time: at, BypassGovernance: bypass})
	return err
}

// wantLock fails the test unless a version has the given lock, however one asks
// for it.
func (s *suite) wantLock(key, id string, want store.Lock) {
	s.Helper()
	obj, err := s.store.Object(s.ctx, versionRef(key, id))
	s.must(err)
	s.sameUntil(&want, obj.Lock)
	if diff := cmp.Diff(want, obj.Lock); diff != "" {
		s.Errorf("lock of %s %s (-want +got):\n%s", key, id, diff)
	}
	page, err := s.store.ListVersions(s.ctx, store.VersionsRequest{Bucket: bucketName, Prefix: key, Max: 1000})
	s.must(err)
	for _, v := range page.Versions {
		if s.has(LocksNotListed) {
			break
		}
		if diff := cmp.Diff(want, v.Lock); v.VersionID == id && diff != "" {
			s.Errorf("listed lock of %s %s (-want +got):\n%s", key, id, diff)
		}
	}
}

// sameUntil gives an expected lock the end that it has, where a default retention
// begins at another clock's time.
func (s *suite) sameUntil(want *store.Lock, got store.Lock) {
	const clocks = time.Minute // between the beginning of a test and now, too
	if s.has(StoreTimes) && want.Retention.Until.Sub(got.Retention.Until).Abs() < clocks {
		want.Retention.Until = got.Retention.Until
	}
}

// testLocksRefused checks that no lock is accepted where none is kept.
func testLocksRefused(s *suite) {
	code := daypass.NotImplemented
	if store.Can[store.Locker](s.driver) {
		code = daypass.InvalidRequest
	}
	s.createBucket(bucketName)
	lock := s.retain(store.Governance, day)
	_, err := s.putLocked(bucketName, "key", lock)
	s.wantCode("PutObject with a lock", err, code)
	s.wantMissing("key")
	s.mustPut("source", []byte("x"))
	_, err = s.store.CopyObject(s.ctx, &store.CopyRequest{Source: ref("source"), Bucket: bucketName, Key: "key", Lock: lock, Time: s.now()})
	s.wantCode("CopyObject with a lock", err, code)
	s.wantMissing("key")
	_, err = s.store.UpdateLock(s.ctx, ref("source"), store.LockUpdate{Retention: &lock.Retention, Time: s.now()})
	s.wantCode("UpdateLock", err, code)
	if store.Can[store.Multiparter](s.driver) {
		_, err = s.store.CreateUpload(s.ctx, &store.MultipartUpload{Bucket: bucketName, Key: "key", Lock: lock, Initiated: s.now()})
		s.wantCode("CreateUpload with a lock", err, code)
	}
	if code == daypass.NotImplemented {
		_, err = s.store.CreateBucket(s.ctx, store.Bucket{Name: "other-bucket", ObjectLock: store.ObjectLock{Enabled: true}}, s.now())
		s.wantCode("CreateBucket with object lock", err, code)
		s.wantCode("SetObjectLock", s.store.SetObjectLock(s.ctx, bucketName, store.DefaultRetention{}), code)
	}
}

func testObjectLock(s *suite) {
	def := store.DefaultRetention{Mode: store.Governance, Days: 1}
	s.wantCode("SetObjectLock without a bucket", s.store.SetObjectLock(s.ctx, bucketName, def), daypass.NoSuchBucket)
	s.createBucket(bucketName)
	s.wantCode("SetObjectLock without versioning", s.store.SetObjectLock(s.ctx, bucketName, def), store.InvalidBucketState)
	s.setVersioning(store.VersioningSuspended)
	s.wantCode("SetObjectLock while suspended", s.store.SetObjectLock(s.ctx, bucketName, def), store.InvalidBucketState)
	s.setVersioning(store.VersioningEnabled)
	for _, bad := range []store.DefaultRetention{
		{Mode: "governance", Days: 1}, {Days: 1}, {Mode: store.Compliance}, {Mode: store.Compliance, Days: 1, Years: 1},
		{Mode: store.Compliance, Days: -1}, {Mode: store.Compliance, Years: store.MaxRetentionYears + 1},
		{Mode: store.Compliance, Days: store.MaxRetentionDays + 1}, {Mode: store.Compliance, Days: 2, Years: -1},
	} {
		s.wantCode("SetObjectLock to nonsense", s.store.SetObjectLock(s.ctx, bucketName, bad), daypass.InvalidArgument)
	}
	s.wantObjectLock(bucketName, store.ObjectLock{})
	if s.has(LockAtCreation) {
		s.wantCode("SetObjectLock of a bucket without", s.store.SetObjectLock(s.ctx, bucketName, def), store.InvalidBucketState)
		s.wantObjectLock(bucketName, store.ObjectLock{})
		s.must(s.store.DeleteBucket(s.ctx, bucketName))
		s.lockBucket(bucketName, store.DefaultRetention{})
	}
	for _, want := range []store.DefaultRetention{def, {Mode: store.Compliance, Years: 2}, {}} {
		s.must(s.store.SetObjectLock(s.ctx, bucketName, want))
		s.wantObjectLock(bucketName, store.ObjectLock{Enabled: true, Default: want})
	}
	s.wantCode("suspension", s.store.SetVersioning(s.ctx, bucketName, store.VersioningSuspended), store.InvalidBucketState)
	s.must(s.store.SetVersioning(s.ctx, bucketName, store.VersioningEnabled))
	s.wantObjectLock(bucketName, store.ObjectLock{Enabled: true})

	s.lockBucket("other-bucket", def)
	s.wantObjectLock("other-bucket", store.ObjectLock{Enabled: true, Default: def})
	s.must(s.store.DeleteBucket(s.ctx, "other-bucket"))
	_, err := s.store.CreateBucket(s.ctx, store.Bucket{Name: "other-bucket"}, s.now())
	s.must(err)
	s.wantObjectLock("other-bucket", store.ObjectLock{})
}

func (s *suite) wantObjectLock(name string, want store.ObjectLock) {
	s.Helper()
	b, err := s.store.Bucket(s.ctx, name)
	s.must(err)
	if b.ObjectLock != want || want.Enabled && b.Versioning != store.VersioningEnabled {
		s.Errorf("%s has object lock %+v and versioning %q, want %+v", name, b.ObjectLock, b.Versioning, want)
	}
	list, err := s.store.ListBuckets(s.ctx, name, "", 1)
	s.must(err)
	if list[0].ObjectLock != want {
		s.Errorf("%s is listed with object lock %+v, want %+v", name, list[0].ObjectLock, want)
	}
}

func testNewLocks(s *suite) {
	s.lockBucket(bucketName, store.DefaultRetention{})
	if obj := s.mustPutLocked("key", store.Lock{}); !obj.Lock.Empty() {
		s.Errorf("a lock %+v that nobody asked for", obj.Lock)
	}
	far := store.Lock{Retention: store.Retention{Mode: store.Compliance, Until: time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)}}
	if s.has(NearRetention) {
		_, err := s.putLocked(bucketName, "key", far)
		s.wantCode("a retention for ever", err, daypass.NotImplemented)
		far.Retention.Until = time.Date(2105, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	held := s.retain(store.Governance, time.Hour)
	held.LegalHold = store.LegalHoldOn
	for _, want := range []store.Lock{s.retain(store.Compliance, time.Minute), far, held, {LegalHold: store.LegalHoldOn}, {LegalHold: store.LegalHoldOff}} {
		obj := s.mustPutLocked("key", want)
		if diff := cmp.Diff(want, obj.Lock); diff != "" {
			s.Errorf("PutObject (-want +got):\n%s", diff)
		}
		s.wantLock("key", obj.VersionID, want)
	}
	s.must(s.store.SetObjectLock(s.ctx, bucketName, store.DefaultRetention{Mode: store.Governance, Days: 3}))
	three := s.retain(store.Governance, 3*day)
	s.wantLock("key", s.mustPutLocked("key", store.Lock{}).VersionID, three)
	three.LegalHold = store.LegalHoldOn
	s.wantLock("key", s.mustPutLocked("key", store.Lock{LegalHold: store.LegalHoldOn}).VersionID, three)
	s.wantLock("key", s.mustPutLocked("key", held).VersionID, held)
	s.must(s.store.SetObjectLock(s.ctx, bucketName, store.DefaultRetention{Mode: store.Compliance, Years: 2}))
	two := s.retain(store.Compliance, 730*day)
	s.wantLock("key", s.mustPutLocked("key", store.Lock{}).VersionID, two)
	s.copiedLocks(far, two)
}

// copiedLocks checks that no lock goes with a copy.
func (s *suite) copiedLocks(given, def store.Lock) {
	s.mustPutLocked("source", given)
	for _, c := range []struct{ asked, want store.Lock }{{store.Lock{}, def}, {given, given}} {
		obj, err := s.store.CopyObject(s.ctx, &store.CopyRequest{Source: ref("source"), Bucket: bucketName, Key: "copy", Lock: c.asked, Time: s.now()})
		s.must(err)
		s.wantLock("copy", obj.VersionID, c.want)
		// With another checksum the copy is made by reading and writing.
		obj, err = s.store.CopyObject(s.ctx, &store.CopyRequest{Source: ref("source"), Bucket: bucketName, Key: "copy",
			Lock: c.asked, Time: s.now(), Checksum: store.SHA256})
		s.must(err)
		s.wantLock("copy", obj.VersionID, c.want)
	}
}

func testLockedVersions(s *suite) {
	s.lockBucket(bucketName, store.DefaultRetention{})
	const stays = daypass.AccessDenied
	held := s.retain(store.Governance, time.Hour)
	held.LegalHold = store.LegalHoldOn
	for _, tt := range []struct {
		what                    string
		lock                    store.Lock
		held, bypassed, expired daypass.Code
	}{
		{"none", store.Lock{}, "", "", ""},
		{"governance", s.retain(store.Governance, time.Hour), stays, "", ""},
		{"compliance", s.retain(store.Compliance, time.Hour), stays, stays, ""},
		{"legal hold", store.Lock{LegalHold: store.LegalHoldOn}, stays, stays, stays},
		{"legal hold that was taken off", store.Lock{LegalHold: store.LegalHoldOff}, "", "", ""},
		{"governance and legal hold", held, stays, stays, stays},
	} {
		for _, try := range []struct {
			at     time.Time
			bypass bool
			want   daypass.Code
		}{
			{s.now(), false, tt.held}, {s.later(time.Hour - time.Millisecond), false, tt.held}, {s.now(), true, tt.bypassed},
			{s.later(time.Hour), false, tt.expired}, {s.later(time.Hour), true, tt.expired},
		} {
			if s.has(StoreTimes) && !try.at.Equal(s.now()) {
				continue // nobody can tell that clock what time it is
			}
			obj := s.mustPutLocked("key", tt.lock)
			err := s.tryRemove("key", obj.VersionID, try.at, try.bypass)
			s.wantCode(tt.what+" "+try.at.String(), err, try.want)
			_, err = s.store.Object(s.ctx, versionRef("key", obj.VersionID))
			if gone := daypass.CodeOf(err) == daypass.NoSuchVersion; gone != (try.want == "") {
				s.Errorf("%s: gone %v after %q (%v)", tt.what, gone, try.want, err)
			}
		}
	}
	s.lockedBelow()
}

// lockedBelow checks what may happen around a locked version: a new version, a
// delete marker and its removal, but not the end of the bucket.
func (s *suite) lockedBelow() {
	locked := s.mustPutLocked("below", s.retain(store.Compliance, time.Hour))
	s.mustPutLocked("below", store.Lock{})
	marker := s.remove("below")
	s.wantMissing("below")
	s.wantVersion("below", locked.VersionID, "below", false)
	s.removeVersion("below", marker.VersionID)
	tags := []store.Tag{{Key: "a", Value: "b"}}
	if store.Can[store.Updater](s.driver) {
		_, err := s.store.UpdateObject(s.ctx, versionRef("below", locked.VersionID), store.Update{Tags: &tags})
		s.must(err)
	}
	s.wantLock("below", locked.VersionID, s.retain(store.Compliance, time.Hour))
	s.wantCode("a locked version", s.tryRemove("below", locked.VersionID, s.now(), true), daypass.AccessDenied)
	s.wantCode("the bucket of a locked version", s.store.DeleteBucket(s.ctx, bucketName), daypass.BucketNotEmpty)
}

// testLockChanges checks which retention may take the place of which.
func testLockChanges(s *suite) {
	s.lockBucket(bucketName, store.DefaultRetention{})
	const stays = daypass.AccessDenied
	g, c := store.Governance, store.Compliance
	none := store.Lock{}
	for _, tt := range []struct {
		from, to        store.Lock
		plain, bypassed daypass.Code
	}{
		{none, s.retain(g, time.Hour), "", ""},
		{none, s.retain(c, time.Hour), "", ""},
		{s.retain(g, time.Hour), s.retain(g, time.Hour), "", ""},
		{s.retain(g, time.Hour), s.retain(g, 2*time.Hour), "", ""},
		{s.retain(g, time.Hour), s.retain(g, time.Hour-time.Millisecond), stays, ""},
		{s.retain(g, time.Hour), s.retain(c, 2*time.Hour), stays, ""},
		{s.retain(g, time.Hour), s.retain(c, time.Minute), stays, ""},
		{s.retain(g, time.Hour), none, stays, ""},
		{s.retain(c, time.Hour), s.retain(c, time.Hour), "", ""},
		{s.retain(c, time.Hour), s.retain(c, 2*time.Hour), "", ""},
		{s.retain(c, time.Hour), s.retain(c, time.Hour-time.Millisecond), stays, stays},
		{s.retain(c, time.Hour), s.retain(g, 2*time.Hour), stays, stays},
		{s.retain(c, time.Hour), none, stays, stays},
		{s.retain(c, -time.Minute), s.retain(g, time.Minute), "", ""},
		{s.retain(c, 0), none, "", ""},
	} {
		if s.has(StoreTimes) && tt.from.Retention.Mode != "" && !tt.from.Retention.Until.After(s.now()) {
			continue // such a lock is not taken
		}
		for bypass, want := range map[bool]daypass.Code{false: tt.plain, true: tt.bypassed} {
			obj := s.mustPutLocked("key", tt.from)
			id := obj.VersionID
			s.mustPutLocked("key", none) // so that it is not the current one
			if s.has(RetentionStays) && tt.to.Retention.Mode == "" {
				want = daypass.NotImplemented
			}
			_, err := s.store.UpdateLock(s.ctx, versionRef("key", id), store.LockUpdate{Retention: &tt.to.Retention, Time: s.now(), BypassGovernance: bypass})
			s.wantCode("a change", err, want)
			left := tt.to
			if want != "" {
				left = tt.from
			}
			s.wantLock("key", id, left)
		}
	}
	s.changedHolds()
}

// changedHolds checks that legal holds come and go beside retentions.
func (s *suite) changedHolds() {
	want := s.retain(store.Compliance, time.Hour)
	id := s.mustPutLocked("held", want).VersionID
	for _, hold := range []store.LegalHold{store.LegalHoldOn, store.LegalHoldOff, store.LegalHoldOn} {
		obj, err := s.store.UpdateLock(s.ctx, ref("held"), store.LockUpdate{LegalHold: &hold, Time: s.now()})
		s.must(err)
		want.LegalHold = hold
		if diff := cmp.Diff(want, obj.Lock); diff != "" || obj.VersionID != id || obj.Size != 4 {
			s.Errorf("UpdateLock: %+v (-want +got):\n%s", obj, diff)
		}
		s.wantLock("held", id, want)
		s.wantBody("held", []byte("held"))
	}
	s.wantCode("after the retention", s.tryRemove("held", id, s.later(2*time.Hour), true), daypass.AccessDenied)
}

func testLockErrors(s *suite) {
	if s.has(LockAtCreation) {
		s.lockBucket(bucketName, store.DefaultRetention{})
	} else {
		s.createBucket(bucketName)
		s.setVersioning(store.VersioningEnabled)
	}
	old := s.mustPut("key", []byte("key"))
	on := store.LegalHoldOn
	update := func(what string, ref daypass.ObjectRef, u store.LockUpdate, want daypass.Code) {
		s.Helper()
		u.Time = s.now()
		_, err := s.store.UpdateLock(s.ctx, ref, u)
		s.wantCode(what, err, want)
	}
	if !s.has(LockAtCreation) {
		update("a bucket without object lock", ref("key"), store.LockUpdate{LegalHold: &on}, daypass.InvalidRequest)
	}
	s.must(s.store.SetObjectLock(s.ctx, bucketName, store.DefaultRetention{Mode: store.Compliance, Days: 1}))
	s.wantLock("key", old.VersionID, store.Lock{}) // which was there before
	update("an older version", versionRef("key", old.VersionID), store.LockUpdate{LegalHold: &on}, "")
	s.wantCode("an older version", s.tryRemove("key", old.VersionID, s.now(), true), daypass.AccessDenied)
	update("another bucket", daypass.ObjectRef{Bucket: "other-bucket", Key: "key"}, store.LockUpdate{LegalHold: &on}, daypass.NoSuchBucket)
	update("another key", ref("other"), store.LockUpdate{LegalHold: &on}, daypass.NoSuchKey)
	update("another version", versionRef("key", "0123456789abcdef0123456789abcdef"), store.LockUpdate{LegalHold: &on}, daypass.NoSuchVersion)
	marker := s.remove("key")
	update("a delete marker", versionRef("key", marker.VersionID), store.LockUpdate{LegalHold: &on}, daypass.MethodNotAllowed)
	bad := store.LegalHold("on")
	update("a state of legal holds", versionRef("key", old.VersionID), store.LockUpdate{LegalHold: &bad}, daypass.InvalidArgument)
	for _, r := range []store.Retention{
		{Mode: "governance", Until: s.later(day)}, {Mode: store.Governance}, {Until: s.later(day)},
		{Mode: store.Governance, Until: s.later(time.Microsecond)},
	} {
		update("a retention", versionRef("key", old.VersionID), store.LockUpdate{Retention: &r}, daypass.InvalidArgument)
		_, err := s.putLocked(bucketName, "new", store.Lock{Retention: r})
		s.wantCode("PutObject", err, daypass.InvalidArgument)
	}
	s.wantMissing("new")
}

func testLockMultipart(s *suite) {
	s.lockBucket(bucketName, store.DefaultRetention{})
	held := s.retain(store.Compliance, time.Hour)
	held.LegalHold = store.LegalHoldOn
	for _, tt := range []struct {
		asked store.Lock
		def   store.DefaultRetention
		want  store.Lock
	}{
		{held, store.DefaultRetention{}, held},
		{held, store.DefaultRetention{Mode: store.Governance, Days: 1}, held},
		// The default is that at the end of the upload, from then on.
		{store.Lock{}, store.DefaultRetention{Mode: store.Governance, Days: 1}, s.retain(store.Governance, day)},
	} {
		u, err := s.store.CreateUpload(s.ctx, &store.MultipartUpload{Bucket: bucketName, Key: "key", Lock: tt.asked, Initiated: s.now().Add(-day)})
		if s.has(NoUploadLock) {
			s.lockedUploadRefused(tt.asked, tt.def, u, err)
			continue
		}
		s.must(err)
		if again, err := s.store.MultipartUpload(s.ctx, bucketName, "key", u.ID); err != nil || again.Lock != tt.asked || u.Lock != tt.asked {
			s.Errorf("the upload has the lock %+v, then %+v, %v", u.Lock, again.Lock, err)
		}
		s.must(s.store.SetObjectLock(s.ctx, bucketName, tt.def))
		p := s.mustPutPart(u, 1, []byte("part"))
		obj, err := s.store.CompleteUpload(s.ctx, completion(u, p))
		s.must(err)
		s.wantLock("key", obj.VersionID, tt.want)
		s.wantCode("the version", s.tryRemove("key", obj.VersionID, s.now(), false), daypass.AccessDenied)
	}
}

// lockedUploadRefused checks that no upload becomes a version without the lock
// that it should have.
func (s *suite) lockedUploadRefused(asked store.Lock, def store.DefaultRetention, u *store.MultipartUpload, err error) {
	s.Helper()
	if !asked.Empty() {
		s.wantCode("an upload with a lock", err, daypass.NotImplemented)
		return
	}
	s.must(err)
	s.must(s.store.SetObjectLock(s.ctx, bucketName, def))
	p := s.mustPutPart(u, 1, []byte("part"))
	_, err = s.store.CompleteUpload(s.ctx, completion(u, p))
	s.wantCode("an upload into a bucket that locks", err, daypass.NotImplemented)
	s.wantMissing("key")
}

// testLockChangeRace changes one retention of mode compliance from many sides:
// the longest that was acknowledged is what is left.
func testLockChangeRace(s *suite) {
	if s.has(LockRaces) {
		s.Skip("what keeps the objects does not settle this race")
	}
	s.lockBucket(bucketName, store.DefaultRetention{})
	const workers, rounds = 8, 25
	id := s.mustPutLocked("key", s.retain(store.Compliance, time.Minute)).VersionID
	var longest atomic.Int64
	unit := time.Second
	if s.has(StoreTimes) {
		unit = time.Minute
	}
	together(workers, func(w int) {
		for i := range rounds {
			d := time.Duration(2+(i*7+w*13)%100) * unit
			r := s.retain(store.Compliance, d).Retention
			obj, err := s.store.UpdateLock(s.ctx, versionRef("key", id), store.LockUpdate{Retention: &r, Time: s.now(), BypassGovernance: true})
			if err != nil {
				s.wantCode("a shorter retention", err, daypass.AccessDenied)
				continue
			}
			if !obj.Lock.Retention.Until.Equal(r.Until) {
				s.Errorf("until %v, asked for %v", obj.Lock.Retention.Until, r.Until)
			}
			for before := longest.Load(); int64(d) > before && !longest.CompareAndSwap(before, int64(d)); before = longest.Load() {
			}
			if got, err := s.store.Object(s.ctx, versionRef("key", id)); err != nil || got.Lock.Retention.Until.Before(r.Until) {
				s.Errorf("until %v after %v was acknowledged, %v", got.Lock.Retention.Until, r.Until, err)
			}
		}
	})
	s.wantLock("key", id, s.retain(store.Compliance, time.Duration(longest.Load())))
}

// testLockRemovalRace locks versions while others remove them: a version whose
// lock was acknowledged is there.
func testLockRemovalRace(s *suite) {
	if s.has(LockRaces) {
		s.Skip("what keeps the objects does not settle this race")
	}
	s.lockBucket(bucketName, store.DefaultRetention{})
	on := store.LegalHoldOn
	forever := s.retain(store.Compliance, day).Retention
	for round := range 60 {
		id := s.mustPutLocked("key", s.retain(store.Governance, time.Hour)).VersionID
		u := store.LockUpdate{LegalHold: &on, Time: s.now()}
		if round%2 == 0 {
			u = store.LockUpdate{Retention: &forever, Time: s.now(), BypassGovernance: true}
		}
		var locked, removed error
		together(4, func(w int) {
			switch w {
			case 0:
				_, locked = s.store.UpdateLock(s.ctx, versionRef("key", id), u)
			case 1:
				removed = s.tryRemove("key", id, s.now(), true)
			case 2:
				s.mustPutLocked("key", store.Lock{}) // which moves the version
			case 3:
				s.remove("key")
			}
		})
		switch {
		case locked == nil:
			s.wantCode("removal of a version that was locked", removed, daypass.AccessDenied)
			_, _, err := s.getRef(versionRef("key", id))
			s.wantCode("a locked version", err, "")
		default:
			s.wantCode("lock of a version that was removed", locked, daypass.NoSuchVersion)
			s.wantCode("removal", removed, "")
		}
	}
}

// testObjectLockRace enables object lock while versioning is suspended and
// objects are put: a bucket with object lock keeps versions, and each version
// that comes after it has the default.
func testObjectLockRace(s *suite) {
	if s.has(LockAtCreation) {
		s.Skip("there is no moment at which object lock is enabled")
	}
	for range s.rounds(30) {
		s.createBucket(bucketName)
		s.setVersioning(store.VersioningEnabled)
		def := store.DefaultRetention{Mode: store.Governance, Days: 1}
		var locked, suspended error
		var after *store.Object
		together(3, func(w int) {
			switch w {
			case 0:
				if locked = s.store.SetObjectLock(s.ctx, bucketName, def); locked == nil {
					after = s.mustPutLocked("after", store.Lock{})
				}
			case 1:
				suspended = s.store.SetVersioning(s.ctx, bucketName, store.VersioningSuspended)
			case 2:
				s.mustPutLocked("during", store.Lock{})
			}
		})
		b, err := s.store.Bucket(s.ctx, bucketName)
		s.must(err)
		if (locked == nil) == (suspended == nil) || b.ObjectLock.Enabled != (locked == nil) || b.ObjectLock.Enabled != (b.Versioning == store.VersioningEnabled) {
			s.Fatalf("object lock %v, suspension %v, bucket %+v", locked, suspended, b)
		}
		if after != nil && after.Lock != s.retain(store.Governance, day) {
			s.Errorf("lock %+v of a version after object lock was enabled", after.Lock)
		}
		s.emptyBucket()
		s.must(s.store.DeleteBucket(s.ctx, bucketName))
	}
}

// emptyBucket removes all versions that governance keeps at most.
func (s *suite) emptyBucket() {
	s.Helper()
	page, err := s.store.ListVersions(s.ctx, store.VersionsRequest{Bucket: bucketName, Max: 1000})
	s.must(err)
	for _, v := range page.Versions {
		id := v.VersionID
		if id == "" {
			id = store.NullVersion
		}
		s.must(s.tryRemove(v.Key, id, s.now(), true))
	}
}
