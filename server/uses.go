package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
)

// Responses draw their bytes from the budget of their pass in chunks, so that
// one that is broken off early takes little from others while it lasts.
const drawChunk = 8 << 20

// settleTime bounds how long the outcome of a request that has ended may take
// to reach state.
const settleTime = 30 * time.Second

// counted reports whether a call's pass has a number of uses.
func (c *call) counted() bool { return c.limits != nil && c.limits.Uses > 0 }

// budget returns what the call's pass may read of an object.
func (c *call) budget(obj *store.Object) state.Budget {
	b := state.Budget{
		Pass: c.grant.PassID, Uses: c.limits.Uses, Size: obj.Size,
		ETag: obj.ETag, Version: obj.VersionID, Ends: c.grant.ExpiresAt,
	}
	if b.Version == store.NullVersion {
		b.Version = "" // so that turning versioning on changes nothing
	}
	if c.limits.Prefix != "" {
		b.Object = obj.Key
	}
	return b
}

// A drawing is a response that draws on a budget. A nil drawing draws on
// none.
type drawing struct {
	ledger Ledger
	budget state.Budget
	token  state.Token
	length int64 // of the response, at least 1
	drawn  int64
	// sealed says that the connection is encrypted.
	sealed bool
	// doubt is how much may have been handed over beyond what is known.
	doubt int64
}

// draw begins a response of n bytes of an object. All of a whole object must be
// there, and is kept for it, so that of several downloads each is complete or
// refused; of a range only its first chunk must, so that a player that opens
// the rest of a film and then seeks leaves the rest to be had.
func (s *Server) draw(c *call, obj *store.Object, n int64, partial bool) (*drawing, error) {
	if !c.counted() {
		return nil, nil
	}
	token, err := s.cfg.Ledger.NewToken()
	if err != nil {
		return nil, err
	}
	d := &drawing{ledger: s.cfg.Ledger, budget: c.budget(obj), token: token, length: max(n, 1), sealed: c.r.TLS != nil}
	first := d.next()
	fits := d.length
	if partial {
		fits = first
	}
	ctx := c.r.Context()
	err = d.ledger.Draw(ctx, d.budget, d.token, first, fits)
	if gone := ctx.Err(); gone != nil {
		// Nobody is there to answer any more. An error here would mean that
		// it stays drawn, of which the ledger tells the operator.
		_ = d.settle(ctx, 0, false)
		err = gone
	}
	if err != nil {
		return nil, usedUp(c, err)
	}
	d.drawn = first
	return d, nil
}

// next returns how much the response will hold with one more chunk.
func (d *drawing) next() int64 {
	if d.length-d.drawn < 2*drawChunk {
		return d.length
	}
	return d.drawn + drawChunk
}

// leastDraw is the least that is drawn where a chunk is no longer there, in
// bytes.
const leastDraw = 64 << 10

// extend draws what is needed to send up to total bytes of the response, of
// which sent are under way, and returns how many bytes it holds: where the
// budget has less, what is left.
func (d *drawing) extend(ctx context.Context, sent, total int64) (int64, error) {
	if d == nil {
		return total, nil
	}
	for d.drawn < total {
		if err := d.more(ctx); err != nil && d.drawn > sent {
			return d.drawn, nil
		} else if err != nil {
			return 0, err
		}
	}
	return total, nil
}

// more draws one more chunk, or as large a part of it as there is.
func (d *drawing) more(ctx context.Context) error {
	next := d.next()
	err := d.ledger.Draw(ctx, d.budget, d.token, next, next)
	for errors.Is(err, state.ErrExhausted) && next-d.drawn > leastDraw {
		next -= (next - d.drawn) / 2
		err = d.ledger.Draw(ctx, d.budget, d.token, next, next)
	}
	if err == nil {
		d.drawn = next
	}
	return err
}

// piece bounds a piece of the response, so that no more is drawn than is about
// to be sent.
func (d *drawing) piece(n int64) int64 {
	if d == nil {
		return n
	}
	return min(n, drawChunk)
}

// exactWrite is how much is written at once where it is not known how much of
// a failed write was handed over, in bytes.
const exactWrite = 16 << 10

// copy copies r to the client. The writer that net/http has for HTTP/1 tells
// how much of a failed write was handed over; the one for HTTP/2, which takes
// no io.Reader, and those of TLS say 0 although the client may have most of
// it. There, all of a write that failed counts as handed over, so that nobody
// gets it twice by breaking the connection.
func (d *drawing) copy(w *response, r io.Reader) (sent int64, err error) {
	if _, exact := w.ResponseWriter.(io.ReaderFrom); d == nil || exact && !d.sealed {
		return io.Copy(w, r)
	}
	for buf := make([]byte, exactWrite); ; {
		n, end := r.Read(buf)
		if n > 0 {
			written, err := w.Write(buf[:n])
			sent += int64(written)
			if err != nil {
				d.doubt += int64(n - written)
				return sent, err
			}
		}
		switch {
		case end == io.EOF:
			return sent, nil
		case end != nil:
			return sent, end
		}
	}
}

