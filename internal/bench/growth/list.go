package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
)

// A listing is one shape of a listing of 1,000 entries.
type listing struct {
	name   string
	bucket string
	// params returns the query, which is another for each request where the
	// listing begins somewhere else.
	params func(r *rand.Rand, n int) []string
}

// listings are the shapes that are measured.
func (b *bench) listings() []listing {
	all := allListings()
	if b.plain {
		all = slices.DeleteFunc(all, func(l listing) bool { return l.bucket != treeBucket })
	}
	return all
}

func allListings() []listing {
	below := func(r *rand.Rand, n int, after bool) []string {
		per := max(n/prefixes, 1)
		dir := treeKey(r.IntN(prefixes)*per, n)
		q := []string{"list-type", "2", "delimiter", "/", "prefix", dir[:len(dir)-8]}
		if after {
			q = append(q, "start-after", fmt.Sprintf("%s%08x", dir[:len(dir)-8], r.IntN(per/2+1)))
		}
		return q
	}
	fixed := func(params ...string) func(*rand.Rand, int) []string {
		return func(*rand.Rand, int) []string { return params }
	}
	return []listing{
		{"1,000 common prefixes", treeBucket, fixed("list-type", "2", "delimiter", "/")},
		{"1,000 keys, a delimiter that none has", treeBucket, func(r *rand.Rand, n int) []string {
			return []string{"list-type", "2", "delimiter", "|", "start-after", treeKey(r.IntN(n/2), n)}
		}},
		{"keys below any prefix", treeBucket, func(r *rand.Rand, n int) []string { return below(r, n, false) }},
		{"keys below any prefix, from within", treeBucket, func(r *rand.Rand, n int) []string { return below(r, n, true) }},
		{"1,000 versions, from any key", versionsBucket, func(r *rand.Rand, n int) []string {
			return []string{"versions", "", "delimiter", "/", "key-marker", flatKey(r.IntN(n / versionsPerKey / 2))}
		}},
		{"1,000 keys among versions and markers", versionsBucket, func(r *rand.Rand, n int) []string {
			return []string{"list-type", "2", "delimiter", "/", "start-after", flatKey(r.IntN(n / versionsPerKey / 2))}
		}},
		{"1,000 keys behind all that were deleted", desertBucket, fixed("list-type", "2", "delimiter", "/")},
	}
}

// listRequests is how often each listing is asked for in a round.
const listRequests = 60

// measureLists measures listings over stores of several sizes.
func (b *bench) measureLists(ctx context.Context) error {
	t := b.table("ListObjectsV2 of 1,000 keys with a delimiter", "≤ 5 ms, whatever the size of the bucket.")
	for _, n := range b.sizes {
		t.Columns = append(t.Columns, fmt.Sprintf("%s: ms, median", showCount(n)), "p99", "server CPU, ms")
	}
	cells := make(map[string][]float64)
	for _, n := range b.sizes {
		if err := b.listStore(ctx, n, cells); err != nil {
			return err
		}
	}
	for _, l := range append([]listing{{name: firstListing}}, b.listings()...) {
		t.add(l.name, cells[l.name]...)
	}
	return nil
}

func (b *bench) listStore(ctx context.Context, n int, cells map[string][]float64) error {
	p, err := b.serve(ctx, n)
	if err != nil {
		return err
	}
	defer p.stop()
	r, err := b.listOnce(p)
	if err != nil {
		return err
	}
	cells[firstListing] = append(cells[firstListing], r.p50(), missing, missing)
	for _, l := range b.listings() {
		r, err := b.list(p, l, n)
		if err != nil {
			return err
		}
		cells[l.name] = append(cells[l.name], r.p50(), r.p99(), r.cpu/1000)
	}
	return nil
}

// firstListing is the listing whose common prefixes nobody has listed since the
// server was started: there is one in a life.
const firstListing = "1,000 common prefixes, the first time"

// listOnce measures the first listing of a server.
func (b *bench) listOnce(p *process) (run, error) {
	url, err := p.url("GET", treeBucket, "", "list-type", "2", "delimiter", "/")
	if err != nil {
		return run{}, err
	}
	return closedLoop(p, 1, []request{{method: "GET", url: url}})
}

// list measures a listing once it has been asked for a few times.
func (b *bench) list(p *process, l listing, n int) (run, error) {
	r := rand.New(rand.NewPCG(1, 2))
	var requests []request
	for range listRequests {
		url, err := p.url("GET", l.bucket, "", l.params(r, n)...)
		if err != nil {
			return run{}, err
		}
		requests = append(requests, request{method: "GET", url: url})
	}
	if _, err := closedLoop(p, 1, requests[:5]); err != nil {
		return run{}, err
	}
	return closedLoop(p, 1, requests)
}
