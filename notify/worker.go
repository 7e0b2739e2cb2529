package notify

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass/audit/spool"
)

// The outcomes that are counted.
const (
	Delivered = "delivered"
	Failed    = "failed"    // and tried again later
	Dropped   = "dropped"   // failed too often
	Discarded = "discarded" // the endpoint wants nothing any more
)

// schedule is how long a message waits after each failure; after the last it is
// dropped (Standard Webhooks 1.0.0, "Deliverability and reliability").
var schedule = [...]time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// lifetime is how long after its first attempt the last one is.
const lifetime = 75*time.Hour + 35*time.Minute + 5*time.Second

// pauses are how long an endpoint is left alone after so many attempts in a row
// have failed, whatever the message.
var pauses = [...]time.Duration{0, 5 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}

const (
	// concurrency is how many messages are under way to a healthy endpoint.
	concurrency = 8
	// maxParked and maxParkedBytes bound the messages that wait to be sent
	// again. Once there are so many, those behind them wait in the spool.
	maxParked      = 32
	maxParkedBytes = 256 << 10
	// batchBytes is how many bytes of records are read at once.
	batchBytes = 1 << 20
	// saveEvery is how often progress within a batch is stored: what was sent
	// since is sent again after a crash.
	saveEvery = time.Second
	// awayFor is how long an endpoint must have failed for messages to be sent
	// again at once when it is back.
	awayFor = time.Minute
	// probeEvery is how often an endpoint is tried where everything waits for
	// it to come back.
	probeEvery = 5 * time.Minute
	// jitter is the part of a wait that is random.
	jitter = 0.1
	// The waits after failures of the disk or of state.
	firstRetry, lastRetry = time.Second, time.Minute
)

// Config is what a Worker needs.
type Config struct {
	Endpoint *Endpoint
	Consumer *spool.Consumer
	Allow    Allowlist
	Region   string
	Buckets  Buckets
	Marks    Marks
	Now      func() time.Time
	Log      *slog.Logger
	// Observe is told of each outcome; nil is nobody.
	Observe func(outcome string)
}

// A parked message was refused and waits to be sent again.
type parked struct {
	ID    string    `json:"id"`
	Body  []byte    `json:"body"`
	Tries int       `json:"tries"`
	Due   time.Time `json:"due"`
	// Later is when it would have been due if it were not sent before its time
	// to find out whether the endpoint is back, which counts as no try.
	Later time.Time `json:"later,omitzero"`
}

// hasten makes a message due.
func (p *parked) hasten(now time.Time) {
	if p.Later.IsZero() {
		p.Later = p.Due
	}
	p.Due = now
}

// A progress is what a Worker keeps on disk beside its cursor.
type progress struct {
	// Last is the id of the last message of the batch that was given out that
	// is dealt with.
	Last string `json:"last,omitempty"`
	// Parked are in order of their first attempt.
	Parked []parked `json:"parked,omitempty"`
	// Failing is since when no attempt has succeeded; zero: the last one did.
	Failing time.Time `json:"failing,omitzero"`
	Refused []counted `json:"refused,omitempty"`
}

// A Worker delivers the messages of one endpoint.
type Worker struct {
	Config
	sender   *Sender
	planner  planner
	progress progress
	batch    *spool.Batch // nil: none
	plan     *plan
	done     int // messages of the plan that are dealt with
	saved    time.Time
	failures int       // in a row
	resume   time.Time // the endpoint is left alone until then
	gone     bool
	failing  atomic.Bool
}

// NewWorker returns a Worker that goes on where the last one of its consumer
// was.
func NewWorker(c Config) (*Worker, error) {
	w := &Worker{Config: c, sender: NewSender(c.Endpoint, c.Allow, c.Now),
		planner: planner{endpoint: c.Endpoint, region: c.Region, buckets: c.Buckets, marks: c.Marks}}
	if state := c.Consumer.State(); state != nil {
		if err := json.Unmarshal(state, &w.progress); err != nil {
			return nil, err
		}
	}
	// The clock may have been ahead when it was stored.
	for now, i := c.Now(), 0; i < len(w.progress.Parked); i++ {
		if p := &w.progress.Parked[i]; p.Due.Sub(now) > lifetime {
			p.Due, p.Later = now, time.Time{}
		}
	}
	if w.Observe == nil {
		w.Observe = func(string) {}
	}
	w.Log = w.Log.With("webhook", c.Endpoint.Name)
	return w, nil
}

// Run delivers until the context ends. Failures of the disk and of state are
// told to failed, and what failed is tried again.
func (w *Worker) Run(ctx context.Context, failed func(error)) {
	defer w.sender.Close()
	wait := firstRetry
	for ctx.Err() == nil {
		err := w.step(ctx)
		if err == nil || ctx.Err() != nil {
			wait = firstRetry
			continue
		}
		failed(err)
		sleep(ctx, wait)
		wait = min(2*wait, lastRetry)
	}
}

