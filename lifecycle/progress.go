package lifecycle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/daypass/daypass/store"
)

// A Journal keeps how far the work is. *state.State is one.
type Journal interface {
	// UpdateTask reads, changes and writes in one step what is kept under a
	// name. change is given nil where nothing is, and returns nil to leave
	// things as they are; its error is returned. It may be called again with
	// other values.
	UpdateTask(ctx context.Context, name string, change func(old []byte) ([]byte, error)) error
}

// leaseTime is for how long a node that has gone away keeps others from its
// work.
const leaseTime = 2 * time.Minute

// errLost says that another node has taken the work over.
var errLost = errors.New("another node works on this bucket")

// A progress is how far the work in one bucket is, as JSON.
type progress struct {
	// Holder is the node that works on the bucket, until a time; empty: none.
	Holder string    `json:"holder,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	// Config is the hash of the configuration that is carried out, and Day
	// the day, UTC, on which that began.
	Config string `json:"config"`
	Day    string `json:"day"`
	// Done says that the pass over the bucket has come to its end; else it
	// goes on behind Key, and with Uploads behind an upload of it.
	Done    bool   `json:"done,omitempty"`
	Key     string `json:"key,omitempty"`
	Uploads bool   `json:"uploads,omitempty"`
	Upload  string `json:"upload,omitempty"`
}

func hashOf(config []byte) string {
	sum := sha256.Sum256(config)
	return hex.EncodeToString(sum[:16])
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// due reports whether there is work: a configuration that is new, a pass that
// has not ended, or one that ended with an earlier day.
func (p *progress) due(config, day string) bool {
	return p.Config != config || !p.Done || p.Day < day
}

func taskOf(b *store.Bucket) string { return "lifecycle/" + b.ID }

// claim takes over the work in a bucket. ok is false where there is none, or
// where another node does it.
func (w *Worker) claim(ctx context.Context, b *store.Bucket, config string) (p progress, ok bool, err error) {
	now := w.cfg.Clock()
	day := dayOf(now)
	err = w.cfg.Journal.UpdateTask(ctx, taskOf(b), func(old []byte) ([]byte, error) {
		p, ok = progress{}, false
		if old != nil {
			if err := json.Unmarshal(old, &p); err != nil {
				p = progress{} // of another version of this program: begin anew
			}
		}
		if p.Holder != "" && p.Holder != w.cfg.Node && now.Before(p.Until) || !p.due(config, day) {
			return nil, nil
		}
		if p.Config != config || p.Done {
			p = progress{Config: config, Day: day}
		}
		ok, p.Holder, p.Until = true, w.cfg.Node, now.Add(leaseTime)
		return json.Marshal(p)
	})
	return p, ok, err
}

// save keeps how far the work is, and the lease; release gives that up. It fails
// with errLost where the work is another node's by now.
func (w *Worker) save(ctx context.Context, b *store.Bucket, p *progress, release bool) error {
	p.Until = w.cfg.Clock().Add(leaseTime)
	return w.cfg.Journal.UpdateTask(ctx, taskOf(b), func(old []byte) ([]byte, error) {
		var now progress
		if err := json.Unmarshal(old, &now); err != nil || now.Holder != w.cfg.Node || now.Config != p.Config {
			return nil, errLost
		}
		next := *p
		if release {
			next.Holder, next.Until = "", time.Time{}
		}
		return json.Marshal(next)
	})
}
