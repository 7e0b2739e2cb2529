package state

import (
	"context"
	"encoding/base32"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/daypass/daypass"
)

const (
	// MaxListRevocations is how many revocations Revocations returns at most.
	MaxListRevocations = 1000

	// revocationAge is how old revocations in memory may be without any
	// grace.
	revocationAge = time.Second
	// reloadAge is how long changes are followed until all revocations are
	// read anew, and liftedAge how long the driver keeps lifted ones: a node
	// that was away for longer than reloadAge cannot miss one.
	reloadAge = time.Hour
	liftedAge = 24 * time.Hour
	// revocationPage is how many are read at once.
	revocationPage = 10000
	// endedAge is how long revocations that have expired stay in memory,
	// where they match nothing.
	endedAge = 10 * time.Second
	// liftBatch is how many are lifted at once.
	liftBatch = 500
)

// ErrStale is the cause where revocations could not be refreshed for longer
// than the grace allows.
var ErrStale = errors.New("the revocations in memory are too old")

// A Revocation refuses the passes that match all of its fields that are set.
type Revocation = RevocationRecord

// A Subject is a pass as revocations see it.
type Subject struct {
	Pass, Name, Owner, Key, Bucket, Object string
	// Signed is the time of signing; zero where the pass does not tell.
	Signed time.Time
}

// revocations are those in force, as far as this node knows.
type revocations struct {
	index atomic.Pointer[revIndex]
	// reach tells when a refresh began that then succeeded.
	reach

	mu sync.Mutex // held while what follows or the index changes
	// seen is the version up to which all changes are known.
	seen   int64
	loaded time.Time // when all were read
	swept  time.Time // when those that had expired were removed

	making sync.Mutex // held while made changes
	// made are the ids of revocations that this node is making, with whether a
	// refresh has come across them.
	made map[string]bool
}

func newRevocations() *revocations {
	r := new(revocations)
	r.index.Store(newRevIndex())
	return r
}

// Revoked returns the id of a revocation that matches a pass, and whether
// there is one. It looks at memory only, without allocating or locking.
func (s *State) Revoked(p *Subject) (id string, revoked bool) {
	h := s.revocations.index.Load().find(p, s.now)
	if h == nil {
		return "", false
	}
	return h.id(), true
}

// Fresh returns an error where the revocations in memory are older than the
// grace allows, since one that was made elsewhere could be missing.
// ServiceUnavailable (ErrStale).
func (s *State) Fresh() error {
	if s.revocations.age(s.now()) <= revocationAge+s.grace {
		return nil
	}
	return &daypass.Error{Op: "state.Fresh", Code: daypass.ServiceUnavailable, Err: &waitError{ErrStale, lostRetry}}
}

// Refresh reads the revocations that others have made or lifted. A State does
// so by itself several times a second.
func (s *State) Refresh(ctx context.Context) error {
	if err := s.refresh(ctx); err != nil {
		return failed("state.Refresh", err)
	}
	return nil
}

func (s *State) refresh(ctx context.Context) error {
	r := s.revocations
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ask(ctx, func(ctx context.Context) (time.Time, error) {
		now := s.now()
		if r.loaded.IsZero() || now.Sub(r.loaded) >= reloadAge || now.Before(r.loaded) {
			return s.reload(ctx, now)
		}
		return s.follow(ctx, now)
	})
}

// reload reads all revocations into a new index. The one that there is goes on
// being refreshed meanwhile.
func (s *State) reload(ctx context.Context, now time.Time) (time.Time, error) {
	r := s.revocations
	x := newRevIndex()
	var seen int64
	var came []string
	for {
		at := s.now()
		page, err := s.revocationsAfter(ctx, seen, x, now)
		if err != nil {
			return at, err
		}
		came = append(came, r.beingMade(page)...)
		if len(page) > 0 {
			seen = page[len(page)-1].Version
		}
		if len(page) < revocationPage {
			r.index.Store(x)
			r.seen, r.loaded = seen, now
			r.came(came)
			return at, nil
		}
		if r.loaded.IsZero() {
			continue
		}
		if at, err = s.follow(ctx, now); err != nil {
			return at, err
		}
		r.contact.Store(&at)
	}
}

// follow applies the changes since the last time, and returns when it asked for
// the last of them.
func (s *State) follow(ctx context.Context, now time.Time) (time.Time, error) {
	r := s.revocations
	x := r.index.Load()
	for {
		at := s.now()
		page, err := s.revocationsAfter(ctx, r.seen, x, now)
		if err != nil {
			return at, err
		}
		if len(page) > 0 {
			r.seen = page[len(page)-1].Version
			r.came(r.beingMade(page))
		}
		if len(page) < revocationPage {
			return at, r.sweep(x, now)
		}
	}
}