// Failing reports whether the last attempt failed, or the endpoint wants nothing
// any more: nobody needs to wait for it. It may be called concurrently.
func (w *Worker) Failing() bool { return w.failing.Load() }

// step does what is to be done next: wait, send again, send, commit or read.
func (w *Worker) step(ctx context.Context) error {
	now := w.Now()
	if now.Before(w.resume) {
		sleep(ctx, w.resume.Sub(now))
		return nil
	}
	due, at := w.due()
	switch {
	case due >= 0 && !at.After(now):
		return w.sendAgain(ctx, due)
	case w.batch == nil && w.gone:
		return w.skip(ctx)
	case w.batch == nil:
		return w.read(ctx, at)
	case w.done >= len(w.plan.messages):
		return w.commit()
	case w.full():
		return w.awaitRoom(ctx, at)
	}
	return w.send(ctx)
}

// due returns the parked message that is to be sent next, -1 for none, and
// when.
func (w *Worker) due() (next int, at time.Time) {
	next = -1
	for i := range w.progress.Parked {
		if p := &w.progress.Parked[i]; next < 0 || p.Due.Before(at) {
			next, at = i, p.Due
		}
	}
	return next, at
}

// full reports whether no more messages can be parked.
func (w *Worker) full() bool {
	bytes := 0
	for i := range w.progress.Parked {
		bytes += len(w.progress.Parked[i].Body)
	}
	return len(w.progress.Parked) > maxParked-concurrency || bytes >= maxParkedBytes
}

// read reads the next batch and plans it. It waits for it no longer than until
// a parked message is due.
func (w *Worker) read(ctx context.Context, due time.Time) error {
	waiting := ctx
	if !due.IsZero() {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, due.Sub(w.Now()))
		defer cancel()
	}
	b, err := w.Consumer.Next(waiting, spool.Limit{Bytes: batchBytes})
	if err != nil {
		if waiting.Err() != nil {
			return nil
		}
		return err
	}
	for _, g := range b.Gaps {
		w.Log.Warn("events are missing, so webhooks may be", "gap", g.String())
	}
	p, err := w.planner.plan(ctx, b, w.progress.Refused)
	if err != nil {
		return err
	}
	b.Release() // the messages say everything
	w.batch, w.plan, w.done = b, p, 0
	// What buckets ask for may have changed since: then all is sent again.
	for i := range p.messages {
		if p.messages[i].ID == w.progress.Last {
			w.done = i + 1
		}
	}
	return nil
}

// skip goes past what an endpoint does not want.
func (w *Worker) skip(ctx context.Context) error {
	to, err := w.Consumer.Wait(ctx, spool.Limit{})
	if err != nil {
		return err
	}
	if skipped, err := w.Consumer.Skip(to); skipped || err != nil {
		return err
	}
	// A batch was given out that could not be planned.
	b, err := w.Consumer.Next(ctx, spool.Limit{Bytes: batchBytes})
	if err != nil {
		return err
	}
	w.batch, w.plan, w.done = b, &plan{refused: w.progress.Refused}, 0
	return w.commit()
}

// pass says that the next message is dealt with.
func (w *Worker) pass() {
	w.progress.Last = w.plan.messages[w.done].ID
	w.done++
}

// commit says that a batch is done.
func (w *Worker) commit() error {
	next := w.progress
	next.Last, next.Refused = "", w.plan.refused
	state, err := json.Marshal(&next)
	if err != nil {
		return err
	}
	if err := w.Consumer.Commit(w.batch, state); err != nil {
		return err
	}
	w.progress, w.batch, w.plan = next, nil, nil
	return nil
}

// save stores the progress within a batch.
func (w *Worker) save() error {
	state, err := json.Marshal(&w.progress)
	if err != nil {
		return err
	}
	w.saved = w.Now()
	return w.Consumer.SetState(state)
}

// awaitRoom waits until a parked message is due, since no more can be parked.
// Where the endpoint has failed for longer than any message is tried, what is as
// old is dropped, so that it does not fill the disk.
func (w *Worker) awaitRoom(ctx context.Context, due time.Time) error {
	now := w.Now()
	dropped := 0
	if away := w.progress.Failing; !away.IsZero() && now.Sub(away) > lifetime {
		for w.done < len(w.plan.messages) && now.Sub(w.plan.messages[w.done].Time) > lifetime {
			w.pass()
			dropped++
			w.Observe(Dropped)
		}
	}
	if dropped > 0 {
		w.Log.Warn("webhook messages are dropped: the endpoint has taken none for days", "messages", dropped, "since", w.progress.Failing)
		return w.save()
	}
	sleep(ctx, min(due.Sub(now), probeEvery))
	if i, at := w.due(); at.After(w.Now()) && ctx.Err() == nil {
		w.progress.Parked[i].hasten(w.Now())
	}
	return nil
}

// window returns the messages that are sent at once: one to an endpoint that
// fails, else several, of which no two are about the same thing.
func (w *Worker) window() []Message {
	list := w.plan.messages[w.done:]
	if w.failures > 0 {
		return list[:1]
	}
	about := make(map[string]bool, concurrency)
	for i := range list {
		if i == concurrency || about[list[i].About] {
			return list[:i]
		}
		about[list[i].About] = true
	}
	return list
}

