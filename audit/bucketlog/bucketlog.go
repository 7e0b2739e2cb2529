package bucketlog

import (
	"context"
	"errors"
	"time"

	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/audit/spool"
)

// A Source gives out events. It is a consumer of a spool, which knows when a
// batch is due.
type Source interface {
	// Wait waits until Next has a batch, and returns up to where everything
	// was recorded by then; Skip goes there unread. See spool.Consumer.
	Wait(context.Context) (spool.Position, error)
	Skip(spool.Position) (bool, error)
	// Next returns a batch, the same again until it is committed.
	Next(context.Context) (*spool.Batch, error)
	// Commit is done with a batch, and stores a state with that; State
	// returns what was stored last.
	Commit(b *spool.Batch, state []byte) error
	State() []byte
}

// Buckets are the buckets that have logs, and that logs are delivered to.
type Buckets interface {
	// Logged reports whether any bucket has its log delivered.
	Logged(ctx context.Context) (bool, error)
	// Destination returns where the log of a bucket goes, nil where it goes
	// nowhere or there is no such bucket. ErrRefused where that cannot be
	// read; other errors are of the moment.
	Destination(ctx context.Context, bucket string) (*Destination, error)
	// Put writes an object where there is none of that name, and does nothing
	// where there is one. ErrRefused where the target does not take it;
	// other errors are of the moment.
	Put(ctx context.Context, o *Object) error
}

// ErrRefused is what a target answers that will not take an object later
// either.
var ErrRefused = errors.New("refused")

// A Destination is where the log of a bucket goes.
type Destination struct {
	// BucketID is the creation of the bucket that is logged, Owner its owner
	// and Created the time of it: requests of other owners' buckets of that
	// name, and of earlier ones, are not for it.
	BucketID, Owner string
	Created         time.Time
	// Target is the bucket that the log goes to, Keys what its keys are like.
	Target string
	Keys   audit.LogPrefix
	// ACL is the access control list of log objects, as the store keeps it;
	// nil is none.
	ACL []byte
}

// An Object is one object of a log.
type Object struct {
	// Source is the bucket that is logged, Owner its owner.
	Source string `json:"source"`
	Owner  string `json:"owner"`
	// Target and Key are where the object goes.
	Target string `json:"target"`
	Key    string `json:"key"`
	ACL    []byte `json:"acl,omitempty"`
	// Body is the lines.
	Body []byte `json:"-"`
}

// A Config says what a Delivery works with. Zero values of the bounds and times
// mean the defaults.
type Config struct {
	Source  Source
	Buckets Buckets
	// Dir is the directory of the queue. It is made when it is first needed.
	Dir string
	// MaxBytes bounds the queue, 1 GiB by default.
	MaxBytes int64
	// PutTimeout is how long a target may take for an object, 30 s by
	// default.
	PutTimeout time.Duration
	// Failed is told what did not work and is tried again, Refused what was
	// dropped: once an hour for the same log and reason.
	Failed, Refused func(error)
	// Lost is told how many bytes of lines were dropped, whenever any are;
	// nil tells nobody.
	Lost func(bytes int)
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

func (c *Config) setDefaults() {
	if c.MaxBytes <= 0 {
		c.MaxBytes = 1 << 30
	}
	if c.PutTimeout <= 0 {
		c.PutTimeout = 30 * time.Second
	}
	if c.Lost == nil {
		c.Lost = func(int) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}
