package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Config says what load to make.
type Config struct {
	Target *Target
	Mix    Mix
	Sizes  Sizes
	// RangeSize is how many bytes the operation Range reads.
	RangeSize int64
	// Objects is how many keys there are: to read, and as many to write.
	Objects int
	// Prefix begins every key.
	Prefix string
	// List is what listings were shaped by, to check them.
	List        ListOptions
	Connections int
	// Duration is how long each round lasts, after WarmUp of the same load
	// that does not count. Requests, when positive, ends a round after so
	// many operations instead.
	Duration, WarmUp time.Duration
	Requests         int64
	Rounds           int
	// Rate is how many operations are begun each second (open loop); zero
	// begins one as soon as a connection is free (closed loop).
	Rate float64
	// Verify compares bodies, listings and lengths with what was stored, and
	// reads back what was written.
	Verify bool
	// Processes are the ids of the server's processes; their children count
	// too.
	Processes []int
	// Timeout is how long an operation may take without a byte moving.
	Timeout time.Duration
	// Seed of the choices at random.
	Seed uint64
	// Counters returns counters of the server by name; what a round adds to
	// them goes into its report. May be nil.
	Counters func(ctx context.Context) map[string]float64
	// Progress is told how far a round is, several times a second; may be nil.
	Progress func(Progress)

	// for tests
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	sleep func(until time.Time)
}

// A Progress is how far a run is.
type Progress struct {
	Phase      string // preparing, warming up, round 1 of 3 …
	Operations int64
	Errors     int64
	Elapsed    time.Duration
	// Done is the share of the phase, from 0 to 1.
	Done float64
}

// Bounds of a configuration, so that a slip does not take the machine's memory.
const (
	maxConnections = 100_000
	maxObjects     = 1 << 31
	maxPrebuilt    = 1 << 16 // heads that are kept, for each operation
)

func (c *Config) check() error {
	switch {
	case c.Target == nil || c.Mix.total() == 0 || len(c.Sizes) == 0:
		return errors.New("bench: target, mix and sizes are needed")
	case c.Connections < 1 || c.Connections > maxConnections:
		return fmt.Errorf("the number of connections is from 1 to %d", maxConnections)
	case c.Objects < 1 || c.Objects > maxObjects:
		return fmt.Errorf("the number of objects is from 1 to %d", maxObjects)
	case c.Mix[Range] > 0 && c.RangeSize < 1:
		return errors.New("a range has at least one byte")
	case c.Duration <= 0 && c.Requests <= 0:
		return errors.New("a run needs a duration or a number of requests")
	case c.Rate < 0 || c.Rate > 1e9:
		return errors.New("the rate is from 0 to 1e9 a second")
	}
	return nil
}

// A Runner makes load.
type Runner struct {
	config  Config
	content *content
	dialer  *dialer
	workers []*worker
	heads   [operations][]atomic.Pointer[[]byte]
	written []atomic.Bool // keys that were written
	shards  []*shard
	now     func() time.Time
}

// NewRunner returns a Runner for a configuration, whose zero values of Rounds
// and Timeout are one and 30 s.
func NewRunner(c Config) (*Runner, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c.Rounds = max(c.Rounds, 1)
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	if c.dial == nil {
		c.dial = (&net.Dialer{}).DialContext
	}
	if c.sleep == nil {
		c.sleep = sleepUntil
	}
	r := &Runner{config: c, content: newContent(), now: time.Now}
	for op, weight := range c.Mix {
		if weight == 0 {
			continue
		}
		if _, err := c.Target.heads.head(nil, r.operation(Operation(op), 0), r.now()); err != nil {
			return nil, err
		}
	}
	buffer := 64 << 10
	if c.Connections > 256 {
		buffer = 8 << 10 // many connections are to cost little memory
	}
	r.dialer = &dialer{target: c.Target, timeout: c.Timeout, buffer: buffer, dial: c.dial}
	if !c.Target.heads.ages() {
		for op, weight := range c.Mix {
			if weight > 0 || Operation(op) == Put {
				r.heads[op] = make([]atomic.Pointer[[]byte], min(c.Objects, maxPrebuilt))
			}
		}
	}
	if c.Mix[Put] > 0 {
		r.written = make([]atomic.Bool, c.Objects)
	}
	for range min(c.Connections, 2*runtime.GOMAXPROCS(0)) {
		r.shards = append(r.shards, &shard{})
	}
	for i := range c.Connections {
		r.workers = append(r.workers, &worker{Runner: r, shard: r.shards[i%len(r.shards)], rnd: rand.New(rand.NewPCG(c.Seed, uint64(i)))})
	}
	return r, nil
}