// send sends the next messages. Those that fail are parked.
func (w *Worker) send(ctx context.Context) error {
	list := w.window()
	outcomes := make([]Outcome, len(list))
	var sending sync.WaitGroup
	for i := range list {
		sending.Go(func() { outcomes[i] = w.sender.Send(ctx, &list[i]) })
	}
	sending.Wait()
	if ctx.Err() != nil {
		return nil // nobody knows what came of them: they are sent again
	}
	failed := false
	for i := range list {
		w.pass()
		switch o := outcomes[i]; {
		case o.Failure == nil:
			w.delivered()
		case o.Gone:
			w.end()
			return w.save()
		default:
			p := parked{ID: list[i].ID, Body: list[i].Body}
			w.postpone(&p, o)
			w.progress.Parked = append(w.progress.Parked, p)
			w.pause(o, !failed)
			failed = true
		}
	}
	if failed || w.Now().Sub(w.saved) >= saveEvery {
		return w.save()
	}
	return nil
}

// sendAgain sends a parked message.
func (w *Worker) sendAgain(ctx context.Context, i int) error {
	p := w.progress.Parked[i]
	o := w.sender.Send(ctx, &Message{ID: p.ID, Body: p.Body})
	if ctx.Err() != nil {
		return nil
	}
	switch {
	case o.Failure == nil:
		w.unpark(i)
		w.delivered()
	case o.Gone:
		w.unpark(i)
		w.end()
	case p.Later.IsZero() && p.Tries >= len(schedule):
		w.unpark(i)
		w.Observe(Dropped)
		w.Log.Warn("a webhook message is dropped: it has failed too often", "id", p.ID, "tries", p.Tries+1, "to", w.Endpoint.place(), "err", o.Failure)
		w.pause(o, true)
	default:
		w.postpone(&p, o)
		w.progress.Parked[i] = p
		w.pause(o, true)
	}
	return w.save()
}

func (w *Worker) unpark(i int) {
	w.progress.Parked = append(w.progress.Parked[:i], w.progress.Parked[i+1:]...)
}

// delivered notes a success. An endpoint that was away gets at once what waits
// for it.
func (w *Worker) delivered() {
	w.Observe(Delivered)
	if away := w.progress.Failing; !away.IsZero() {
		w.Log.Info("the webhook takes messages again", "to", w.Endpoint.place())
		// One message that always fails says nothing about the endpoint.
		if now := w.Now(); now.Sub(away) > awayFor && len(w.progress.Parked) > 1 {
			for i := range w.progress.Parked {
				w.progress.Parked[i].hasten(now)
			}
		}
	}
	w.failures, w.progress.Failing, w.resume = 0, time.Time{}, time.Time{}
	w.failing.Store(false)
}

// postpone notes a failure of a message and when it is to be sent again.
func (w *Worker) postpone(p *parked, o Outcome) {
	w.Observe(Failed)
	earliest := w.Now().Add(o.RetryAfter)
	if p.Later.IsZero() {
		p.Due = w.Now().Add(jittered(schedule[p.Tries]))
		p.Tries++
	} else {
		p.Due, p.Later = p.Later, time.Time{}
	}
	if p.Due.Before(earliest) {
		p.Due = earliest
	}
	w.Log.Debug("a webhook message has failed", "id", p.ID, "tries", p.Tries, "to", w.Endpoint.place(), "err", o.Failure)
}

// pause leaves the endpoint alone for a time. Only the first failure of several
// at once counts.
func (w *Worker) pause(o Outcome, counts bool) {
	now := w.Now()
	if counts || w.failures == 0 {
		w.failures++
	}
	w.failing.Store(true)
	if w.progress.Failing.IsZero() {
		w.progress.Failing = now
		w.Log.Warn("a webhook message has failed and is sent again later", "to", w.Endpoint.place(), "err", o.Failure)
	}
	until := now.Add(max(o.RetryAfter, jittered(pauses[min(w.failures, len(pauses))-1])))
	if until.After(w.resume) {
		w.resume = until
	}
}

// end sends nothing more: the endpoint said that it is gone (Standard Webhooks
// 1.0.0, "Delivery success and failure").
func (w *Worker) end() {
	w.gone = true
	w.failing.Store(true)
	w.Log.Error("the webhook answers 410 Gone: nothing is sent to it until the next start", "to", w.Endpoint.place())
	w.discard(len(w.progress.Parked) + 1)
	w.progress.Parked = nil
	if w.plan != nil {
		w.discard(len(w.plan.messages) - w.done)
		w.done = len(w.plan.messages)
	}
}

func (w *Worker) discard(messages int) {
	for range messages {
		w.Observe(Discarded)
	}
}

// jittered makes a wait up to a tenth longer, so that messages that failed
// together do not come back together.
func jittered(d time.Duration) time.Duration {
	return d + time.Duration(float64(d)*jitter*rand.Float64())
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
