package ledgertest

import (
	"math"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// The operations of a history.
const (
	opDraw  = iota // a draw of a budget, or a reservation of a count
	opBegin        // the moment in which a draw's end is known to its node
	opEnd          // that end as state has it
	opAsk          // whether a budget is exhausted
	opRevoke
	opRevoked // whether a pass is revoked
)

// The outcomes of operations.
const (
	outOK = iota // or yes
	outNo        // or held by others
	outExhausted
	outUnknown
)

// maxTokens is how many draws of one pass a history may have.
const maxTokens = 96

// An input is what was asked for: of which pass, by which of its draws, and how
// many bytes, or how many of them were sent.
type input struct {
	op, pass, token, bytes int
}

// A History records what clients of several nodes asked for and what came of it,
// to be held against what passes promise.
//
// A download and an upload are one thing here: a draw takes bytes of what a pass
// has, an upload the only one of each use, and at its end those return that were
// not sent. Draws are linearizable, which is to say that all of it could have
// happened one after the other. Revocations are as soon as their node has made
// them; elsewhere an answer may be as old as staleness.
type History struct {
	capacity  int
	staleness time.Duration
	start     time.Time

	mu  sync.Mutex
	ops []porcupine.Operation
}

// now returns the time of an event.
func (h *History) now() int64 { return int64(time.Since(h.start)) }

// add records an operation that began and ended at the given times. One whose
// outcome is unknown may take effect at any time, or never.
func (h *History) add(client int, in input, out int, call, end int64) {
	if out == outUnknown {
		end = math.MaxInt64
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: end})
}

// Check reports whether the history is what passes promise; decided is false
// where that could not be found out in time.
func (h *History) Check(most time.Duration) (good, decided bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	model := porcupine.Model{
		Partition: partition,
		Init:      func() any { return passState{} },
		Step: func(s, in, out any) (bool, any) {
			return s.(passState).step(in.(input), out.(int), h.capacity)
		},
	}
	result := porcupine.CheckOperationsTimeout(model, h.ops, most)
	return result == porcupine.Ok, result != porcupine.Unknown
}

// partition tells passes apart, and revocations from draws.
func partition(history []porcupine.Operation) (parts [][]porcupine.Operation) {
	places := map[[2]int]int{}
	for _, op := range history {
		in := op.Input.(input)
		key := [2]int{in.pass, 0}
		if in.op == opRevoke || in.op == opRevoked {
			key[1] = 1
		}
		i, ok := places[key]
		if !ok {
			i = len(parts)
			places[key] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], op)
	}
	return parts
}

// A passState is what a pass has given: the model.
type passState struct {
	drawn int
	// held is what each draw that has not ended holds.
	held [maxTokens]int8
	// sent is, plus one, what was sent of each whose end its node knows.
	sent    [maxTokens]int8
	revoked bool
}

// step reports whether an operation may have had its outcome, and what it leads
// to.
func (s passState) step(in input, out, capacity int) (bool, passState) {
	switch in.op {
	case opDraw:
		return s.draw(in, out, capacity)
	case opBegin:
		s.sent[in.token] = int8(in.bytes) + 1
	case opEnd:
		if s.held[in.token] > 0 {
			s.drawn -= int(s.held[in.token]) - in.bytes
		}
		s.held[in.token], s.sent[in.token] = 0, 0
	case opAsk:
		least, most := s.within(capacity)
		if out == outOK {
			return least <= 0, s
		}
		return most > 0, s
	case opRevoke:
		s.revoked = true
	case opRevoked:
		return s.revoked == (out == outOK), s
	}
	return true, s
}

func (s passState) draw(in input, out, capacity int) (bool, passState) {
	fits := s.drawn+in.bytes <= capacity
	switch out {
	case outExhausted:
		least, _ := s.within(capacity)
		return least < in.bytes, s
	case outNo: // others hold what is left
		return !fits, s
	case outOK:
		if !fits {
			return false, s
		}
	}
	if fits {
		s.drawn += in.bytes
		s.held[in.token] = int8(in.bytes)
	}
	return true, s
}

// within returns what could still be had if all came back that is outstanding:
// at least, as a node sees it that knows ends which state does not, and at most.
func (s passState) within(capacity int) (least, most int) {
	most = capacity - s.drawn
	least = most
	for i, held := range s.held {
		most += int(held)
		least += int(held)
		if held > 0 && s.sent[i] > 0 {
			least -= int(s.sent[i]) - 1
		}
	}
	return least, most
}