// settle ends the drawing once sent bytes were handed over. It is called when
// the client may be gone already, so it does not end with the request.
func (d *drawing) settle(ctx context.Context, sent int64, whole bool) error {
	if d == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	return d.ledger.Settle(ctx, d.budget, d.token, sent, whole)
}

// checkLeft refuses HEAD, which is free, once the pass is exhausted.
func (s *Server) checkLeft(c *call, obj *store.Object) error {
	if !c.counted() {
		return nil
	}
	exhausted, err := s.cfg.Ledger.Exhausted(c.r.Context(), c.budget(obj))
	if err != nil || !exhausted {
		return usedUp(c, err)
	}
	return limits.Refused(limits.Uses, strconv.FormatInt(c.limits.Uses, 10), "another")
}

// usedUp words the refusal of a pass whose uses are gone.
func usedUp(c *call, err error) error {
	if daypass.CodeOf(err) != daypass.AccessDenied {
		return err
	}
	e := limits.Refused(limits.Uses, strconv.FormatInt(c.limits.Uses, 10), "another")
	if e.Err = err; errors.Is(err, state.ErrChanged) {
		e.Message = "The object has changed since this pass was first used."
	}
	return e
}

// sendCounted is send for a response that draws on a budget.
func (s *Server) sendCounted(w *response, c *call, body store.Body, part span, d *drawing) error {
	if d == nil {
		return w.send(c.r.Context(), body, part.off, part.n, nil)
	}
	before, done := w.sent, false
	defer boundUnsent(c.r)()
	defer func() {
		if !done { // a panic tells nothing of what was handed over
			s.settle(c, d, d.drawn, true)
		}
	}()
	err := w.send(c.r.Context(), body, part.off, part.n, d)
	if err == nil {
		err = w.flush()
	}
	done = true
	s.settle(c, d, w.sent-before+d.doubt, err == nil)
	return err
}

func (s *Server) settle(c *call, d *drawing, sent int64, whole bool) {
	if err := d.settle(c.r.Context(), sent, whole); err != nil {
		s.logOf(c.ids).Error("the draw of a response could not be settled, so it stays drawn",
			"pass", c.grant.PassID, "err", err)
	}
}

// flush hands over what net/http still holds back. Where it holds nothing that
// could be flushed, everything was handed over.
func (w *response) flush() error {
	err := http.NewResponseController(w.ResponseWriter).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return incompleteAnswer(err)
}

// countsAsWrite reports whether an action's success counts as a use of its pass.
func countsAsWrite(a daypass.Action) bool {
	switch a {
	case daypass.GetObject, daypass.HeadObject:
		return false
	}
	return true
}

// count carries out a write, which takes one use of its pass before it begins
// and gives it back only if nothing was written for certain.
func (s *Server) count(c *call, write func() error) error {
	if !c.counted() || !countsAsWrite(c.action.Name) {
		return write()
	}
	token, err := s.cfg.Ledger.NewToken()
	if err != nil {
		return err
	}
	uses := state.Count{Pass: c.grant.PassID, Uses: c.limits.Uses, Ends: c.grant.ExpiresAt}
	ctx := c.r.Context()
	err = s.cfg.Ledger.Reserve(ctx, uses, token)
	if gone := ctx.Err(); gone != nil {
		s.release(ctx, c, uses, token, false)
		err = gone
	}
	if err != nil {
		return usedUp(c, err)
	}
	done := false
	defer func() {
		if !done { // a panic tells nothing of what was written
			s.release(ctx, c, uses, token, true)
		}
	}()
	err = write()
	done = true
	s.release(ctx, c, uses, token, err == nil || !storedNothing(err))
	return err
}

// storedNothing reports whether the error of a write proves that nothing was
// stored: what a client did wrong is found out before, and so is what this
// server does not do. Of a failure nobody knows.
func storedNothing(err error) bool {
	code := s3.ErrorOf(err).Code
	return s3.Status(code) < http.StatusInternalServerError || code == daypass.NotImplemented
}

func (s *Server) release(ctx context.Context, c *call, uses state.Count, token state.Token, used bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err := s.cfg.Ledger.Release(ctx, uses, token, used); err != nil {
		s.logOf(c.ids).Error("a reserved use could not be released, so it stays reserved", "pass", c.grant.PassID, "err", err)
	}
}
