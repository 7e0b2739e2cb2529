package bucketlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/daypass/daypass/audit/spool"
)

// The waits between attempts.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// warnEvery is how often the same log's refusals are told of, and maxWarned how
// many are remembered.
const (
	warnEvery = time.Hour
	maxWarned = 1000
)

// A Delivery delivers logs. Its methods must not be called concurrently.
type Delivery struct {
	cfg   Config
	queue *queue
	// committed is up to where batches are: files of later ones wait.
	committed spool.Position
	failing   map[string]*failure // by target
	warned    map[string]time.Time
}

// A failure is a target that failed, and is not asked again for a while.
type failure struct {
	until time.Time
	wait  time.Duration
}

// A state is what is stored with the cursor of the spool.
type state struct {
	Committed spool.Position `json:"committed"`
}

// New returns a Delivery that goes on where an earlier one was. The error is of
// the disk, or of a state that is none.
func New(cfg Config) (*Delivery, error) {
	cfg.setDefaults()
	d := &Delivery{cfg: cfg, failing: make(map[string]*failure), warned: make(map[string]time.Time)}
	if b := cfg.Source.State(); b != nil {
		var st state
		if err := json.Unmarshal(b, &st); err != nil {
			return nil, fmt.Errorf("bucketlog: the state of the spool's consumer: %w", err)
		}
		d.committed = st.Committed
	}
	var err error
	d.queue, err = openQueue(cfg.Dir)
	return d, err
}

// Run delivers until the context ends. Whatever fails is tried again, after a
// time that grows from a second to a minute.
func (d *Delivery) Run(ctx context.Context) {
	for pause := firstRetry; ctx.Err() == nil; {
		err := d.step(ctx)
		if err == nil {
			pause = firstRetry
			continue
		}
		if ctx.Err() != nil {
			return
		}
		d.cfg.Failed(err)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		pause = min(2*pause, lastRetry)
	}
}

// step takes one batch, or delivers again what is left of earlier ones.
func (d *Delivery) step(ctx context.Context) error {
	wait, cancel := d.untilRetry(ctx)
	defer cancel()
	end, err := d.cfg.Source.Wait(wait)
	if err != nil {
		if wait.Err() != nil && ctx.Err() == nil {
			return d.deliver(ctx)
		}
		return err
	}
	// What is recorded after this may be of a bucket whose logging was
	// turned on after the question.
	logged, err := d.cfg.Buckets.Logged(ctx)
	if err != nil {
		return err
	}
	if !logged {
		if skipped, err := d.cfg.Source.Skip(end); skipped || err != nil {
			return errors.Join(err, d.deliver(ctx))
		}
	}
	b, err := d.cfg.Source.Next(ctx)
	if err != nil {
		return err
	}
	if err := d.take(ctx, b); err != nil {
		return err
	}
	return d.deliver(ctx)
}

// take puts a batch into the queue and commits it.
func (d *Delivery) take(ctx context.Context, b *spool.Batch) error {
	if name := fileName(b); !d.queue.has(name, b.From) {
		objects, err := d.collect(ctx, b)
		if err != nil {
			return err
		}
		if len(objects) > 0 {
			if err := d.queue.put(name, b.From, objects); err != nil {
				return err
			}
		}
	}
	encoded, err := json.Marshal(state{Committed: b.To})
	if err != nil {
		return err
	}
	if err := d.cfg.Source.Commit(b, encoded); err != nil {
		return err
	}
	d.committed = b.To
	return nil
}

// deliver delivers what may be delivered, the oldest first, and makes room. The
// error is of the disk.
func (d *Delivery) deliver(ctx context.Context) (err error) {
	for _, f := range slices.Clone(d.queue.files) {
		if f.from < d.committed && ctx.Err() == nil && !d.retryAt(f).After(d.cfg.Now()) {
			err = errors.Join(err, d.deliverFile(ctx, f))
		}
	}
	for d.queue.full(d.cfg.MaxBytes) && d.queue.files[0].from < d.committed {
		f := d.queue.files[0]
		if e := d.queue.remove(f); e != nil {
			return errors.Join(err, e)
		}
		d.cfg.Lost(int(f.size))
		d.refused("the queue", fmt.Errorf("the queue of access logs for buckets that are away is full: the oldest are dropped, here %d bytes for %q", f.size, f.targets))
	}
	return err
}

// deliverFile delivers the objects of a file and keeps those that could not be.
func (d *Delivery) deliverFile(ctx context.Context, f *file) error {
	objects, err := d.queue.read(f)
	if err != nil {
		return err
	}
	f.objects = nil
	var left []Object
	for i := range objects {
		if o := &objects[i]; !d.put(ctx, o) {
			left = append(left, *o)
		}
	}
	switch len(left) {
	case 0:
		return d.queue.remove(f)
	case len(objects):
		return nil
	}
	return d.queue.write(f, left)
}

// put delivers an object, and reports whether it is done with.
func (d *Delivery) put(ctx context.Context, o *Object) bool {
	if f := d.failing[o.Target]; ctx.Err() != nil || f != nil && f.until.After(d.cfg.Now()) {
		return false
	}
	bounded, cancel := context.WithTimeout(ctx, d.cfg.PutTimeout)
	defer cancel()
	err := d.cfg.Buckets.Put(bounded, o)
	switch {
	case err == nil:
		delete(d.failing, o.Target)
		return true
	case errors.Is(err, ErrRefused):
		delete(d.failing, o.Target)
		d.cfg.Lost(len(o.Body))
		d.refused(o.Source+"\x00"+o.Target, fmt.Errorf("the log of bucket %s for bucket %s is dropped, and so are those that follow: %w", o.Source, o.Target, err))
		return true
	case ctx.Err() != nil:
		return false
	}
	d.failed(o, err)
	return false
}

// failed notes that a target failed.
func (d *Delivery) failed(o *Object, err error) {
	f := d.failing[o.Target]
	if f == nil {
		f = &failure{wait: firstRetry / 2}
		d.failing[o.Target] = f
	}
	f.wait = min(2*f.wait, lastRetry)
	f.until = d.cfg.Now().Add(f.wait)
	d.cfg.Failed(fmt.Errorf("the log of bucket %s for bucket %s waits: %w", o.Source, o.Target, err))
}

// refused tells of what was dropped, not too often.
func (d *Delivery) refused(what string, err error) {
	now := d.cfg.Now()
	if last, ok := d.warned[what]; ok && now.Sub(last) < warnEvery {
		return
	}
	if len(d.warned) >= maxWarned {
		clear(d.warned)
	}
	d.warned[what] = now
	d.cfg.Refused(err)
}

// retryAt returns when a file is to be tried: when the first of its targets is.
func (d *Delivery) retryAt(f *file) (first time.Time) {
	for i, target := range f.targets {
		fail := d.failing[target]
		if fail == nil {
			return time.Time{}
		}
		if i == 0 || fail.until.Before(first) {
			first = fail.until
		}
	}
	return first
}

// untilRetry is a context that ends when a file is to be tried again.
func (d *Delivery) untilRetry(ctx context.Context) (context.Context, context.CancelFunc) {
	var first time.Time
	waits := false
	for _, f := range d.queue.files {
		if f.from >= d.committed {
			continue
		}
		if at := d.retryAt(f); !waits || at.Before(first) {
			first, waits = at, true
		}
	}
	if !waits {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, first.Sub(d.cfg.Now()))
}
