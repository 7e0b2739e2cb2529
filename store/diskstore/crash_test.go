package diskstore

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// An outcome is what an operation makes of a key: content(seed, size), or
// nothing when size is negative.
type outcome struct {
	seed uint64
	size int
}

func (o outcome) String() string {
	if o.size < 0 {
		return "nothing"
	}
	return fmt.Sprintf("%d bytes of %d", o.size, o.seed)
}

func (o outcome) apply(d *Driver, key string) error {
	if o.size < 0 {
		return remove(d, key)
	}
	return put(d, key, content(o.seed, o.size))
}

// A history is what one writer did to one key. The state before is entry 0.
type history struct {
	key string

	mu       sync.Mutex
	outcomes []outcome
	acked    int // the last outcome that was acknowledged
}

func (h *history) begin(o outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.outcomes = append(h.outcomes, o)
}

func (h *history) ack() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acked = len(h.outcomes) - 1
}

func (h *history) snapshot() (outcomes []outcome, acked int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.outcomes[:len(h.outcomes):len(h.outcomes)], h.acked
}

// randomOutcome favours sizes around the border between index and files.
func randomOutcome(rng *rand.Rand) outcome {
	sizes := []int{-1, -1, 0, 10, 1000, 1024, 1025, 2000, 10_000, 50_000}
	return outcome{seed: rng.Uint64(), size: sizes[rng.IntN(len(sizes))]}
}

// TestCrash cuts the power in the midst of concurrent writes, over and over:
// each write that was acknowledged before is there, whole; each that was not
// is there whole or not at all; and nothing else is left.
func TestCrash(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &crasher{T: t, rng: rand.New(rand.NewPCG(seed, 0)), fs: newMemFS()}
	d := openMem(t, c.fs)
	createTestBucket(t, d)
	for i := range 12 {
		c.keys = append(c.keys, &history{key: fmt.Sprintf("key-%d", i), outcomes: []outcome{{size: -1}}})
	}
	for range rounds {
		c.crashWhileWriting(d)
		if c.rng.IntN(3) == 0 {
			c.crashWhileOpening()
		}
		d = openMem(t, c.fs)
		c.check(d)
		checkConsistency(t, d)
		if t.Failed() {
			break
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

type crasher struct {
	*testing.T
	rng  *rand.Rand
	fs   crashFS
	keys []*history
}

// crash returns what a loss of power leaves now.
func (c *crasher) crash() crashFS {
	percent := []int{0, 100, 50, c.rng.IntN(101)}[c.rng.IntN(4)]
	return crashFS{c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: c.rng})}
}

// crashWhileWriting lets one writer per key work until the power goes, and
// notes which states of each key may be found after it.
func (c *crasher) crashWhileWriting(d *Driver) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, h := range c.keys {
		rng := rand.New(rand.NewPCG(c.rng.Uint64(), 0))
		wg.Go(func() { c.write(d, h, rng, stop) })
	}
	time.Sleep(time.Duration(c.rng.IntN(20_000)) * time.Microsecond)
	acked := make([]int, len(c.keys))
	for i, h := range c.keys {
		_, acked[i] = h.snapshot()
	}
	after := c.crash()
	for i, h := range c.keys {
		possible, _ := h.snapshot()
		c.keys[i] = &history{key: h.key, outcomes: possible[acked[i]:]}
	}
	close(stop)
	wg.Wait()
	if err := d.Close(); err != nil {
		c.Error(err)
	}
	c.fs = after
}

func (c *crasher) write(d *Driver, h *history, rng *rand.Rand, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		o := randomOutcome(rng)
		h.begin(o)
		if err := o.apply(d, h.key); err != nil {
			c.Error(err)
			return
		}
		h.ack()
	}
}

// crashWhileOpening cuts the power during recovery.
func (c *crasher) crashWhileOpening() {
	opened := make(chan *Driver)
	go func() {
		d, err := Open(memOptions(c.fs))
		if err != nil {
			c.Error(err)
		}
		opened <- d
	}()
	time.Sleep(time.Duration(c.rng.IntN(3_000)) * time.Microsecond)
	after := c.crash()
	if d := <-opened; d != nil {
		d.Close()
	}
	c.fs = after
}

// check compares each key with its history, and begins a new one.
func (c *crasher) check(d *Driver) {
	for i, h := range c.keys {
		found, err := match(d, h.key, h.outcomes)
		if err != nil {
			c.Error(err)
		}
		c.keys[i] = &history{key: h.key, outcomes: []outcome{found}}
	}
}

// match returns which of the possible outcomes is stored under key.
func match(d *Driver, key string, possible []outcome) (outcome, error) {
	data, ok, err := read(d, key)
	if err != nil {
		return outcome{}, err
	}
	for _, o := range possible {
		if !ok && o.size < 0 || ok && len(data) == o.size && bytes.Equal(data, content(o.seed, o.size)) {
			return o, nil
		}
	}
	return outcome{}, fmt.Errorf("%s: found %d bytes (exists: %v), possible are %v", key, len(data), ok, possible)
}
