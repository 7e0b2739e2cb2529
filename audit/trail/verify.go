package trail

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// A Kind is what is wrong.
type Kind string

// The kinds of findings.
const (
	// Missing: a file that a digest names, or a digest that the next one
	// names, is not there.
	Missing Kind = "missing"
	// Changed: the content is not what was signed.
	Changed Kind = "changed"
	// Added: no digest knows the file although one should.
	Added Kind = "added"
	// Misplaced: a digest is not where it says that it is.
	Misplaced Kind = "misplaced"
	// Untrusted: a digest is signed by a key that is not known.
	Untrusted Kind = "untrusted"
	// Broken: a chain of digests begins anew, or has a hole.
	Broken Kind = "broken"
	// Incomplete: the newest digests are not there.
	Incomplete Kind = "incomplete"
)

// A Finding is one thing that is wrong.
type Finding struct {
	Kind   Kind
	Name   string // of the file
	Detail string
}

// String returns the finding for people.
func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Kind, f.Name, f.Detail) }

// A Report is what a verification found out.
type Report struct {
	// Digests, Files and Records are how many were verified.
	Digests, Files, Records int
	// From and To bound the time that all chains of digests cover.
	From, To time.Time
	// Findings are what is wrong; the trail is whole when there are none.
	Findings []Finding
	// Pending are files that are newer than the last digest, which nothing
	// vouches for yet.
	Pending []string
}

// VerifyOptions say what is verified.
type VerifyOptions struct {
	Storage                 Storage
	Account, Region, Prefix string
	// Bucket is where the files are; "" does not care.
	Bucket string
	// Keys are the public keys that may have signed.
	Keys []*rsa.PublicKey
	// From is how far back to go; zero is to the beginning. Digests before it
	// may have been removed.
	From time.Time
	// Until is the time up to which there must be digests, normally now: one
	// may be late by an hour. Zero does not care.
	Until time.Time
	// States are the states of the writers that are still there, which know
	// the last digest of each and the files since: what they know and is not
	// there was removed. They must be read before Verify is called, and may
	// know of other accounts and regions too.
	States [][]byte
}

// Verify verifies all files of a trail. An error means that it could not be
// done; what is wrong with the trail is in the report.
func Verify(ctx context.Context, opts VerifyOptions) (*Report, error) {
	v := &verifier{opts: opts, keys: make(map[string]*rsa.PublicKey), known: make(map[string]string), seen: make(map[string]bool), good: make(map[string]string), report: new(Report)}
	for _, k := range opts.Keys {
		v.keys[Fingerprint(k)] = k
	}
	names, err := opts.Storage.List(ctx, v.dir(digestKind))
	if err != nil {
		return nil, err
	}
	for _, chain := range v.chains(names) {
		if err := v.chain(ctx, chain); err != nil {
			return nil, err
		}
	}
	if err := v.states(ctx); err != nil {
		return nil, err
	}
	if err := v.strays(ctx); err != nil {
		return nil, err
	}
	v.until()
	return v.report, nil
}

type verifier struct {
	opts   VerifyOptions
	keys   map[string]*rsa.PublicKey
	known  map[string]string // log files, with the digests that name them
	seen   map[string]bool   // digests
	good   map[string]string // the hashes of digests that can be relied on
	newest []end             // of each chain
	report *Report
}

// An end is the newest digest of a chain.
type end struct {
	name string
	at   time.Time
}

func (v *verifier) dir(kind string) string {
	return logsPrefix(v.opts.Prefix, v.opts.Account) + kind + "/" + v.opts.Region + "/"
}

func (v *verifier) found(k Kind, name, format string, args ...any) {
	v.report.Findings = append(v.report.Findings, Finding{k, name, fmt.Sprintf(format, args...)})
}

// chains groups digests, oldest first, by the names of their trails.
func (v *verifier) chains(names []string) [][]string {
	byTrail := make(map[string][]string)
	var trails []string
	for _, name := range names {
		trail, ok := v.trailOf(path.Base(name))
		if !ok {
			v.found(Added, name, "it does not have the name of a digest")
			continue
		}
		if byTrail[trail] == nil {
			trails = append(trails, trail)
		}
		byTrail[trail] = append(byTrail[trail], name)
	}
	var out [][]string
	for _, trail := range trails {
		out = append(out, byTrail[trail])
	}
	return out
}

func (v *verifier) trailOf(base string) (string, bool) {
	rest, ok := strings.CutPrefix(base, v.opts.Account+"_"+digestKind+"_"+v.opts.Region+"_")
	rest, ok2 := strings.CutSuffix(rest, ".json.gz")
	i := len(rest) - len(digestTime)
	if !ok || !ok2 || i < 0 {
		return "", false
	}
	if _, err := time.Parse(digestTime, rest[i:]); err != nil {
		return "", false
	}
	return strings.CutSuffix(rest[:i], "_"+v.opts.Region+"_")
}

