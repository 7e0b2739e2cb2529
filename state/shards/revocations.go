package shards

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/daypass/daypass/state"
)

const (
	// sourceBits is where the number of the shard stands in a version, above
	// the version that the shard itself gave.
	sourceBits = 48
	// maxShards is how many shards a version can tell apart.
	maxShards = 1 << 10
	// sourceAnswer is how long the shard that revocations are read from may
	// take until the others are asked too.
	sourceAnswer = 300 * time.Millisecond
)

// version returns the version of a shard's version, which tells the shard.
func (s *shard) version(v int64) int64 { return int64(s.number)<<sourceBits | v }

// after returns the shard's version of a version: zero, from which all are read,
// for one of another shard.
func (s *shard) after(v int64) int64 {
	if v>>sourceBits != int64(s.number) {
		return 0
	}
	return v & (1<<sourceBits - 1)
}

// InsertRevocation implements state.RevocationDriver. It is made when every
// shard has it; after an error some may have it, and it counts where they are
// asked.
func (d *Driver) InsertRevocation(ctx context.Context, r state.RevocationRecord) (int64, error) {
	versions, err := all(ctx, d.shards, func(s *shard) (int64, error) { return s.InsertRevocation(ctx, r) })
	if err != nil {
		return 0, err
	}
	source := d.shards[d.source.Load()]
	return source.version(versions[source.number]), nil
}

// LiftRevocations implements state.RevocationDriver. They are lifted when they
// are in every shard.
func (d *Driver) LiftRevocations(ctx context.Context, ids []string, t time.Time) (int, error) {
	lifted, err := all(ctx, d.shards, func(s *shard) (int, error) { return s.LiftRevocations(ctx, ids, t) })
	return slices.Max(lifted), err
}

// ExpireRevocations implements state.RevocationDriver.
func (d *Driver) ExpireRevocations(ctx context.Context, t time.Time, max int) (int, error) {
	gone, err := all(ctx, d.shards, func(s *shard) (int, error) { return s.ExpireRevocations(ctx, t, max) })
	return slices.Max(gone), err
}

// Revocations implements state.RevocationDriver. They are read from one shard,
// since each has all that were acknowledged. When that fails another one takes
// its place, and is read from its beginning: versions are a shard's own.
func (d *Driver) Revocations(ctx context.Context, after int64, max int) ([]state.RevocationRecord, error) {
	source := d.shards[d.source.Load()]
	if len(d.shards) == 1 {
		return source.revocations(ctx, after, max)
	}
	return d.quickest(ctx, source, after, max)
}

// quickest reads revocations from a shard and, when that fails or does not answer
// soon, from the others too, and returns what the first one says that answers.
// The first shard keeps its start: where all are slow, each page would else come
// from another shard, whose first one it is, and reading would never end.
func (d *Driver) quickest(ctx context.Context, source *shard, after int64, max int) ([]state.RevocationRecord, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		from *shard
		list []state.RevocationRecord
		err  error
	}
	answers := make(chan answer, len(d.shards))
	ask := func(s *shard) {
		list, err := s.revocations(ctx, after, max)
		answers <- answer{s, list, err}
	}
	go ask(source)
	asked := 1
	askOthers := func() {
		if asked > 1 {
			return
		}
		for _, s := range d.shards {
			if s != source {
				asked++
				go ask(s)
			}
		}
	}
	soon := time.NewTimer(sourceAnswer)
	defer soon.Stop()
	var errs []error
	for len(errs) < asked {
		select {
		case <-soon.C:
			askOthers()
		case a := <-answers:
			if a.err == nil {
				d.source.Store(int32(a.from.number))
				return a.list, nil
			}
			errs = append(errs, a.err)
			askOthers()
		}
	}
	return nil, errors.Join(errs...)
}

// revocations reads the shard's revocations, with versions that tell the shard.
// It does not ask first whether the shard is thought to be out of reach: this is
// how one finds out.
func (s *shard) revocations(ctx context.Context, after int64, max int) ([]state.RevocationRecord, error) {
	list, err := s.Revocations(ctx, s.after(after), max)
	for i := range list {
		list[i].Version = s.version(list[i].Version)
	}
	return list, s.wrap(err)
}
