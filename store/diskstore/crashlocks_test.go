package diskstore

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

const lockedBucket = "locked-bucket"

// lockEpoch is when what a lockedVersion counts begins.
var lockEpoch = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// A lockedVersion is one version whose retention grows by the second.
type lockedVersion struct {
	ref   daypass.ObjectRef
	acked atomic.Int64 // how many seconds have been acknowledged
}

func putLockedVersion(t *testing.T, d *Driver, key string) *lockedVersion {
	t.Helper()
	body, err := store.NewUpload(bytes.NewReader([]byte(key)), store.UploadOptions{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	obj, err := d.PutObject(context.Background(), &store.PutRequest{
		Bucket: lockedBucket, Key: key, Body: body, Time: lockEpoch,
		Lock: store.Lock{LegalHold: store.LegalHoldOn, Retention: retainedFor(1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	v := &lockedVersion{ref: daypass.ObjectRef{Bucket: lockedBucket, Key: key, VersionID: obj.VersionID}}
	v.acked.Store(1)
	return v
}

func retainedFor(seconds int64) store.Retention {
	return store.Retention{Mode: store.Compliance, Until: lockEpoch.Add(time.Duration(seconds) * time.Second)}
}

// work makes the retention longer, and tries to remove the version, until it is
// told to stop.
func (v *lockedVersion) work(t *testing.T, d *Driver, rng *rand.Rand, stop chan struct{}) {
	ctx := context.Background()
	for {
		select {
		case <-stop:
			return
		default:
		}
		if rng.IntN(3) == 0 {
			_, err := d.DeleteObject(ctx, v.ref, store.DeleteOptions{Time: lockEpoch, BypassGovernance: true})
			if daypass.CodeOf(err) != daypass.AccessDenied {
				t.Errorf("removal of a locked version: %v", err)
			}
		}
		n := v.acked.Load() + 1
		r := retainedFor(n)
		if _, err := d.UpdateLock(ctx, v.ref, store.LockUpdate{Retention: &r, Time: lockEpoch}); err != nil {
			t.Error(err)
			return
		}
		v.acked.Store(n)
	}
}

// check compares the lock of the version with what was acknowledged.
func (v *lockedVersion) check(t *testing.T, d *Driver, acked int64) {
	t.Helper()
	obj, err := d.Object(context.Background(), v.ref)
	if err != nil {
		t.Errorf("%s: %v", v.ref, err)
		return
	}
	until := int64(0)
	if r := obj.Lock.Retention; r.Mode != "" {
		until = int64(r.Until.Sub(lockEpoch) / time.Second)
	}
	if until < acked || obj.Lock.LegalHold != store.LegalHoldOn {
		t.Errorf("%s: locked for %d s, of which %d were acknowledged, legal hold %q", v.ref, until, acked, obj.Lock.LegalHold)
	}
	v.acked.Store(until)
}

// TestCrashLocks cuts the power while locks grow: what was acknowledged is
// locked for as long, and the bucket has its object lock.
func TestCrashLocks(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	fs := newMemFS()
	d := openMem(t, fs)
	ctx, want := context.Background(), store.DefaultRetention{}
	err := d.CreateBucket(ctx, store.Bucket{Name: lockedBucket, ID: "1", Versioning: store.VersioningEnabled})
	if err != nil {
		t.Fatal(err)
	}
	var versions []*lockedVersion
	for round := range rounds {
		want = store.DefaultRetention{Mode: store.Governance, Days: round + 1}
		if err := d.SetObjectLock(ctx, lockedBucket, want); err != nil {
			t.Fatal(err)
		}
		if round < 6 {
			versions = append(versions, putLockedVersion(t, d, fmt.Sprint("key-", round%2)))
		}
		acked := make([]int64, len(versions))
		after := crashWhileLocking(t, d, fs, rng, versions, acked)
		fs = after
		d = openMem(t, fs)
		checkConsistency(t, d)
		for i, v := range versions {
			v.check(t, d, acked[i])
		}
		if b, err := d.Bucket(ctx, lockedBucket); err != nil || b.ObjectLock != (store.ObjectLock{Enabled: true, Default: want}) {
			t.Errorf("the bucket has object lock %+v, %v", b.ObjectLock, err)
		}
		if t.Failed() {
			break
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// crashWhileLocking lets one writer per version work until the power goes. It
// fills in what had been acknowledged by then.
func crashWhileLocking(t *testing.T, d *Driver, fs crashFS, rng *rand.Rand, versions []*lockedVersion, acked []int64) crashFS {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, v := range versions {
		rng := rand.New(rand.NewPCG(rng.Uint64(), 0))
		wg.Go(func() { v.work(t, d, rng, stop) })
	}
	time.Sleep(time.Duration(rng.IntN(5_000)) * time.Microsecond)
	for i, v := range versions {
		acked[i] = v.acked.Load()
	}
	after := crashFS{fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})}
	close(stop)
	wg.Wait()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	return after
}