// readKey and writeKey name object i among those that are read and written:
// apart, so that an upload or a removal never changes what a download finds.
func (r *Runner) readKey(i int) string  { return fmt.Sprintf("%sr/%08d", r.config.Prefix, i) }
func (r *Runner) writeKey(i int) string { return fmt.Sprintf("%sw/%08d", r.config.Prefix, i) }

// operation returns the request of an operation on object i.
func (r *Runner) operation(op Operation, i int) request {
	q := request{op: op, key: r.readKey(i), size: r.config.Sizes.At(i)}
	switch op {
	case Put, Delete:
		q.key = r.writeKey(i)
	case List:
		q.key = r.config.Prefix + "r/"
	}
	return q
}

// Close closes all connections.
func (r *Runner) Close() {
	for _, w := range r.workers {
		w.close()
	}
}

// build makes the heads of requests that can be made long before.
func (r *Runner) build() error {
	for op := range operations {
		if r.config.Mix[op] == 0 {
			continue
		}
		for i := range r.heads[op] {
			if op == List && i > 0 {
				break
			}
			head, err := r.config.Target.heads.head(nil, r.operation(op, i), r.now())
			if err != nil {
				return err
			}
			r.heads[op][i].Store(&head)
		}
	}
	return nil
}

// Run makes the load: it returns a report of all rounds. Objects to read must
// have been stored by Prepare. Operations that fail are counted, not returned;
// what is returned are errors of this side, and of a server that cannot be
// reached at all.
func (r *Runner) Run(ctx context.Context) (*Report, error) {
	if err := r.build(); err != nil {
		return nil, err
	}
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	report := r.report()
	for n := range r.config.Rounds {
		if r.config.WarmUp > 0 {
			if err := r.phase(ctx, fmt.Sprintf("warming up for round %d", n+1), r.config.WarmUp, 0); err != nil {
				return nil, err
			}
		}
		round, err := r.round(ctx, fmt.Sprintf("round %d of %d", n+1, r.config.Rounds))
		if err != nil {
			return nil, err
		}
		report.Rounds = append(report.Rounds, round)
	}
	if r.config.Verify && r.config.Mix[Put] > 0 {
		if err := r.readBack(ctx, report); err != nil {
			return nil, err
		}
	}
	return report, nil
}

// connect opens all connections, so that a round does not measure that.
func (r *Runner) connect(ctx context.Context) error {
	for _, w := range r.workers {
		if err := w.open(ctx); err != nil {
			return fmt.Errorf("connecting to %s: %w", r.config.Target.Dial, err)
		}
	}
	return nil
}

// round measures one round. The server's use of the processor is taken while
// no request is under way, so that it belongs to exactly the operations that
// are counted.
func (r *Runner) round(ctx context.Context, name string) (Round, error) {
	// Counters are asked for outside of the time: to answer is work.
	counters := r.counters(ctx)
	before, err := r.sample()
	if err != nil {
		return Round{}, err
	}
	own := ownCPU()
	start := r.now()
	if err := r.phase(ctx, name, r.config.Duration, r.config.Requests); err != nil {
		return Round{}, err
	}
	elapsed := r.now().Sub(start)
	ownUsed := ownCPU() - own
	after, err := r.sample()
	if err != nil {
		return Round{}, err
	}
	out := r.collect(elapsed)
	out.ClientCPU = ownUsed.Seconds()
	if after != nil {
		out.Server = usage(before, after)
	}
	for name, v := range r.counters(ctx) {
		if out.Counters == nil {
			out.Counters = make(map[string]float64)
		}
		out.Counters[name] = v - counters[name]
	}
	return out, nil
}