// sweep removes now and then those that have expired.
func (r *revocations) sweep(x *revIndex, now time.Time) error {
	if now.Sub(r.swept) < endedAge {
		return nil
	}
	r.swept = now
	return x.apply(x.ended(now), now)
}

// revocationsAfter applies the next changes after a version and returns them.
func (s *State) revocationsAfter(ctx context.Context, seen int64, x *revIndex, now time.Time) ([]RevocationRecord, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	page, err := s.driver.Revocations(ctx, seen, revocationPage)
	if err != nil {
		return nil, err
	}
	s.revocations.answered()
	return page, x.apply(page, now)
}

// Revoke adds a revocation, which counts at once on this node and within a
// second on the others, and returns it complete. At least one selector must
// be set; a name goes with an owner, a prefix with a bucket. Expires, where it
// is known, is KeepAfterEnd past the end of the last pass that it can match;
// zero means that it never expires, unless the deployment limits how long
// passes live. ID, Version, Created and Lifted are not looked at.
// InvalidArgument.
func (s *State) Revoke(ctx context.Context, r Revocation) (Revocation, error) {
	const op = "state.Revoke"
	now := stamp(s.now())
	if err := checkRevocation(&r, now); err != nil {
		return Revocation{}, failed(op, err)
	}
	id, err := revocationID(s.rand)
	if err != nil {
		return Revocation{}, failed(op, err)
	}
	r.ID, r.Created, r.Lifted = id, now, false
	r.Before, r.Expires = stamp(r.Before), stamp(r.Expires)
	if r.Expires.IsZero() && s.maxLifetime > 0 {
		r.Expires = stamp(now.Add(s.maxLifetime + KeepAfterEnd))
	}
	defer s.revocations.begin(id)()
	if r.Version, err = s.driver.InsertRevocation(ctx, r); err != nil {
		return Revocation{}, failed(op, err)
	}
	if err := s.revocations.revoke(r, now); err != nil {
		return Revocation{}, failed(op, err)
	}
	return r, nil
}

// begin notes that a revocation is being made, until the function is called that
// it returns.
func (r *revocations) begin(id string) (done func()) {
	r.making.Lock()
	defer r.making.Unlock()
	if r.made == nil {
		r.made = map[string]bool{}
	}
	r.made[id] = false
	return func() {
		r.making.Lock()
		defer r.making.Unlock()
		delete(r.made, id)
	}
}

// beingMade returns which of those that are being made are among changes.
func (r *revocations) beingMade(page []RevocationRecord) (ids []string) {
	r.making.Lock()
	defer r.making.Unlock()
	if len(r.made) == 0 {
		return nil
	}
	for i := range page {
		if _, making := r.made[page[i].ID]; making {
			ids = append(ids, page[i].ID)
		}
	}
	return ids
}

// came notes that a refresh has applied some of those that are being made.
func (r *revocations) came(ids []string) {
	r.making.Lock()
	defer r.making.Unlock()
	for _, id := range ids {
		if _, making := r.made[id]; making {
			r.made[id] = true
		}
	}
}

// revoke adds a new revocation, unless a refresh was quicker, after which it
// may be lifted again. Versions would not tell: those of one driver after
// another need not be in one order.
func (r *revocations) revoke(rec RevocationRecord, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.making.Lock()
	came := r.made[rec.ID]
	r.making.Unlock()
	if came {
		return nil
	}
	return r.index.Load().apply([]RevocationRecord{rec}, now)
}

// revocationID returns "rev-" and 16 characters: 80 random bits.
func revocationID(rand io.Reader) (string, error) {
	var b [10]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", err
	}
	return "rev-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:])), nil
}

// maxRevocationText bounds each text of a revocation, in bytes.
const maxRevocationText = 1024

func checkRevocation(r *Revocation, now time.Time) error {
	if r.Pass == "" && r.Name == "" && r.Owner == "" && r.Key == "" && r.Bucket == "" && r.Prefix == "" && r.Before.IsZero() {
		return invalid("Revocation", "a revocation must say which passes it is for")
	}
	if r.Name != "" && r.Owner == "" {
		return invalid("Owner", "names belong to an owner: a revocation by name needs both")
	}
	if r.Prefix != "" && r.Bucket == "" {
		return invalid("Bucket", "a revocation by prefix needs the bucket")
	}
	for _, t := range []struct{ name, text string }{
		{"Pass", r.Pass}, {"Name", r.Name}, {"Owner", r.Owner}, {"Key", r.Key},
		{"Bucket", r.Bucket}, {"Prefix", r.Prefix}, {"Creator", r.Creator},
	} {
		if len(t.text) > maxRevocationText || !utf8.ValidString(t.text) || strings.Contains(t.text, "\x00") {
			return invalid(t.name, "must be text of at most %d bytes", maxRevocationText)
		}
	}
	if !r.Expires.IsZero() && !r.Expires.After(now) {
		return invalid("Expires", "the revocation would have expired already")
	}
	return nil
}

