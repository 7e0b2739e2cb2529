package spool

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
)

// The waits between attempts to deliver a batch.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// Deliver gives each batch to put, until the context ends or the spool is
// closed, which it returns nil for. Put returns the state to commit with the
// batch; where it fails it is called again with the same batch, after a time that
// grows from a second to a minute. So it is for Next and Commit, whose failures
// are of the disk. Each failure is told to failed.
func (c *Consumer) Deliver(ctx context.Context, l Limit, put func(context.Context, *Batch) (state []byte, err error), failed func(error)) error {
	for wait := firstRetry; ; {
		err := c.deliverNext(ctx, l, put)
		switch {
		case err == nil:
			wait = firstRetry
			continue
		case ctx.Err() != nil || errors.Is(err, errClosed):
			return nil
		}
		failed(err)
		pause, cancel := context.WithTimeout(ctx, wait)
		select {
		case <-pause.Done():
		case <-c.spool.quit:
		}
		cancel()
		wait = min(2*wait, lastRetry)
		if c.spool.closing() {
			return nil
		}
	}
}

func (c *Consumer) deliverNext(ctx context.Context, l Limit, put func(context.Context, *Batch) ([]byte, error)) error {
	b, err := c.Next(ctx, l)
	if err != nil {
		return err
	}
	state, err := put(ctx, b)
	if err != nil {
		return err
	}
	return c.Commit(b, state)
}

func (s *Spool) closing() bool {
	select {
	case <-s.quit:
		return true
	default:
		return false
	}
}

// mostRoom is how much memory for lines is kept between batches.
const mostRoom = 2 << 20

// A logState is how far a log file was.
type logState struct {
	Size int64 `json:"size"`
}

// LogTo returns a function for Deliver that writes events to a log file, each
// as format appends it: audit.AppendAccessLog, or audit.AppendJSON and a line
// end. Lines are durable before the batch is committed, and a batch that was
// cut off is completed, so that no line is there twice, unless somebody else
// moved the file in between.
func (c *Consumer) LogTo(f *audit.LogFile, format func([]byte, *daypass.Event) []byte) (func(context.Context, *Batch) ([]byte, error), error) {
	if c.State() == nil {
		if err := c.storeSize(f); err != nil {
			return nil, err
		}
	}
	return c.logTo(f, format), nil
}

// storeSize keeps the size of a file that this consumer did not write to yet.
func (c *Consumer) storeSize(f *audit.LogFile) error {
	size, err := f.Sync()
	if err != nil {
		return err
	}
	state, err := json.Marshal(logState{Size: size})
	if err != nil {
		return err
	}
	return c.SetState(state)
}

func (c *Consumer) logTo(f *audit.LogFile, format func([]byte, *daypass.Event) []byte) func(context.Context, *Batch) ([]byte, error) {
	begun := Position(0) // the batch that this process began to write
	var room []byte
	return func(_ context.Context, b *Batch) ([]byte, error) {
		lines := room[:0]
		for _, e := range b.Events() {
			lines = format(lines, e)
		}
		if room = lines; cap(room) > mostRoom {
			room = nil
		}
		if b.Redelivered || begun == b.From+1 {
			var state logState
			_ = json.Unmarshal(c.State(), &state) // none is 0
			n, err := f.Resume(state.Size, lines)
			if err != nil {
				return nil, err
			}
			lines = lines[n:]
		}
		begun = b.From + 1
		if len(lines) > 0 {
			if _, err := f.Write(lines); err != nil {
				return nil, err
			}
		}
		size, err := f.Sync()
		if err != nil {
			return nil, err
		}
		return json.Marshal(logState{Size: size})
	}
}
