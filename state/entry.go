package state

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/daypass/daypass"
)

// KeepAfterEnd is how long the ledger, revocations and statistics remember a
// pass after its end, since clocks lag.
const KeepAfterEnd = 24 * time.Hour

// defaultLifetime stands for the life of a pass whose end nobody knows, where
// the deployment does not allow longer ones: SigV4's longest.
const defaultLifetime = 7 * 24 * time.Hour

// callTimeout bounds one change of an entry. It replaces the deadline of the
// request, so that a client that goes away leaves nothing half known.
const callTimeout = 5 * time.Second

// errEntry says that an entry cannot be read. Nothing is granted from it.
var errEntry = errors.New("an entry of the ledger is damaged, or of a newer version of this program")

// The kinds of entries.
const (
	kindBudget  = 'B'
	kindCount   = 'C'
	kindBinding = 'A'
	kindMarker  = 'M' // tells which failures go with a pass
	kindTries   = 'T' // of PINs, of a pass and an address
	kindFailed  = 'F' // PINs, of an access key and a tag
	kindFirst   = 'E' // event of its kind, of a pass
)

// entryVersion is the first byte of an entry's data, before its kind.
const entryVersion = 1

// A ref names an entry: what it is called, whose it is and when that ends.
type ref struct {
	id, pass string
	ends     time.Time
}

// refOf returns the name of an entry of a pass. The detail, which tells apart
// entries of one kind, may come from clients and enters as a hash.
func refOf(pass string, kind byte, detail string, ends time.Time) ref {
	id := pass + "/" + string(rune(kind))
	if detail != "" {
		id += "/" + hashed(detail)
	}
	return ref{id, pass, ends}
}

// hashed returns 26 characters that stand for text: 128 bits of SHA-256.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// A rule says what becomes of an entry's data, which is nil where there is
// no entry. A nil result leaves the entry alone, an error too. Rules may be
// called several times.
type rule func(data []byte) ([]byte, error)

// change applies a rule to an entry, again where the driver fails: rules make
// no difference the second time. refused says that the error is the rule's
// own or came before the driver was asked, so that nothing has changed.
func (s *State) change(ctx context.Context, e ref, r rule) (refused bool, err error) {
	refused, err = s.changeOnce(ctx, e, r)
	for pause := 2 * time.Millisecond; err != nil && !refused && pause < 100*time.Millisecond; pause *= 10 {
		if !sleep(ctx, pause) {
			return false, err
		}
		again, err2 := s.changeOnce(ctx, e, r)
		if errors.Is(err2, ErrUnreachable) { // what came of the first attempt stays unknown
			return false, err
		}
		if err2 == nil || again && ctx.Err() == nil {
			return again, err2
		}
	}
	return refused, err
}

// changeOnce is change without a second attempt.
func (s *State) changeOnce(ctx context.Context, e ref, r rule) (refused bool, err error) {
	if err := ctx.Err(); err != nil {
		return true, err
	}
	if s.revocations.lost() {
		return true, unreachable()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	var own error
	err = s.driver.UpdateEntry(ctx, e.id, func(old *EntryRecord) (next *EntryRecord, err error) {
		next, own = s.nextEntry(e, old, r)
		return next, own
	})
	return own != nil && errors.Is(err, own), err
}

func (s *State) nextEntry(e ref, old *EntryRecord, r rule) (*EntryRecord, error) {
	var data []byte
	expires := stamp(s.keepUntil(e.ends))
	if old != nil {
		data = old.Data
		if old.Expires.IsZero() || old.Expires.After(expires) {
			expires = old.Expires
		}
	}
	next, err := r(data)
	if err != nil {
		return nil, err
	}
	if next == nil {
		return old, nil
	}
	return &EntryRecord{ID: e.id, Pass: e.pass, Data: next, Expires: expires}, nil
}

// keepUntil returns when what is known of a pass that ends then may be
// forgotten; the zero time is an unknown end.
func (s *State) keepUntil(ends time.Time) time.Time {
	if ends.IsZero() {
		ends = s.now().Add(max(defaultLifetime, s.maxLifetime))
	}
	return ends.Add(KeepAfterEnd)
}

// data returns the data of an entry as it was last written, nil for none.
func (s *State) data(ctx context.Context, id string) ([]byte, error) {
	if s.revocations.lost() {
		return nil, unreachable()
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := s.driver.Entry(ctx, id)
	if r == nil || err != nil {
		return nil, err
	}
	return r.Data, nil
}

// sleep waits and reports whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// An encoder writes the data of an entry.
type encoder []byte

func encode(kind byte) encoder { return encoder{entryVersion, kind} }

func (e *encoder) number(v int64) { *e = binary.AppendUvarint(*e, uint64(v)) }
func (e *encoder) bytes(b []byte) { *e = append(*e, b...) }
func (e *encoder) instant(t time.Time) {
	if t.IsZero() {
		e.number(0)
		return
	}
	e.number(t.UnixMicro())
}

// A decoder reads the data of an entry. After a mistake it returns zeros.
type decoder struct {
	rest []byte
	bad  bool
}

// decode begins to read data of a kind.
func decode(data []byte, kind byte) *decoder {
	if len(data) < 2 || data[0] != entryVersion || data[1] != kind {
		return &decoder{bad: true}
	}
	return &decoder{rest: data[2:]}
}

// number reads a number that is not negative.
func (d *decoder) number() int64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > math.MaxInt64 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return int64(v)
}

// bytes reads into all of b.
func (d *decoder) bytes(b []byte) {
	if len(d.rest) < len(b) {
		d.bad, d.rest = true, nil
		return
	}
	copy(b, d.rest)
	d.rest = d.rest[len(b):]
}

func (d *decoder) instant() time.Time {
	v := d.number()
	if v == 0 {
		return time.Time{}
	}
	return time.UnixMicro(v).UTC()
}

// end returns an error unless everything was read as it should.
func (d *decoder) end() error {
	if d.bad || len(d.rest) > 0 {
		return &daypass.Error{Code: daypass.InternalError, Err: errEntry}
	}
	return nil
}
