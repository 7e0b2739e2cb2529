package spool

import (
	"os"
	"path/filepath"
	"time"

	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/internal/durable"
)

// maxSegmentAge is when a new segment begins even where the old one is small,
// so that it can be removed by its age.
const maxSegmentAge = 24 * time.Hour

// run is the writer.
func (s *Spool) run() {
	defer close(s.done)
	defer s.log.close()
	for {
		var answer chan error
		select {
		case <-s.queue.wake:
			answer = s.gather()
		case answer = <-s.syncs:
		case <-s.quit:
			s.flush()
			return
		}
		err := s.flush()
		if answer != nil {
			answer <- err
		}
		if s.queue.pieces() > 0 {
			signal(s.queue.wake)
		}
	}
}

// gather waits until a batch is worth writing.
func (s *Spool) gather() (answer chan error) {
	t := time.NewTimer(s.opts.FlushEvery)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.queue.full:
	case answer = <-s.syncs:
	case <-s.quit:
	}
	return answer
}

// flush writes what is in the queue when it begins. It returns an error only
// when it gave up, since the spool is being closed.
func (s *Spool) flush() (err error) {
	buf := s.buf[:0]
	var taken []*chunk
	for left := s.queue.pieces(); left > 0; {
		for left > 0 && int64(len(buf)) < s.opts.FlushBytes {
			c, g := s.queue.take()
			left--
			if c != nil {
				buf = appendChunk(buf, c)
				taken = append(taken, c)
			}
			if g.Events > 0 {
				s.opts.Logger.Error("audit events were dropped", "events", g.Events, "from", g.From, "to", g.To)
				from := len(buf)
				buf = appendGap(beginRecord(buf), g)
				nameRecord(buf[from:], kindGap)
			}
		}
		err = s.write(buf)
		for _, c := range taken {
			s.queue.release(c)
		}
		buf, taken = buf[:0], taken[:0]
	}
	if s.buf = buf; int64(cap(buf)) > 4*s.opts.FlushBytes {
		s.buf = nil
	}
	return err
}

// appendChunk appends the records of events. The log gives them their marker
// and checksum.
func appendChunk(dst []byte, c *chunk) []byte {
	c.events(func(stored string) {
		from := len(dst)
		dst = audit.AppendClean(beginRecord(dst), stored)
		nameRecord(dst[from:], kindEvent)
	})
	return dst
}

// write makes records durable. It tries again until it succeeds or the spool
// is being closed.
func (s *Spool) write(records []byte) error {
	if len(records) == 0 {
		return nil
	}
	for try := 0; ; try++ {
		err := s.log.append(records)
		s.publish(err)
		if err == nil {
			return nil
		}
		if try == 0 {
			s.opts.Logger.Error("audit events cannot be written", "err", err)
		}
		s.retain(true)
		select {
		case <-time.After(s.opts.RetryEvery):
		case <-s.quit:
			if err = s.log.append(records); err != nil {
				s.opts.Logger.Error("audit events are lost", "bytes", len(records), "err", err)
			}
			s.publish(err)
			return err
		}
	}
}

// publish tells consumers and Stats of an attempt to write.
func (s *Spool) publish(err error) {
	s.mu.Lock()
	s.writeErr = err
	if err == nil {
		s.end = s.log.end
		s.written.add(s.end, time.Now())
		close(s.moved)
		s.moved = make(chan struct{})
	}
	s.mu.Unlock()
	if err == nil && s.log.rotated {
		s.log.rotated = false
		s.retain(false)
	}
}

// A segmentLog is the end of the log, where it grows.
type segmentLog struct {
	opts       *Options
	end        Position // behind the last durable record
	generation uint32   // of the next segment
	rotated    bool     // a segment has begun

	file   segmentFile // nil where the next write begins a segment
	path   string
	start  Position
	marker uint32
	born   time.Time
}

// append makes records durable, and on failure none of them.
func (l *segmentLog) append(records []byte) error {
	if l.file != nil && (int64(l.end-l.start) >= l.opts.SegmentBytes || l.opts.Now().Sub(l.born) >= maxSegmentAge) {
		l.close()
	}
	if l.file == nil {
		if err := l.begin(); err != nil {
			return err
		}
	}
	seal(records, l.marker)
	_, err := l.file.WriteAt(records, headerBytes+int64(l.end-l.start))
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		l.abandon()
		return err
	}
	l.end += Position(len(records))
	return nil
}

// abandon leaves a segment after a failure: what it holds behind the end is
// not known, since a sync that failed may have lost it. The next one begins at
// the end; the rest is removed, only to give back its space.
func (l *segmentLog) abandon() {
	l.file.Truncate(headerBytes + int64(l.end-l.start))
	l.close()
	if l.end == l.start {
		os.Remove(l.path)
	}
}

// begin starts a segment at the end.
func (l *segmentLog) begin() error {
	name := segmentName{start: l.end, generation: l.generation}
	path := filepath.Join(l.opts.Dir, name.String())
	f, err := l.opts.create(path)
	if err != nil {
		return err
	}
	header, marker := newHeader(l.end)
	_, err = f.WriteAt(header, 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = durable.SyncDir(l.opts.Dir)
	}
	if err != nil {
		f.Close()
		os.Remove(path)
		return err
	}
	l.generation++
	l.file, l.path, l.start, l.marker, l.born, l.rotated = f, path, l.end, marker, l.opts.Now(), true
	return nil
}

func (l *segmentLog) close() {
	if l.file != nil {
		l.file.Close() // what matters was synced
		l.file = nil
	}
}
