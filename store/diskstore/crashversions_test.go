package diskstore

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

const versionedBucket = "versioned-bucket"

func createVersionedBucket(t testing.TB, d *Driver) {
	t.Helper()
	err := d.CreateBucket(context.Background(), store.Bucket{
		Name: versionedBucket, ID: "123456789abcdef0", Versioning: store.VersioningEnabled,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A versionOp is one operation on a key with versions.
type versionOp struct {
	remove string  // the version that is removed, if it is that
	body   outcome // what is put; nothing is a delete marker
	id     string  // what was written, once that is known
}

// A versionLog is what one writer did to one key.
type versionLog struct {
	key string

	mu    sync.Mutex
	ops   []versionOp
	acked int      // how many of them
	live  []string // acknowledged versions that have not been removed
}

func (l *versionLog) begin(op versionOp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ops = append(l.ops, op)
}

// ack notes that the last operation was acknowledged.
func (l *versionLog) ack(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ops[len(l.ops)-1].id = id
	l.acked = len(l.ops)
	if id != "" {
		l.live = append(l.live, id)
	}
}

func (l *versionLog) snapshot() (ops []versionOp, acked int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]versionOp(nil), l.ops...), l.acked
}

// next draws an operation.
func (l *versionLog) next(rng *rand.Rand) versionOp {
	if len(l.live) > 0 && (rng.IntN(2) == 0 || len(l.live) > 10) {
		i := rng.IntN(len(l.live))
		id := l.live[i]
		l.live = append(l.live[:i], l.live[i+1:]...)
		return versionOp{remove: id}
	}
	return versionOp{body: randomOutcome(rng)}
}

// apply does an operation and returns the version that it has written.
func (op versionOp) apply(d *Driver, key string) (id string, err error) {
	ctx, ref := context.Background(), daypass.ObjectRef{Bucket: versionedBucket, Key: key, VersionID: op.remove}
	if op.remove != "" || op.body.size < 0 {
		done, err := d.DeleteObject(ctx, ref, store.DeleteOptions{})
		if op.remove != "" {
			return "", err
		}
		return done.VersionID, err
	}
	body, err := store.NewUpload(bytes.NewReader(content(op.body.seed, op.body.size)), store.UploadOptions{Size: -1})
	if err != nil {
		return "", err
	}
	obj, err := d.PutObject(ctx, &store.PutRequest{Bucket: versionedBucket, Key: key, Body: body})
	if err != nil {
		return "", err
	}
	return obj.VersionID, nil
}

// TestCrashVersions cuts the power while versions come and go: those that were
// acknowledged are there, whole, and those whose removal was acknowledged are
// not.
func TestCrashVersions(t *testing.T) {
	rounds := 80
	if testing.Short() {
		rounds = 10
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	fs := newMemFS()
	d := openMem(t, fs)
	createVersionedBucket(t, d)
	logs := make([]*versionLog, 8)
	for i := range logs {
		logs[i] = &versionLog{key: fmt.Sprintf("key-%d", i)}
	}
	for range rounds {
		c := &crasher{T: t, rng: rng, fs: fs}
		acked := c.crashWithVersions(d, logs)
		fs = c.fs
		d = openMem(t, fs)
		checkConsistency(t, d)
		for i, l := range logs {
			checkVersionLog(t, d, l, acked[i])
			logs[i] = l.adopt(t, d)
		}
		if t.Failed() {
			break
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// crashWithVersions lets one writer per log work until the power goes. It
// returns how many operations had been acknowledged by then; the logs end with
// those that had begun.
func (c *crasher) crashWithVersions(d *Driver, logs []*versionLog) (acked []int) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, l := range logs {
		rng := rand.New(rand.NewPCG(c.rng.Uint64(), 0))
		wg.Go(func() { c.writeVersions(d, l, rng, stop) })
	}
	time.Sleep(time.Duration(c.rng.IntN(15_000)) * time.Microsecond)
	for _, l := range logs {
		_, n := l.snapshot()
		acked = append(acked, n)
	}
	after := crashFS{c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: c.rng.IntN(101), RNG: c.rng})}
	begun := make([][]versionOp, len(logs))
	for i, l := range logs {
		begun[i], _ = l.snapshot()
	}
	close(stop)
	wg.Wait()
	for i, l := range logs {
		// What was acknowledged later is still known by its id.
		l.ops = l.ops[:len(begun[i])]
	}
	if err := d.Close(); err != nil {
		c.Error(err)
	}
	c.fs = after
	return acked
}

func (c *crasher) writeVersions(d *Driver, l *versionLog, rng *rand.Rand, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		op := l.next(rng)
		l.begin(op)
		id, err := op.apply(d, l.key)
		if err != nil {
			c.Error(err)
			return
		}
		l.ack(id)
	}
}

// checkVersionLog compares the versions of a key with what was done to it, of
// which the first operations were acknowledged.
func checkVersionLog(t *testing.T, d *Driver, l *versionLog, acked int) {
	t.Helper()
	have := make(map[string]bool)
	for _, v := range versionsOf(t, d, l.key) {
		have[v.VersionID] = true
	}
	removed := make(map[string]bool)
	for i, op := range l.ops {
		removed[op.remove] = true
		if i < acked && have[op.remove] {
			t.Errorf("%s: the removed version %s is there", l.key, op.remove)
		}
	}
	for i, op := range l.ops {
		switch {
		case op.id == "":
			continue
		case i < acked && !have[op.id] && !removed[op.id]:
			t.Errorf("%s: the acknowledged version %s is missing", l.key, op.id)
		case have[op.id]:
			op.check(t, d, l.key)
		}
		delete(have, op.id)
	}
	if len(have) > 0 {
		t.Errorf("%s: nobody wrote the versions %v", l.key, have)
	}
}

// check compares a version with what was put.
func (op versionOp) check(t *testing.T, d *Driver, key string) {
	t.Helper()
	obj, body, err := d.OpenObject(context.Background(), daypass.ObjectRef{Bucket: versionedBucket, Key: key, VersionID: op.id})
	if op.body.size < 0 {
		if obj == nil || !obj.DeleteMarker {
			t.Errorf("%s: version %s is no delete marker", key, op.id)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: version %s: %v", key, op.id, err)
		return
	}
	body.Close()
	data, _, err := readRef(d, daypass.ObjectRef{Bucket: versionedBucket, Key: key, VersionID: op.id})
	if err != nil || !bytes.Equal(data, content(op.body.seed, op.body.size)) {
		t.Errorf("%s: version %s holds %d bytes, %v", key, op.id, len(data), err)
	}
}

func versionsOf(t *testing.T, d *Driver, key string) []*store.Object {
	t.Helper()
	page, err := d.ListVersions(context.Background(), store.VersionsRequest{Bucket: versionedBucket, Prefix: key, Max: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Versions
}

// adopt begins a log with the versions that a key has.
func (l *versionLog) adopt(t *testing.T, d *Driver) *versionLog {
	bodies := make(map[string]outcome)
	for _, op := range l.ops {
		bodies[op.id] = op.body
	}
	next := &versionLog{key: l.key}
	for _, v := range versionsOf(t, d, l.key) {
		next.live = append(next.live, v.VersionID)
		next.ops = append(next.ops, versionOp{id: v.VersionID, body: bodies[v.VersionID]})
	}
	next.acked = len(next.ops)
	return next
}
