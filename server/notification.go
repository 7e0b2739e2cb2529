package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
)

// Destinations knows where the notifications of buckets may go: what the
// operator has opened for them, and nothing else.
type Destinations interface {
	// OpenTo reports whether there is a destination of that name that
	// the bucket may name. It is called concurrently.
	OpenTo(name, bucket string) bool
}

// written tells what a call changed.
type written struct {
	eTag, version, sequencer string
	deleteMarker             bool
}

// tell puts it into an event.
func (w *written) tell(e *daypass.Event) {
	e.ETag, e.ResultVersionID, e.Sequencer, e.DeleteMarker = w.eTag, w.version, w.sequencer, w.deleteMarker
}

// wrote notes the object that a call has stored.
func (s *Server) wrote(w *response, obj *store.Object) {
	w.size = obj.Size
	w.written = written{eTag: obj.ETag, version: obj.VersionID, sequencer: s.NextSequencer()}
}

// changed notes the object of which a call has changed what is kept beside its
// content.
func (s *Server) changed(w *response, obj *store.Object) {
	w.written = written{eTag: obj.ETag, version: obj.VersionID, sequencer: s.NextSequencer()}
}

// removed tells what a call has deleted. A version of which the marker is
// removed was none.
func (s *Server) removed(d store.Deleted, named bool) written {
	return written{version: d.VersionID, deleteMarker: d.DeleteMarker && !named, sequencer: s.NextSequencer()}
}

// NextSequencer returns a number in hexadecimal digits that is larger than any
// before it: the time in nanoseconds, or one more than the last. All have the
// same length, so that they compare as texts.
func (s *Server) NextSequencer() string {
	if s.cfg.Events == nil {
		return ""
	}
	now := s.cfg.Clock().UnixNano()
	for {
		last := s.sequence.Load()
		next := max(now, last+1)
		if s.sequence.CompareAndSwap(last, next) {
			return sequencerText(next)
		}
	}
}

// sequencerText writes a sequencer.
func sequencerText(n int64) string { return fmt.Sprintf("%016X", n) }

// getNotification answers with the notifications of a bucket, which may be none
// (S3 API reference, GetBucketNotificationConfiguration).
func (s *Server) getNotification(w *response, c *call) error {
	body, ok := c.rules.raw[settingNotification]
	if !ok {
		body = s3.Notifications(nil).Append(nil)
	}
	return w.xml(http.StatusOK, body)
}

// putNotification sets the notifications of a bucket (S3 API reference,
// PutBucketNotificationConfiguration). Whoever delivers them sends a test to
// each destination, unless the request skips the validation.
func (s *Server) putNotification(w *response, c *call) error {
	body, err := c.document(w, s3.MaxBucketBody)
	if err != nil {
		return err
	}
	list, err := s3.ParseNotifications(body)
	if err != nil {
		return err
	}
	skip := strings.EqualFold(c.head.get("X-Amz-Skip-Destination-Validation"), "true")
	if err := s.checkDestinations(c, list, skip); err != nil {
		return err
	}
	var value []byte
	if len(list) > 0 {
		if err := s.nameNotifications(list); err != nil {
			return err
		}
		value = list.Append(nil)
	}
	if err := s.set(c, settingNotification, value); err != nil {
		return err
	}
	if len(list) > 0 && !skip {
		w.written.sequencer = s.NextSequencer()
	}
	return w.empty(http.StatusOK)
}

// nameNotifications gives an id to each that has none.
func (s *Server) nameNotifications(list s3.Notifications) error {
	for i := range list {
		if list[i].ID != "" {
			continue
		}
		var b [18]byte
		if _, err := io.ReadFull(s.cfg.Rand, b[:]); err != nil {
			return err
		}
		list[i].ID = base64.RawURLEncoding.EncodeToString(b[:])
	}
	return nil
}

// checkDestinations refuses destinations that the bucket may not name. One that
// is not there, or not for this bucket, may be named where the request skips
// the validation; nothing is ever sent there.
func (s *Server) checkDestinations(c *call, list s3.Notifications, skip bool) error {
	var details []daypass.Detail
	for i := range list {
		name, region, err := list[i].DestinationName()
		if err != nil {
			return err
		}
		if region != s.cfg.Region {
			return invalidArgument("The notification destination service region is not valid for the bucket location constraint",
				string(list[i].Kind), list[i].ARN)
		}
		if skip || s.cfg.Destinations != nil && s.cfg.Destinations.OpenTo(name, c.bucket.Name) {
			continue
		}
		n := strconv.Itoa(len(details)/2 + 1)
		details = append(details, daypass.Detail{Name: "ArgumentName" + n, Value: list[i].ARN},
			daypass.Detail{Name: "ArgumentValue" + n, Value: "The destination does not exist, or is not open to this bucket"})
	}
	if details == nil {
		return nil
	}
	return &daypass.Error{Code: daypass.InvalidArgument, Details: details,
		Message: "Unable to validate the following destination configurations"}
}

// ErrUnreadable is the error of a setting that is kept and cannot be read, such as
// one by a later version. To ask again is no use.
var ErrUnreadable = errors.New("the setting cannot be read")

// NotificationsOf returns the notifications of a bucket, none where there is no
// such bucket of that owner. ErrUnreadable.
func NotificationsOf(ctx context.Context, buckets *store.Store, settings Settings, bucket, owner string) (s3.Notifications, error) {
	b, err := buckets.Bucket(ctx, bucket)
	if daypass.CodeOf(err) == daypass.NoSuchBucket {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if b.Owner != owner {
		return nil, nil
	}
	all, err := settings.BucketSettings(ctx, b.ID)
	if err != nil || all[settingNotification] == nil {
		return nil, err
	}
	list, err := s3.ParseNotifications(all[settingNotification])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return list, nil
}

// A SpentLedger tells which passes have no use left. *state.State is one.
type SpentLedger interface {
	DownloadsSpent(ctx context.Context, b state.Budget) (bool, error)
	WritesSpent(ctx context.Context, c state.Count) (bool, error)
}

// PassSpent reports whether a pass whose use an event tells of has no use left
// by now. Of a pass without a number of uses that is never so, nor is it said of
// archives, which draw on the budgets of many objects.
func PassSpent(ctx context.Context, l SpentLedger, e *daypass.Event) (bool, error) {
	q, err := url.ParseQuery(e.Limits)
	if err != nil {
		return false, nil // the text was cut
	}
	uses, err := strconv.ParseInt(q.Get(limits.Uses), 10, 64)
	if err != nil || uses < 1 || e.Grant.PassID == "" {
		return false, nil
	}
	if countsAsWrite(e.Action) {
		return l.WritesSpent(ctx, state.Count{Pass: e.Grant.PassID, Uses: uses, Ends: e.Grant.ExpiresAt})
	}
	if e.ETag == "" || e.ObjectSize < 0 {
		return false, nil
	}
	b := state.Budget{Pass: e.Grant.PassID, Uses: uses, Size: e.ObjectSize, ETag: e.ETag, Version: e.ResultVersionID, Ends: e.Grant.ExpiresAt}
	if b.Version == store.NullVersion {
		b.Version = "" // as it was drawn on
	}
	if q.Has(limits.Prefix) {
		b.Object = e.Object.Key
	}
	return l.DownloadsSpent(ctx, b)
}
