package s3store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// Ceph RGW 16 answers both with success where an upload is completed and aborted
// at the same time, and may take the parts of the completed object away. So
// where the upstream does not look at what is there when it completes an upload,
// whoever ends one first says how, in a control object that only one can make.

// The ways in which an upload ends.
const (
	endComplete = "complete"
	endAbort    = "abort"
)

// An endClaim is the control object uploads/BUCKET/UPSTREAM-ID/end.
type endClaim struct {
	End string    `json:"end"`
	At  time.Time `json:"at"`
	// Nonce makes every claim another one.
	Nonce string `json:"nonce"`
}

// endAbandoned is the least time that a completion may take; after that an
// abortion goes on.
const endAbandoned = 10 * time.Minute

// endAfter is how long a completion may take: longer than any node waits for one,
// and than clocks that go by NTP differ.
func (d *Driver) endAfter() time.Duration { return max(endAbandoned, 2*slowFactor*d.config.Timeout) }

// endWait is how long an abortion waits for a completion to end.
const endWait = 5 * time.Second

func (u *openUpload) endName() string { return uploadName(u.hold.name, u.upstream) + "/end" }

// claimsEnd reports whether the end of uploads must be claimed.
func (d *Driver) claimsEnd() bool { return !d.can.CompleteIfNoneMatch }

// claimEnd makes sure that an upload ends in one way only. NoSuchUpload: it has
// ended in the other; ServiceUnavailable: it is being completed.
func (d *Driver) claimEnd(ctx context.Context, u *openUpload, end string) error {
	if !d.claimsEnd() {
		return nil
	}
	nonce, err := newNonce()
	if err != nil {
		return err
	}
	value, err := json.Marshal(&endClaim{end, d.now().UTC(), nonce})
	if err != nil {
		return err
	}
	for until := d.now().Add(endWait); ; {
		_, err := d.writeControl(ctx, u.endName(), value, "")
		if daypass.CodeOf(err) != daypass.PreconditionFailed {
			return err
		}
		have, err := d.readEnd(ctx, u)
		switch {
		case err != nil:
			return err
		case have == nil: // it was given up, or the upload has ended
			if _, _, err := d.readControl(ctx, uploadName(u.hold.name, u.upstream)); err != nil {
				return d.ended(ctx, u, err)
			}
		case have.End == end:
			return nil
		case end == endComplete:
			return noSuchUpload(u.id)
		case d.now().Sub(have.At) > d.endAfter():
			return d.checkAbandoned(ctx, u)
		}
		if d.now().After(until) {
			return &daypass.Error{Code: daypass.ServiceUnavailable, Err: errors.New("the upload is being completed")}
		}
		if err := sleep(ctx, endWait/50); err != nil {
			return err
		}
	}
}

// checkAbandoned looks whether a completion that nobody waits for any more has
// made its object, whose parts an abortion might take away. NoSuchUpload: it has.
func (d *Driver) checkAbandoned(ctx context.Context, u *openUpload) error {
	out, err := d.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.at.bucket, Key: &u.at.key})
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return d.fail("look for a completed upload", err)
	}
	if _, e := decodeMeta(describeHead(out)); e.Upload != u.Nonce {
		return nil
	}
	return d.ended(ctx, u, noSuchUpload(u.id))
}

// readEnd returns how an upload is being ended, nil where it is not.
func (d *Driver) readEnd(ctx context.Context, u *openUpload) (*endClaim, error) {
	value, _, err := d.readControl(ctx, u.endName())
	if daypass.CodeOf(err) == daypass.NoSuchKey {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	have := new(endClaim)
	if err := json.Unmarshal(value, have); err != nil {
		return nil, fmt.Errorf("s3store: the control object %s is damaged: %w", u.endName(), err)
	}
	return have, nil
}

// giveUpEnd takes a claim back where the upstream has refused to end the upload.
// Where it is not known what became of it, the claim stays.
func (d *Driver) giveUpEnd(ctx context.Context, u *openUpload, failed error) {
	if failed == nil || !d.claimsEnd() {
		return
	}
	switch daypass.CodeOf(failed) {
	case daypass.ServiceUnavailable, daypass.InternalError, daypass.SlowDown, store.NoSuchUpload, daypass.NoSuchBucket:
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err := d.deleteControl(ctx, u.endName()); err != nil {
		d.log.Warn("an upload whose completion was refused stays claimed", "bucket", u.hold.name, "error", err)
	}
}
