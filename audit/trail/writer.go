package trail

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/daypass/daypass"
)

// A Config says what a trail is.
type Config struct {
	// Account is the 12-digit id of the account whose trail it is, Region
	// the region.
	Account, Region string
	// Bucket and Prefix are where files go: names begin with the prefix, and
	// a slash where it is not empty. Bucket is only written down.
	Bucket, Prefix string
	// Name names the trail. Nodes that write to one place need names of their
	// own.
	Name string
	// Key signs digests: RSA of 2048 bits or more.
	Key crypto.Signer
	// Storage takes the files.
	Storage Storage
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

// A Writer writes a trail.
type Writer struct {
	cfg    Config
	key    *rsa.PublicKey
	files  int // a digest has at most
	packer packer
	record recorder
}

// NewWriter returns a writer.
func NewWriter(cfg Config) (*Writer, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Key == nil {
		return nil, errors.New("trail: no key")
	}
	key, ok := cfg.Key.Public().(*rsa.PublicKey)
	if !ok || key.N.BitLen() < 2048 {
		return nil, errors.New("trail: digests are signed by RSA keys of 2048 bits or more")
	}
	if cfg.Account == "" || cfg.Region == "" || cfg.Name == "" || cfg.Storage == nil {
		return nil, errors.New("trail: account, region, name and storage are needed")
	}
	w := &Writer{cfg: cfg, key: key, files: digestFiles}
	w.record.Config = &w.cfg
	return w, nil
}

// A Batch is events for one file.
type Batch struct {
	// Time is when the batch was given out first, Unique 16 characters that
	// no other batch has. They name the file: a batch that comes again has
	// the same.
	Time   time.Time
	Unique string
	// Events must be cleaned (audit.Clean), as those of a spool are. Each is
	// valid until the next one comes. Nil is none.
	Events iter.Seq[*daypass.Event]
	// Gaps are where events are missing. Each becomes a record.
	Gaps []Gap
}

// A Gap stands where events are missing, as package spool says why.
type Gap struct {
	Loss          string
	Events, Bytes uint64    // 0 where not known
	From, To      time.Time // zero where not known
}

// A Source gives out events and keeps the state of a Writer. It is a consumer
// of a spool.
type Source interface {
	// Next waits for events. Until they are committed it returns the same
	// again.
	Next(context.Context) (Batch, error)
	// Commit is done with the batch that Next returned, and stores a state
	// with that: both or none.
	Commit(state []byte) error
	// State returns what was stored last, nil for nothing, and SetState
	// stores it.
	State() []byte
	SetState(state []byte) error
}

// A state is what a writer remembers.
type state struct {
	// Start is when the next digest starts, that is where the last ended.
	Start time.Time `json:"start"`
	// Closing is when the digest ends that is being written; zero where none
	// is.
	Closing time.Time `json:"closing,omitzero"`
	// Previous is the last digest, nil for none.
	Previous *previous `json:"previous,omitempty"`
	// Files are those written since.
	Files []digestFile `json:"files"`
}

type previous struct {
	Object    string `json:"object"`
	Bucket    string `json:"bucket"`
	Hash      string `json:"hash"`
	Signature string `json:"signature"`
}

// digestEvery is how often digests are written, on the hour.
const digestEvery = time.Hour

// digestFiles is how many files a digest has at most, so that under load, too,
// what is stored with each batch stays small: then digests are written earlier.
const digestFiles = 512

// Run writes what a source gives, and a digest after each hour, until the
// context ends or the source fails for good, which stop says of an error.
// Everything else is tried again after a pause that grows to a minute, and told
// to failed.
func (w *Writer) Run(ctx context.Context, src Source, stop func(error) bool, failed func(error)) error {
	for pause := time.Second; ; {
		err := w.step(ctx, src)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			pause = time.Second
			continue
		case stop(err):
			return err
		}
		failed(err)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		pause = min(2*pause, time.Minute)
	}
}

// step writes one batch, or a digest when that is due.
func (w *Writer) step(ctx context.Context, src Source) error {
	st, err := w.load(src)
	if err != nil {
		return err
	}
	due := st.Start.Truncate(digestEvery).Add(digestEvery)
	now := w.cfg.Now()
	full := len(st.Files) >= w.files && atSecond(now).After(st.Start)
	if !st.Closing.IsZero() || !now.Before(due) || full {
		return w.closeDigest(ctx, src, st, now)
	}
	wait, cancel := context.WithTimeout(ctx, due.Sub(now))
	defer cancel()
	b, err := src.Next(wait)
	if err != nil {
		if wait.Err() != nil && ctx.Err() == nil {
			return nil // a digest is due
		}
		return err
	}
	return w.writeBatch(ctx, src, st, b)
}

// load reads the state of a source, and stores the first one.
func (w *Writer) load(src Source) (st state, err error) {
	if b := src.State(); b != nil {
		return st, json.Unmarshal(b, &st)
	}
	st.Start = atSecond(w.cfg.Now())
	return st, store(src.SetState, st)
}

func store(set func([]byte) error, st state) error {
	b, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return set(b)
}

