package ledgertest

import (
	"testing"
	"time"
)

// An event is one operation of a written history, from call to end.
type event struct {
	in        input
	out       int
	call, end int64
}

// TestHistory feeds the checker histories that passes must never have, and some
// that look like them and are good.
func TestHistory(t *testing.T) {
	draw := func(token, bytes, out int, call, end int64) event {
		return event{input{op: opDraw, token: token, bytes: bytes}, out, call, end}
	}
	end := func(token, sent, out int, call, end int64) event {
		return event{input{op: opEnd, token: token, bytes: sent}, out, call, end}
	}
	begin := func(token, sent int, call int64) event {
		return event{input{op: opBegin, token: token, bytes: sent}, outOK, call, call}
	}
	ask := func(out int, call, end int64) event { return event{input{op: opAsk}, out, call, end} }
	revoke := func(call, end int64) event { return event{input{op: opRevoke}, outOK, call, end} }
	revoked := func(out int, call, end int64) event { return event{input{op: opRevoked}, out, call, end} }
	for _, c := range []struct {
		what string
		good bool
		list []event
	}{
		{"all of it at once", true, []event{draw(0, 3, outOK, 1, 9), draw(1, 3, outOK, 1, 9), draw(2, 1, outExhausted, 20, 21)}[:2]},
		{"more than there is", false, []event{draw(0, 3, outOK, 1, 2), draw(1, 3, outOK, 3, 4), draw(2, 1, outOK, 5, 6)}},
		{"more at the same time", false, []event{draw(0, 3, outOK, 1, 9), draw(1, 3, outOK, 1, 9), draw(2, 1, outOK, 1, 9)}},
		{"again after a return", true, []event{draw(0, 6, outOK, 1, 2), end(0, 0, outOK, 3, 4), draw(1, 6, outOK, 5, 6)}},
		{"what was sent is gone", false, []event{draw(0, 6, outOK, 1, 2), end(0, 1, outOK, 3, 4), draw(1, 6, outOK, 5, 6)}},
		{"refused for good while some may come back", false, []event{draw(0, 6, outOK, 1, 2), draw(1, 1, outExhausted, 3, 4)}},
		// A draw that is made twice by its retry, since the token is ignored,
		// takes what others should get.
		{"the token is ignored", false, []event{draw(0, 3, outOK, 1, 2), end(0, 3, outOK, 3, 4), draw(1, 3, outExhausted, 5, 6)}},
		{"an unknown draw that was not made", true, []event{draw(0, 3, outUnknown, 1, 2), end(0, 0, outUnknown, 1, 2), draw(1, 6, outOK, 5, 6)}},
		{"held by nobody", false, []event{draw(0, 3, outOK, 1, 2), end(0, 0, outOK, 3, 4), draw(1, 6, outNo, 5, 6)}},
		{"an unknown draw that was made", true, []event{draw(0, 3, outUnknown, 1, 2), draw(1, 6, outNo, 5, 6), draw(2, 3, outOK, 7, 8)}},
		{"not exhausted, though all was sent", false, []event{draw(0, 6, outOK, 1, 2), begin(0, 6, 3), end(0, 6, outOK, 3, 4), ask(outNo, 5, 6)}},
		{"not exhausted while it ends", true, []event{draw(0, 6, outOK, 1, 2), begin(0, 6, 3), end(0, 6, outOK, 3, 8), ask(outNo, 5, 6)}},
		{"exhausted, as only one node knows", true, []event{draw(0, 6, outOK, 1, 2), begin(0, 6, 3), end(0, 6, outUnknown, 3, 4), ask(outOK, 5, 6), ask(outNo, 7, 8)}},
		{"exhausted while it is held", false, []event{draw(0, 6, outOK, 1, 2), ask(outOK, 3, 4), begin(0, 6, 5), end(0, 6, outOK, 5, 6)}},
		{"revoked", true, []event{revoked(outNo, 1, 2), revoke(3, 4), revoked(outOK, 5, 6)}},
		{"not revoked any more", false, []event{revoke(3, 4), revoked(outOK, 5, 6), revoked(outNo, 7, 8)}},
		{"not revoked though acknowledged", false, []event{revoke(3, 4), revoked(outNo, 5, 6)}},
		{"revoked before anybody did", false, []event{revoked(outOK, 1, 2), revoke(3, 4)}},
	} {
		h := &History{capacity: 6}
		for i, e := range c.list {
			h.add(i, e.in, e.out, e.call, e.end)
		}
		if good, decided := h.Check(10 * time.Second); good != c.good || !decided {
			t.Errorf("%s: good %v, decided %v, want %v", c.what, good, decided, c.good)
		}
	}
}
