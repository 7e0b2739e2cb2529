package state

import (
	"context"
	"time"
)

// A guarded is a driver that refuses at once what would wait for state that is
// known to be out of reach. What finds out whether it is goes through, and so
// does the ledger, whose callers look for themselves.
type guarded struct {
	Driver
	// keys is the reach of access keys, settings and links, passes that of all
	// else.
	keys, passes *reach
}

// guard calls f unless state is out of reach.
func guard[V any](r *reach, f func() (V, error)) (v V, err error) {
	if r.lost() {
		return v, unreachable()
	}
	return f()
}

func guardOne(r *reach, f func() error) error {
	if r.lost() {
		return unreachable()
	}
	return f()
}

func (g *guarded) InsertKey(ctx context.Context, k KeyRecord) error {
	return guardOne(g.keys, func() error { return g.Driver.InsertKey(ctx, k) })
}

func (g *guarded) Key(ctx context.Context, id string) (KeyRecord, error) {
	return guard(g.keys, func() (KeyRecord, error) { return g.Driver.Key(ctx, id) })
}

func (g *guarded) ListKeys(ctx context.Context, after string, max int) ([]KeyRecord, error) {
	return guard(g.keys, func() ([]KeyRecord, error) { return g.Driver.ListKeys(ctx, after, max) })
}

func (g *guarded) SetKeyDisabled(ctx context.Context, id string, disabled bool, at time.Time, by string) error {
	return guardOne(g.keys, func() error { return g.Driver.SetKeyDisabled(ctx, id, disabled, at, by) })
}

func (g *guarded) SetKeyPolicy(ctx context.Context, id, policy string) error {
	return guardOne(g.keys, func() error { return g.Driver.SetKeyPolicy(ctx, id, policy) })
}

func (g *guarded) DeleteKey(ctx context.Context, id string) error {
	return guardOne(g.keys, func() error { return g.Driver.DeleteKey(ctx, id) })
}

func (g *guarded) RootKey(ctx context.Context) (KeyRecord, error) {
	return guard(g.keys, func() (KeyRecord, error) { return g.Driver.RootKey(ctx) })
}

func (g *guarded) SetSetting(ctx context.Context, name string, value []byte) error {
	return guardOne(g.keys, func() error { return g.Driver.SetSetting(ctx, name, value) })
}

func (g *guarded) SetBucketSetting(ctx context.Context, bucketID, name string, value []byte) error {
	return guardOne(g.keys, func() error { return g.Driver.SetBucketSetting(ctx, bucketID, name, value) })
}

func (g *guarded) HasBucketSetting(ctx context.Context, name string) (bool, error) {
	return guard(g.keys, func() (bool, error) { return g.Driver.HasBucketSetting(ctx, name) })
}

func (g *guarded) DeleteBucketSettings(ctx context.Context, bucketID string) error {
	return guardOne(g.keys, func() error { return g.Driver.DeleteBucketSettings(ctx, bucketID) })
}

func (g *guarded) InsertLink(ctx context.Context, l LinkRecord) error {
	return guardOne(g.keys, func() error { return g.Driver.InsertLink(ctx, l) })
}

func (g *guarded) Link(ctx context.Context, id string) (LinkRecord, error) {
	return guard(g.keys, func() (LinkRecord, error) { return g.Driver.Link(ctx, id) })
}

func (g *guarded) ListLinks(ctx context.Context, owner, after string, max int) ([]LinkRecord, error) {
	return guard(g.keys, func() ([]LinkRecord, error) { return g.Driver.ListLinks(ctx, owner, after, max) })
}

func (g *guarded) DeleteLink(ctx context.Context, id string) error {
	return guardOne(g.keys, func() error { return g.Driver.DeleteLink(ctx, id) })
}

func (g *guarded) PassEntries(ctx context.Context, pass, after string, max int) ([]EntryRecord, error) {
	return guard(g.passes, func() ([]EntryRecord, error) { return g.Driver.PassEntries(ctx, pass, after, max) })
}

func (g *guarded) DeletePassEntries(ctx context.Context, pass string) error {
	return guardOne(g.passes, func() error { return g.Driver.DeletePassEntries(ctx, pass) })
}

func (g *guarded) InsertRevocation(ctx context.Context, r RevocationRecord) (int64, error) {
	return guard(g.passes, func() (int64, error) { return g.Driver.InsertRevocation(ctx, r) })
}

func (g *guarded) LiftRevocations(ctx context.Context, ids []string, t time.Time) (int, error) {
	return guard(g.passes, func() (int, error) { return g.Driver.LiftRevocations(ctx, ids, t) })
}

func (g *guarded) AddPasses(ctx context.Context, seen []PassRecord) error {
	return guardOne(g.passes, func() error { return g.Driver.AddPasses(ctx, seen) })
}

func (g *guarded) Pass(ctx context.Context, id string) (*PassRecord, error) {
	return guard(g.passes, func() (*PassRecord, error) { return g.Driver.Pass(ctx, id) })
}

func (g *guarded) ListPasses(ctx context.Context, f PassFilter, after string, max int) ([]PassRecord, error) {
	return guard(g.passes, func() ([]PassRecord, error) { return g.Driver.ListPasses(ctx, f, after, max) })
}