// writeBatch writes a log file.
func (w *Writer) writeBatch(ctx context.Context, src Source, st state, b Batch) error {
	k, err := w.packer.get()
	if err != nil {
		return err
	}
	defer w.packer.put(k)
	var oldest, newest time.Time
	k.content, oldest, newest = w.record.appendRecords(k.content, b)
	if len(k.content) == len(recordsBegin+recordsEnd) { // there are none
		return store(src.Commit, st)
	}
	name := w.logName(b.Time, b.Unique)
	if err := w.put(ctx, name, k, nil); err != nil {
		return err
	}
	st.Files = append(st.Files, digestFile{
		S3Bucket: w.cfg.Bucket, S3Object: name, HashValue: hexHash(k.content), HashAlgorithm: hashAlgorithm,
		NewestEventTime: atSecond(newest), OldestEventTime: atSecond(oldest),
	})
	return store(src.Commit, st)
}

// put stores a file.
func (w *Writer) put(ctx context.Context, name string, k *pack, meta map[string]string) error {
	body, err := k.compress()
	if err != nil {
		return err
	}
	return w.cfg.Storage.Put(ctx, name, body, meta)
}

// What a log file has around its records.
const recordsBegin, recordsEnd = `{"Records":[`, "]}\n"

// appendRecords appends a log file, and returns the times of its first and
// last record.
func (r *recorder) appendRecords(dst []byte, b Batch) (content []byte, oldest, newest time.Time) {
	dst = append(dst, recordsBegin...)
	start := len(dst)
	next := func(at time.Time) {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		if oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
		if at.After(newest) {
			newest = at
		}
	}
	if b.Events != nil {
		for e := range b.Events {
			next(e.Time)
			dst = r.appendRecord(dst, e)
		}
	}
	for i, g := range b.Gaps {
		next(b.Time)
		dst = r.appendGap(dst, &b, i, g)
	}
	return append(dst, recordsEnd...), oldest, newest
}

// closeDigest writes the digest that is due at a time. Its end is stored before, so that
// a process that is cut off writes the very same one again.
func (w *Writer) closeDigest(ctx context.Context, src Source, st state, now time.Time) error {
	if st.Closing.IsZero() {
		if st.Closing = atSecond(now.Truncate(digestEvery)); !st.Closing.After(st.Start) {
			st.Closing = atSecond(now) // it is full
		}
		if err := store(src.SetState, st); err != nil {
			return err
		}
	}
	d := w.digest(&st)
	content, err := json.Marshal(d)
	if err != nil {
		return err
	}
	signature, err := sign(w.cfg.Key, d, content)
	if err != nil {
		return err
	}
	meta := map[string]string{signatureMeta: signature, algorithmMeta: signatureAlgorithm}
	k, err := w.packer.get()
	if err != nil {
		return err
	}
	defer w.packer.put(k)
	k.content = append(k.content, content...)
	if err := w.put(ctx, d.DigestS3Object, k, meta); err != nil {
		return err
	}
	return store(src.SetState, state{
		Start:    st.Closing,
		Previous: &previous{Object: d.DigestS3Object, Bucket: d.DigestS3Bucket, Hash: hexHash(content), Signature: signature},
	})
}

// digest returns the digest of a state.
func (w *Writer) digest(st *state) *digest {
	d := &digest{
		AWSAccountID: w.cfg.Account, DigestStartTime: st.Start, DigestEndTime: st.Closing,
		DigestS3Bucket: w.cfg.Bucket, DigestS3Object: w.digestName(st.Closing),
		DigestPublicKeyFingerprint: Fingerprint(w.key), DigestSignatureAlgorithm: signatureAlgorithm, LogFiles: st.Files,
	}
	if d.LogFiles == nil {
		d.LogFiles = []digestFile{}
	}
	for i := range d.LogFiles {
		f := &d.LogFiles[i]
		if d.NewestEventTime == nil || f.NewestEventTime.After(*d.NewestEventTime) {
			d.NewestEventTime = &f.NewestEventTime
		}
		if d.OldestEventTime == nil || f.OldestEventTime.Before(*d.OldestEventTime) {
			d.OldestEventTime = &f.OldestEventTime
		}
	}
	if p := st.Previous; p != nil {
		algorithm := hashAlgorithm
		d.PreviousDigestS3Bucket, d.PreviousDigestS3Object = &p.Bucket, &p.Object
		d.PreviousDigestHashValue, d.PreviousDigestHashAlgorithm = &p.Hash, &algorithm
		d.PreviousDigestSignature = &p.Signature
	}
	return d
}

// logsPrefix is where the files of an account are.
func logsPrefix(prefix, account string) string {
	if prefix != "" {
		prefix += "/"
	}
	return prefix + "AWSLogs/" + account + "/"
}

// The directories of log files and of digests.
const (
	logKind    = "CloudTrail"
	digestKind = "CloudTrail-Digest"
)

// logTime and digestTime date files.
const (
	logTime    = "20060102T1504Z"
	digestTime = "20060102T150405Z"
)

func (w *Writer) logName(t time.Time, unique string) string {
	c, t := &w.cfg, t.UTC()
	return fmt.Sprintf("%s%s/%s/%s/%s_%s_%s_%s_%s.json.gz", logsPrefix(c.Prefix, c.Account), logKind, c.Region, t.Format("2006/01/02"),
		c.Account, logKind, c.Region, t.Format(logTime), unique)
}

func (w *Writer) digestName(t time.Time) string {
	c, t := &w.cfg, t.UTC()
	return fmt.Sprintf("%s%s/%s/%s/%s_%s_%s_%s_%s_%s.json.gz", logsPrefix(c.Prefix, c.Account), digestKind, c.Region, t.Format("2006/01/02"),
		c.Account, digestKind, c.Region, c.Name, c.Region, t.Format(digestTime))
}