// chain verifies the digests of one trail, from the newest back. A trail that
// was given another name goes on from the digests of the old one.
func (v *verifier) chain(ctx context.Context, names []string) error {
	var after *digest // the one that was verified before this
	name := names[len(names)-1]
	if v.seen[name] {
		name = ""
	}
	for name != "" {
		v.seen[name] = true
		d, err := v.digest(ctx, name, after)
		if err != nil {
			return err
		}
		name, after = v.before(names, name, d)
	}
	for _, n := range names {
		if !v.seen[n] && !v.tooOld(n) {
			v.found(Added, n, "no digest refers to it")
		}
	}
	return nil
}

// tooOld reports whether a digest ended before what is to be verified.
func (v *verifier) tooOld(name string) bool {
	base := strings.TrimSuffix(path.Base(name), ".json.gz")
	t, err := time.Parse(digestTime, base[max(0, len(base)-len(digestTime)):])
	return err == nil && !v.opts.From.IsZero() && !t.After(v.opts.From)
}

// before returns the digest to verify next. Where the one that was looked at
// does not lead to it, that is the next older one that is there.
func (v *verifier) before(names []string, name string, d *digest) (string, *digest) {
	if d != nil && !v.opts.From.IsZero() && !d.DigestStartTime.After(v.opts.From) {
		return "", nil
	}
	if d != nil && d.PreviousDigestS3Object != nil {
		previous := *d.PreviousDigestS3Object
		if !v.seen[previous] {
			return previous, d
		}
		v.newest = slices.DeleteFunc(v.newest, func(e end) bool { return e.name == previous })
		return "", nil
	}
	for _, n := range slices.Backward(names) {
		if n < name && !v.seen[n] && !v.tooOld(n) {
			if d != nil {
				v.found(Broken, name, "the chain begins anew here, although there are older digests")
			}
			return n, nil
		}
	}
	return "", nil
}

