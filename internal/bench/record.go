package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept from 100 ns to an hour with three significant digits.
const (
	latencyUnit   = 100 * time.Nanosecond
	latencyMax    = int64(time.Hour / latencyUnit)
	latencyDigits = 3
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, latencyMax, latencyDigits) }

// record adds a latency, n times; what is out of range counts as its end.
func recordLatency(h *hdrhistogram.Histogram, d time.Duration, n int64) {
	// The value is within the bounds, so that there is no error.
	_ = h.RecordValues(min(max(int64(d/latencyUnit), 1), latencyMax), n)
}

// A shard is where a few workers record what they did.
type shard struct {
	mu      sync.Mutex
	stats   [operations]stats
	unsent  int64
	unknown *hdrhistogram.Histogram // of what was not sent
}

// stats are those of one operation.
type stats struct {
	latency *hdrhistogram.Histogram // made when it is first needed
	count   int64                   // carried out
	bytes   int64                   // of their bodies
	errors  map[string]int64
	example map[string]string // one message of each error
}

func (s *shard) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsent, s.unknown = 0, nil
	for i := range s.stats {
		h := s.stats[i].latency
		if h != nil {
			h.Reset()
		}
		s.stats[i] = stats{latency: h}
	}
}

// record adds an operation that took a time and moved bytes, or failed. Failed
// ones have no latency: an error that comes at once would make the others look
// fast.
func (s *shard) record(op Operation, took time.Duration, bytes int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.stats[op]
	if err != nil {
		st.fail(err)
		return
	}
	if st.latency == nil {
		st.latency = newHistogram()
	}
	st.count++
	st.bytes += bytes
	recordLatency(st.latency, took, 1)
}

func (st *stats) fail(err error) {
	if st.errors == nil {
		st.errors, st.example = make(map[string]int64), make(map[string]string)
	}
	name := ErrorName(err)
	st.errors[name]++
	if st.example[name] == "" {
		st.example[name] = err.Error()
	}
}

// late adds operations that were never sent.
func (s *shard) late(waited []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsent = int64(len(waited))
	if len(waited) == 0 {
		return
	}
	s.unknown = newHistogram()
	for _, d := range waited {
		recordLatency(s.unknown, d, 1)
	}
}

func (s *shard) counts() (operations, errs int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.stats {
		operations += s.stats[i].count
		for _, n := range s.stats[i].errors {
			errs += n
		}
	}
	return operations, errs
}

// merge adds the stats of another shard.
func (st *stats) merge(o *stats) {
	if o.latency != nil && o.latency.TotalCount() > 0 {
		if st.latency == nil {
			st.latency = newHistogram()
		}
		st.latency.Merge(o.latency)
	}
	st.count += o.count
	st.bytes += o.bytes
	for name, n := range o.errors {
		if st.errors == nil {
			st.errors, st.example = make(map[string]int64), make(map[string]string)
		}
		st.errors[name] += n
		st.example[name] = o.example[name]
	}
}
