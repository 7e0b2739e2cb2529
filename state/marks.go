package state

import (
	"context"
	"time"
)

// maxClaim bounds a claim, in bytes.
const maxClaim = 255

// MarkPass stores a claim to be the first of a kind that befalls a pass, such as
// its first use, unless there is one already, and returns the one that is
// stored. Who gets back the claim that it gave was first, however often it asks.
// It is forgotten with the pass: some time after its end, or when the pass is
// restored. InvalidArgument for an empty pass, kind or claim, and for a claim of
// more than 255 bytes.
func (s *State) MarkPass(ctx context.Context, pass, kind, claim string, ends time.Time) (first string, err error) {
	const op = "state.MarkPass"
	if pass == "" || kind == "" || claim == "" || len(claim) > maxClaim {
		return "", failed(op, invalid("Mark", "a mark has a pass, a kind and a claim of at most 255 bytes"))
	}
	_, err = s.change(ctx, refOf(pass, kindFirst, kind, ends), func(data []byte) (next []byte, err error) {
		if data != nil {
			first, err = openMark(data)
			return nil, err
		}
		first = claim
		e := encode(kindFirst)
		e.bytes([]byte(claim))
		return e, nil
	})
	if err != nil {
		return "", failed(op, err)
	}
	return first, nil
}

// openMark returns the claim in an entry's data.
func openMark(data []byte) (string, error) {
	d := decode(data, kindFirst)
	claim := string(d.rest)
	d.rest = nil
	return claim, d.end()
}