// digest verifies one digest and its files. It returns nil where the digest
// cannot be relied on.
func (v *verifier) digest(ctx context.Context, name string, after *digest) (*digest, error) {
	body, meta, err := v.opts.Storage.Get(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		v.found(Missing, name, "the next digest refers to it")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	content, d, err := parseDigest(body)
	if err != nil {
		v.found(Changed, name, "it is not a digest: %v", err)
		return nil, nil
	}
	if !v.authentic(name, content, d, meta, after) {
		return nil, nil
	}
	v.good[name] = hexHash(content)
	if after == nil {
		v.newest = append(v.newest, end{name, d.DigestEndTime})
	} else if !d.DigestEndTime.Equal(after.DigestStartTime) {
		v.found(Broken, name, "it ends at %v, and the next begins at %v", d.DigestEndTime, after.DigestStartTime)
	}
	v.count(d)
	for i := range d.LogFiles {
		if err := v.file(ctx, name, &d.LogFiles[i]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func parseDigest(body []byte) ([]byte, *digest, error) {
	content, err := decompress(body)
	if err != nil {
		return nil, nil, err
	}
	d := new(digest)
	return content, d, json.Unmarshal(content, d)
}

// authentic reports whether a digest is what was signed, and in its place.
func (v *verifier) authentic(name string, content []byte, d *digest, meta map[string]string, after *digest) bool {
	signature := meta[signatureMeta]
	if after != nil {
		if after.PreviousDigestHashValue == nil || *after.PreviousDigestHashValue != hexHash(content) {
			v.found(Changed, name, "it is not the one that the next digest refers to")
			return false
		}
		if after.PreviousDigestSignature == nil || signature != *after.PreviousDigestSignature {
			v.found(Changed, name, "its signature is not the one that the next digest has")
			return false
		}
	}
	if d.DigestS3Object != name || v.opts.Bucket != "" && d.DigestS3Bucket != v.opts.Bucket {
		v.found(Misplaced, name, "it was written as %s/%s", d.DigestS3Bucket, d.DigestS3Object)
		return false
	}
	key := v.keys[d.DigestPublicKeyFingerprint]
	if key == nil || d.DigestSignatureAlgorithm != signatureAlgorithm {
		v.found(Untrusted, name, "it is signed by the key %s with %s", d.DigestPublicKeyFingerprint, d.DigestSignatureAlgorithm)
		return false
	}
	if err := verifySignature(key, d, content, signature); err != nil {
		v.found(Changed, name, "its signature is wrong")
		return false
	}
	return true
}

func (v *verifier) count(d *digest) {
	r := v.report
	r.Digests++
	if r.From.IsZero() || d.DigestStartTime.Before(r.From) {
		r.From = d.DigestStartTime
	}
	if d.DigestEndTime.After(r.To) {
		r.To = d.DigestEndTime
	}
}

// file verifies a log file against what a digest, or a writer, says of it.
func (v *verifier) file(ctx context.Context, by string, f *digestFile) error {
	name := f.S3Object
	if other, ok := v.known[name]; ok {
		v.found(Broken, name, "it is in %s and in %s", other, by)
		return nil
	}
	v.known[name] = by
	body, _, err := v.opts.Storage.Get(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		v.found(Missing, name, "it is in %s", by)
		return nil
	}
	if err != nil {
		return err
	}
	content, err := decompress(body)
	if err != nil || f.HashAlgorithm != hashAlgorithm || hexHash(content) != f.HashValue {
		v.found(Changed, name, "its content is not what %s says", by)
		return nil
	}
	var records struct{ Records []json.RawMessage }
	if err := json.Unmarshal(content, &records); err != nil {
		v.found(Changed, name, "it is not a log file: %v", err)
	}
	v.report.Files++
	v.report.Records += len(records.Records)
	return nil
}

// states compares what writers remember with what is there. A writer may have
// gone on since, so that there is more.
func (v *verifier) states(ctx context.Context) error {
	for _, b := range v.opts.States {
		st, err := parseState(b)
		if err != nil {
			return err
		}
		if p := st.Previous; p != nil && strings.HasPrefix(p.Object, v.dir(digestKind)) && v.good[p.Object] != p.Hash {
			v.found(Incomplete, p.Object, "the writer knows it as its newest digest, and no chain of digests has it")
		}
		for i := range st.Files {
			f := &st.Files[i]
			// A digest may hold it already that is not yet in the state.
			if _, ok := v.known[f.S3Object]; ok || !strings.HasPrefix(f.S3Object, v.dir(logKind)) {
				continue
			}
			if err := v.file(ctx, "the state of a writer", f); err != nil {
				return err
			}
		}
	}
	return nil
}

func parseState(b []byte) (st state, err error) {
	if err := json.Unmarshal(b, &st); err != nil {
		return st, fmt.Errorf("trail: a writer's state: %w", err)
	}
	return st, nil
}

// A Place is where the files of an account and region are.
type Place struct{ Account, Region string }

// PlacesOf returns the places that the state of a writer knows of: all of their
// files may have been removed.
func PlacesOf(writer []byte) (places []Place, err error) {
	st, err := parseState(writer)
	if err != nil {
		return nil, err
	}
	var names []string
	if st.Previous != nil {
		names = append(names, st.Previous.Object)
	}
	for i := range st.Files {
		names = append(names, st.Files[i].S3Object)
	}
	for _, name := range names {
		parts := strings.Split(name, "/")
		i := slices.Index(parts, "AWSLogs") + 1
		if i == 0 || len(parts) < i+3 {
			continue
		}
		if p := (Place{parts[i], parts[i+2]}); !slices.Contains(places, p) {
			places = append(places, p)
		}
	}
	return places, nil
}

// strays finds log files that nothing vouches for.
func (v *verifier) strays(ctx context.Context) error {
	names, err := v.opts.Storage.List(ctx, v.dir(logKind))
	if err != nil {
		return err
	}
	var covered time.Time // by every chain
	for _, e := range v.newest {
		if v.isLast(e) && (covered.IsZero() || e.at.Before(covered)) {
			covered = e.at
		}
	}
	for _, name := range names {
		if _, ok := v.known[name]; ok {
			continue
		}
		t, ok := v.timeOf(path.Base(name))
		switch {
		case ok && !v.opts.From.IsZero() && t.Before(v.opts.From):
			// It is not asked about.
		case ok && !t.Before(covered.Truncate(time.Minute)):
			v.report.Pending = append(v.report.Pending, name)
		default:
			v.found(Added, name, "no digest has it")
		}
	}
	return nil
}

// timeOf returns the time in the name of a log file.
func (v *verifier) timeOf(base string) (time.Time, bool) {
	rest, ok := strings.CutPrefix(base, v.opts.Account+"_"+logKind+"_"+v.opts.Region+"_")
	date, _, ok2 := strings.Cut(rest, "_")
	t, err := time.Parse(logTime, date)
	return t, ok && ok2 && err == nil
}

// lateness is how old the newest digest may be: it covers an hour, and its
// writing may take some time.
const lateness = 2 * digestEvery

// until checks that the trail goes on to where it must.
func (v *verifier) until() {
	if v.opts.Until.IsZero() {
		return
	}
	if len(v.newest) == 0 {
		v.found(Incomplete, v.dir(digestKind), "there is no digest that can be relied on")
	}
	for _, e := range v.newest {
		if e.at.Add(lateness).Before(v.opts.Until) && v.isLast(e) {
			v.found(Incomplete, e.name, "it is the newest digest and ends at %v", e.at)
		}
	}
}

// isLast reports whether an end is that of its trail, rather than of a part
// of a broken chain.
func (v *verifier) isLast(e end) bool {
	trail, _ := v.trailOf(path.Base(e.name))
	for _, other := range v.newest {
		if t, _ := v.trailOf(path.Base(other.name)); t == trail && other.at.After(e.at) {
			return false
		}
	}
	return true
}