func (r *Runner) counters(ctx context.Context) map[string]float64 {
	if r.config.Counters == nil {
		return nil
	}
	return r.config.Counters(ctx)
}

func (r *Runner) sample() (*Sample, error) {
	if len(r.config.Processes) == 0 {
		return nil, nil
	}
	return TakeSample(r.config.Processes)
}

// phase makes load for a while and waits until the last answer is there.
func (r *Runner) phase(ctx context.Context, name string, d time.Duration, requests int64) error {
	for _, s := range r.shards {
		s.reset()
	}
	p := newPace(r.config.Rate, r.now(), d, requests, r.config.sleep)
	var wg sync.WaitGroup
	if r.config.Rate > 0 {
		wg.Go(func() { p.release(ctx) })
	}
	stop := r.watch(name, p)
	for _, w := range r.workers {
		wg.Go(func() { w.work(ctx, p) })
	}
	wg.Wait()
	stop()
	r.shards[0].late(p.waiting(r.now()))
	return ctx.Err()
}

// watch tells of progress until the function that it returns is called.
func (r *Runner) watch(name string, p *pace) (stop func()) {
	if r.config.Progress == nil {
		return func() {}
	}
	done, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-tick.C:
				operations, errs := r.counts()
				r.config.Progress(Progress{Phase: name, Operations: operations, Errors: errs,
					Elapsed: now.Sub(p.start), Done: p.share(now)})
			}
		}
	}()
	return func() { close(done); <-finished }
}

func (r *Runner) counts() (operations, errs int64) {
	for _, s := range r.shards {
		o, e := s.counts()
		operations, errs = operations+o, errs+e
	}
	return operations, errs
}

// A worker makes requests over one connection.
type worker struct {
	*Runner
	shard *shard
	rnd   *rand.Rand
	conn  *conn
	out   []byte // the head that is sent
	body  []byte // of an answer, where it is looked at as a whole
}

func (w *worker) open(ctx context.Context) (err error) {
	if w.conn == nil {
		w.conn, err = w.dialer.open(ctx)
	}
	return err
}

func (w *worker) close() {
	if w.conn != nil {
		w.conn.net.Close()
		w.conn = nil
	}
}

// backOff is how long a worker whose connection failed waits before the next.
const backOff = 10 * time.Millisecond

// work makes requests until the phase is over.
func (w *worker) work(ctx context.Context, p *pace) {
	total := w.config.Mix.total()
	for {
		op := w.config.Mix.pick(w.rnd, total)
		i := w.rnd.IntN(w.config.Objects)
		// What can be done before its time comes is done before.
		q := w.operation(op, i)
		ready := w.ready(ctx, q, i)
		begin, ok := p.next(w.now)
		if !ok || ctx.Err() != nil {
			return
		}
		size, err := int64(0), ready
		if err == nil {
			size, err = w.do(q)
		}
		end := w.now()
		w.shard.record(op, end.Sub(begin), size, err)
		if err == nil && op == Put {
			w.written[i].Store(true)
		}
		if err != nil && ctx.Err() == nil && !answered(err) {
			w.close()
			time.Sleep(backOff)
		}
	}
}

// answered reports whether an error leaves the connection fit for the next
// request.
func answered(err error) bool {
	var refused *refusal
	return errors.As(err, &refused)
}

// ready opens the connection, if need be, and makes the head of a request.
func (w *worker) ready(ctx context.Context, q request, i int) error {
	if err := w.open(ctx); err != nil {
		return err
	}
	return w.compose(q, i)
}

// compose makes the head of a request on object i.
func (w *worker) compose(q request, i int) (err error) {
	var kept []atomic.Pointer[[]byte]
	if q.op == List {
		i = 0
	}
	if kept = w.heads[q.op]; i >= 0 && i < len(kept) {
		if head := kept[i].Load(); head != nil {
			w.out = append(w.out[:0], *head...)
			return nil
		}
	}
	w.out, err = w.config.Target.heads.head(w.out[:0], q, w.now())
	return err
}

// keysOf returns the numbers of the keys that were written.
func (r *Runner) keysWritten() (keys []int) {
	for i := range r.written {
		if r.written[i].Load() {
			keys = append(keys, i)
		}
	}
	return slices.Clip(keys)
}