// Lift lifts revocations by id and returns how many there were.
func (s *State) Lift(ctx context.Context, ids ...string) (int, error) {
	lifted := 0
	for batch := range slices.Chunk(ids, liftBatch) {
		n, err := s.lift(ctx, batch)
		lifted += n
		if err != nil {
			return lifted, failed("state.Lift", err)
		}
	}
	return lifted, nil
}

func (s *State) lift(ctx context.Context, ids []string) (int, error) {
	now := stamp(s.now())
	n, err := s.driver.LiftRevocations(ctx, ids, now.Add(liftedAge))
	if err != nil {
		return 0, err
	}
	gone := make([]RevocationRecord, len(ids))
	for i, id := range ids {
		gone[i] = RevocationRecord{ID: id, Lifted: true}
	}
	s.revocations.mu.Lock()
	defer s.revocations.mu.Unlock()
	return n, s.revocations.index.Load().apply(gone, now)
}

// Revocations returns at most max revocations in force, in order of id, whose
// ids come after the given one. A max outside 1 to MaxListRevocations is
// MaxListRevocations.
func (s *State) Revocations(after string, max int) (list []Revocation, more bool) {
	if max < 1 || max > MaxListRevocations {
		max = MaxListRevocations
	}
	all := s.revocations.list(func(h *held) bool { return h.id() > after && microsOr(s.now()) < h.expires })
	slices.SortFunc(all, func(a, b *held) int { return strings.Compare(a.id(), b.id()) })
	if more = len(all) > max; more {
		all = all[:max]
	}
	for _, h := range all {
		list = append(list, h.record())
	}
	return list, more
}

// RevocationsOf returns the revocations in force of one pass alone.
func (s *State) RevocationsOf(pass string) (list []Revocation) {
	now := microsOr(s.now())
	for _, h := range s.revocations.list(func(h *held) bool { return h.text(textPass) == pass && now < h.expires }) {
		list = append(list, h.record())
	}
	return list
}

// RevocationsOn returns the revocations in force that match a pass, for
// whatever reason. Unlike Revoked it looks at all of them.
func (s *State) RevocationsOn(p *Subject) (list []Revocation) {
	signed, now := int64(math.MinInt64), microsOr(s.now())
	if !p.Signed.IsZero() {
		signed = p.Signed.UnixMicro()
	}
	for _, h := range s.revocations.list(func(h *held) bool { return h.matches(p) && signed < h.before && now < h.expires }) {
		list = append(list, h.record())
	}
	slices.SortFunc(list, func(a, b Revocation) int { return a.Created.Compare(b.Created) })
	return list
}

func (r *revocations) list(want func(*held) bool) (all []*held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.index.Load().byID {
		if want(h) {
			all = append(all, h)
		}
	}
	return all
}

// RestorePass makes a pass usable again as if it were new: revocations of
// this one pass are lifted, and its draws, reservations, binding and PIN
// tries forgotten, with the failures of its PIN wherever that is used. What
// is being sent at that moment goes on. It returns how many revocations were
// lifted; those that match the pass for another reason stay.
func (s *State) RestorePass(ctx context.Context, pass string) (lifted int, err error) {
	const op = "state.RestorePass"
	if pass == "" {
		return 0, failed(op, invalid("Pass", "which pass?"))
	}
	if err := s.forget(ctx, pass); err != nil {
		return 0, failed(op, err)
	}
	if err := s.refresh(ctx); err != nil {
		return 0, failed(op, err)
	}
	var ids []string
	for _, h := range s.revocations.list(func(h *held) bool { return h.text(textPass) == pass }) {
		ids = append(ids, h.id())
	}
	if lifted, err = s.Lift(ctx, ids...); err != nil {
		return lifted, failed(op, err)
	}
	return lifted, nil
}

// forget removes the entries of a pass, those of its PIN's failures first,
// since the others tell which these are.
func (s *State) forget(ctx context.Context, pass string) error {
	defer s.usedUp.dropPass(pass)
	defer s.bound.dropPass(pass)
	data, err := s.data(ctx, refOf(pass, kindMarker, "", time.Time{}).id)
	if err != nil {
		return err
	}
	if data != nil {
		id, err := openMarker(data)
		if err != nil {
			return err
		}
		if err := s.driver.UpdateEntry(ctx, id, removeEntry); err != nil {
			return err
		}
	}
	return s.driver.DeletePassEntries(ctx, pass)
}

func removeEntry(*EntryRecord) (*EntryRecord, error) { return nil, nil }
