package trail

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

const hexSignature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"

var when = time.Date(2026, 3, 3, 14, 20, 27, 0, time.UTC)

// download is a download with a pass of an account.
func download() daypass.Event {
	return daypass.Event{
		Time: when, RequestID: "MB8NVKR3FVMSSRM9", HostID: "hostid=", Action: daypass.GetObject, Operation: "REST.GET.OBJECT",
		Object: daypass.ObjectRef{Bucket: "my-bucket", Key: "a/b.gz"}, BucketOwner: "111122223333",
		Grant: daypass.Grant{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Owner: "111122223333", Scheme: daypass.SchemeQuery,
			SignatureVersion: "SigV4", PassID: "MFRGGZDFMZTWQ2LKNNWG23TPOB", Name: "for Joe"},
		Principal: "arn:aws:iam::111122223333:root", PrincipalID: "111122223333", Limits: "x-daypass-name=for%20Joe",
		Source: "192.0.2.3", Method: "GET", URI: "/my-bucket/a/b.gz?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260303%2Fap-southeast-1%2Fs3%2Faws4_request&X-Amz-Date=20260303T140026Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&response-content-disposition=attachment&x-daypass-name=for%20Joe&X-Amz-Signature=" + hexSignature,
		Protocol: "HTTP/1.1", Host: "my-bucket.s3.ap-southeast-1.amazonaws.com", UserAgent: "Mozilla/5.0",
		Status: 200, Sent: 7759, ObjectSize: 7759, Total: 70 * time.Millisecond, TLSVersion: "TLSv1.2", Cipher: "ECDHE-RSA-AES128-GCM-SHA256",
	}
}

func changed(change func(*daypass.Event)) daypass.Event {
	e := download()
	change(&e)
	audit.Clean(&e)
	return e
}

func TestRecords(t *testing.T) {
	events := []daypass.Event{
		changed(func(*daypass.Event) {}),
		changed(func(e *daypass.Event) { // a user's upload, signed in headers
			e.Action, e.Method, e.Grant.Scheme, e.URI, e.Sent, e.Received = daypass.PutObject, "PUT", daypass.SchemeHeader, "/my-bucket/a/b.gz", 0, 17
			e.Principal, e.PrincipalID = "arn:aws:iam::111122223333:user/team/alice", "AIDAEXAMPLE"
			e.Grant.PassID, e.Grant.Name, e.Limits = "", "", ""
		}),
		changed(func(e *daypass.Event) { // a refused form of a role's session
			e.Action, e.Method, e.Grant.Scheme, e.URI, e.Object.Key = "PostObject", "POST", daypass.SchemeForm, "/my-bucket", ""
			e.Principal, e.PrincipalID, e.Session = "arn:aws:sts::111122223333:assumed-role/uploader/web", "AROAEXAMPLE:web", "web"
			e.Status, e.Code, e.Message, e.Reason = 403, daypass.AccessDenied, "Access Denied", "policy: no statement allows it"
		}),
		changed(func(e *daypass.Event) { // a hostile anonymous request over plain HTTP
			e.Grant, e.Principal, e.PrincipalID, e.TLSVersion, e.Cipher = daypass.Grant{Scheme: daypass.SchemeAnonymous}, "", "", "", ""
			e.Action, e.URI, e.UserAgent, e.Object.Key = "", "/my-bucket/%zz?a=1&a=2&acl&X-Amz-Security-Token=abc\"\n", "\"},\n{\xff\u2028", "\"\n\xff"
			e.Status, e.Code = 400, "InvalidURI"
		}),
		changed(func(e *daypass.Event) { // settings
			e.Action, e.Object, e.URI, e.Grant.Scheme, e.BucketOwner = "PutBucketCors", daypass.ObjectRef{Bucket: "my-bucket"}, "/my-bucket?cors", daypass.SchemeHeader, "alice"
		}),
		changed(func(e *daypass.Event) { // a listing and a copy
			e.Action, e.Object, e.URI, e.CopySource = daypass.ListObjectsV2, daypass.ObjectRef{Bucket: "my-bucket"}, "/my-bucket?list-type=2", "/from/key?versionId=1"
		}),
		{Time: when, Action: daypass.ListBuckets},
		{Time: when, RequestID: "MB8NVKR3FVMSSRM9", Action: "LifecycleExpiration:Delete", Operation: "S3.EXPIRE.OBJECT", Grant: daypass.Grant{Scheme: daypass.SchemeService}, Principal: "AmazonS3", // by a lifecycle rule
			Object: daypass.ObjectRef{Bucket: "my-bucket", Key: "a/b.gz"}, BucketOwner: "111122223333", ObjectSize: 7759, Total: -1},
	}
	cfg := &Config{Account: "111122223333", Region: "ap-southeast-1"}
	var out bytes.Buffer
	for i := range events {
		b := (&recorder{Config: cfg}).appendRecord(nil, &events[i])
		if !json.Valid(b) || bytes.Contains(b, []byte(hexSignature)) || bytes.ContainsRune(b, '\n') {
			t.Errorf("%s", b)
		}
		json.Indent(&out, b, "", "  ")
		out.WriteByte('\n')
	}
	golden(t, "records.json", out.Bytes())
}

// TestGapRecords writes what is missing.
func TestGapRecords(t *testing.T) {
	w := newWorld(t, &memory{files: map[string]stored{}}, "a")
	w.src.batches = []Batch{{Time: w.now, Unique: "0123456789ABCDEF", Gaps: []Gap{
		{Loss: "overflow", Events: 17, From: when, To: when.Add(time.Minute)}, {Loss: "damage", Bytes: 400},
	}}}
	w.work()
	w.hours(1, 0)
	name := w.storage.names("CloudTrail/")[0]
	content, err := decompress(w.storage.files[name].body)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	json.Indent(&out, content, "", "  ")
	golden(t, "gaps.json", out.Bytes())
	if r := w.verify(nil); len(r.Findings) > 0 || r.Records != 2 {
		t.Errorf("%+v", r)
	}
}

// packed is compressed content.
func packed(content []byte) []byte {
	k, err := new(packer).get()
	if err != nil {
		panic(err)
	}
	k.content = content
	b, err := k.compress()
	if err != nil {
		panic(err)
	}
	return b
}

// FuzzRecord gives hostile texts to every place.
func FuzzRecord(f *testing.F) {
	f.Add("\"", "?a=b&c", "\x00")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		e := changed(func(e *daypass.Event) {
			e.Object.Key, e.UserAgent, e.Reason, e.Source, e.Grant.Name, e.Message = a, b, c, a, b, c
			e.URI, e.Principal, e.PrincipalID, e.Session, e.Host = "/?"+a, b, c, a, b
		})
		out := (&recorder{Config: new(Config)}).appendRecord(nil, &e)
		var rec struct {
			RequestID string `json:"requestID"`
			EventID   string `json:"eventID"`
		}
		if err := json.Unmarshal(out, &rec); err != nil || rec.RequestID != e.RequestID || rec.EventID != string(appendUUID(nil, appendIdentity(nil, &e))) {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// A memory is a Storage in memory, which can be away.
type memory struct {
	files map[string]stored
	away  error
}

type stored struct {
	body []byte
	meta map[string]string
}

func (m *memory) Put(_ context.Context, name string, body []byte, meta map[string]string) error {
	if m.away != nil {
		return m.away
	}
	m.files[name] = stored{slices.Clone(body), maps.Clone(meta)}
	return nil
}

func (m *memory) Get(_ context.Context, name string) ([]byte, map[string]string, error) {
	f, ok := m.files[name]
	if !ok {
		return nil, nil, fs.ErrNotExist
	}
	return f.body, f.meta, nil
}

func (m *memory) List(_ context.Context, prefix string) (names []string, err error) {
	for name := range m.files {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (m *memory) clone() *memory { return &memory{files: maps.Clone(m.files)} }

// names returns the names that contain a text.
func (m *memory) names(text string) (names []string) {
	for name := range m.files {
		if strings.Contains(name, text) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// A source gives out what was queued.
type source struct {
	node    string
	batches []Batch
	given   int
	state   []byte
	fail    error // of the next change of the state
}

var errIdle = errors.New("nothing to do")

func (s *source) Next(context.Context) (Batch, error) {
	if s.given == len(s.batches) {
		return Batch{}, errIdle
	}
	return s.batches[s.given], nil
}

func (s *source) Commit(state []byte) error {
	if err := s.SetState(state); err != nil {
		return err
	}
	s.given++
	return nil
}

func (s *source) State() []byte { return s.state }

func (s *source) SetState(state []byte) error {
	if err := s.fail; err != nil {
		s.fail = nil
		return err
	}
	s.state = state
	return nil
}

// queue adds a batch of numbered events.
func (s *source) queue(at time.Time, n int) {
	b := Batch{Time: at, Unique: fmt.Sprintf("%s%014d", s.node, len(s.batches))}
	b.Events = func(yield func(*daypass.Event) bool) {
		for i := range n {
			e := changed(func(e *daypass.Event) { e.Time, e.RequestID = at, fmt.Sprintf("%s-%d", b.Unique, i) })
			if !yield(&e) {
				return
			}
		}
	}
	s.batches = append(s.batches, b)
}

// keys are made once.
var keys = sync.OnceValue(func() (out [2]*rsa.PrivateKey) {
	for i := range out {
		out[i], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	return out
})

// A world is a trail and its clock.
type world struct {
	t       *testing.T
	now     time.Time
	storage *memory
	src     *source
	writer  *Writer
}

func newWorld(t *testing.T, storage *memory, node string) *world {
	w := &world{t: t, now: when, storage: storage, src: &source{node: node}}
	var err error
	w.writer, err = NewWriter(Config{Account: "111122223333", Region: "us-east-1", Bucket: "logs", Prefix: "p", Name: "daypass-" + node,
		Key: keys()[0], Storage: storage, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	w.work()
	return w
}

// work does all that is to be done at this time.
func (w *world) work() {
	w.t.Helper()
	for {
		err := w.writer.step(w.t.Context(), w.src)
		if errors.Is(err, errIdle) {
			return
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// hours lets time pass, with some files in each hour.
func (w *world) hours(n, files int) {
	for range n {
		for i := range files {
			w.now = w.now.Add(time.Minute)
			w.src.queue(w.now, i+2)
			w.work()
		}
		w.now = w.now.Truncate(time.Hour).Add(time.Hour + time.Second)
		w.work()
	}
}

func (w *world) options() VerifyOptions {
	return VerifyOptions{Storage: w.storage, Account: "111122223333", Region: "us-east-1", Prefix: "p", Bucket: "logs", Keys: []*rsa.PublicKey{&keys()[0].PublicKey}}
}

func (w *world) verify(change func(*VerifyOptions)) *Report {
	w.t.Helper()
	opts := w.options()
	if change != nil {
		change(&opts)
	}
	r, err := Verify(w.t.Context(), opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestTrailIsWhole(t *testing.T) {
	w := newWorld(t, &memory{files: map[string]stored{}}, "a")
	w.hours(5, 3)
	w.hours(1, 0) // without events
	w.now = w.now.Add(time.Minute)
	w.src.queue(w.now, 4) // not yet in a digest
	w.work()
	r := w.verify(func(o *VerifyOptions) { o.Until = w.now })
	if len(r.Findings) > 0 || r.Digests != 6 || r.Files != 15 || r.Records != 45 || len(r.Pending) != 1 || !r.From.Equal(when) || !r.To.Equal(w.now.Truncate(time.Hour)) {
		t.Errorf("%+v", r)
	}
	r = w.verify(func(o *VerifyOptions) { o.States = [][]byte{w.src.state} })
	if len(r.Findings) > 0 || len(r.Pending) > 0 || r.Files != 16 {
		t.Errorf("%+v", r)
	}
	r = w.verify(func(o *VerifyOptions) { o.From = when.Add(3 * time.Hour) })
	if len(r.Findings) > 0 || r.Digests != 3 {
		t.Errorf("%+v", r)
	}
	want := []string{
		"p/AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/03/03/111122223333_CloudTrail-Digest_us-east-1_daypass-a_us-east-1_20260303T150000Z.json.gz",
		"p/AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/03/111122223333_CloudTrail_us-east-1_20260303T1421Z_a00000000000000.json.gz",
	}
	for _, name := range want {
		if _, ok := w.storage.files[name]; !ok {
			t.Errorf("no %s in %q", name, w.storage.names(""))
		}
	}
}

// TestDigestFormat checks a digest as CloudTrail's documentation tells others
// to, without this package.
func TestDigestFormat(t *testing.T) {
	w := newWorld(t, &memory{files: map[string]stored{}}, "a")
	w.hours(2, 1)
	names := w.storage.names("Digest")
	f := w.storage.files[names[1]]
	content, err := decompress(f.body)
	if err != nil {
		t.Fatal(err)
	}
	var d map[string]any
	if err := json.Unmarshal(content, &d); err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(content)
	text := fmt.Sprintf("%s\n%s/%s\n%x\n%s", d["digestEndTime"], d["digestS3Bucket"], d["digestS3Object"], hash, d["previousDigestSignature"])
	sum := sha256.Sum256([]byte(text))
	sig, _ := hex.DecodeString(f.meta["signature"])
	if err := rsa.VerifyPKCS1v15(&keys()[0].PublicKey, crypto.SHA256, sum[:], sig); err != nil {
		t.Error(err)
	}
	first := w.storage.files[names[0]]
	firstContent, _ := decompress(first.body)
	if d["previousDigestSignature"] != first.meta["signature"] || d["previousDigestHashValue"] != fmt.Sprintf("%x", sha256.Sum256(firstContent)) {
		t.Errorf("%v", d)
	}
	var out bytes.Buffer
	json.Indent(&out, firstContent, "", "  ")
	json.Indent(&out, content, "", "  ")
	out.WriteByte('\n')
	text = strings.ReplaceAll(out.String(), Fingerprint(&keys()[0].PublicKey), "FINGERPRINT")
	text = strings.ReplaceAll(text, first.meta["signature"], "SIGNATURE")
	text = strings.ReplaceAll(text, fmt.Sprintf("%x", sha256.Sum256(firstContent)), "HASH")
	golden(t, "digests.json", []byte(text))
}

// rewrite changes the content of a file.
func (m *memory) rewrite(name string, change func(string) string) {
	f := m.files[name]
	content, _ := decompress(f.body)
	m.files[name] = stored{packed([]byte(change(string(content)))), f.meta}
}

// records changes the records of a log file.
func records(change func([]json.RawMessage) []json.RawMessage) func(string) string {
	return func(content string) string {
		var f struct{ Records []json.RawMessage }
		json.Unmarshal([]byte(content), &f)
		f.Records = change(f.Records)
		b, _ := json.Marshal(f)
		return string(b)
	}
}

// TestTampering does what somebody does who can write to the storage.
func TestTampering(t *testing.T) {
	w := newWorld(t, &memory{files: map[string]stored{}}, "a")
	w.hours(4, 3)
	w.now = w.now.Add(time.Minute)
	w.src.queue(w.now, 2)
	w.work()
	digests, logs := w.storage.names("CloudTrail-Digest/"), w.storage.names("CloudTrail/")
	tests := map[string]struct {
		tamper func(m *memory)
		want   Kind
	}{
		"remove a log file": {func(m *memory) { delete(m.files, logs[4]) }, Missing},
		"change a record": {func(m *memory) {
			m.rewrite(logs[4], func(s string) string { return strings.Replace(s, "a/b.gz", "a/c.gz", 1) })
		}, Changed},
		"remove a record": {func(m *memory) {
			m.rewrite(logs[4], records(func(r []json.RawMessage) []json.RawMessage { return r[1:] }))
		}, Changed},
		"reorder records": {func(m *memory) {
			m.rewrite(logs[4], records(func(r []json.RawMessage) []json.RawMessage { slices.Reverse(r); return r }))
		}, Changed},
		"repeat a record": {func(m *memory) {
			m.rewrite(logs[4], records(func(r []json.RawMessage) []json.RawMessage { return append(r, r[0]) }))
		}, Changed},
		"add a space": {func(m *memory) { m.rewrite(logs[4], func(s string) string { return s + " " }) }, Changed},
		"append to gzip": {func(m *memory) {
			m.files[logs[4]] = stored{body: append(slices.Clone(m.files[logs[4]].body), packed([]byte("x"))...)}
		}, Changed},
		"append rubbish": {func(m *memory) {
			m.files[logs[4]] = stored{body: append(slices.Clone(m.files[logs[4]].body), "rubbish"...)}
		}, Changed},
		"break the gzip":  {func(m *memory) { m.files[logs[4]] = stored{body: []byte("rubbish")} }, Changed},
		"swap log files":  {func(m *memory) { m.files[logs[3]], m.files[logs[4]] = m.files[logs[4]], m.files[logs[3]] }, Changed},
		"copy a log file": {func(m *memory) { m.files[strings.Replace(logs[4], "_a0", "_b0", 1)] = m.files[logs[4]] }, Added},
		"move a log file": {func(m *memory) {
			m.files[strings.Replace(logs[4], "_a0", "_b0", 1)] = m.files[logs[4]]
			delete(m.files, logs[4])
		}, Missing},
		"add an odd name":   {func(m *memory) { m.files["p/AWSLogs/111122223333/CloudTrail/us-east-1/x"] = m.files[logs[4]] }, Added},
		"remove a digest":   {func(m *memory) { delete(m.files, digests[1]) }, Missing},
		"remove the first":  {func(m *memory) { delete(m.files, digests[0]) }, Missing},
		"remove the newest": {func(m *memory) { delete(m.files, digests[3]) }, Incomplete},
		"roll back": {func(m *memory) {
			delete(m.files, digests[3])
			for _, l := range logs[9:] {
				delete(m.files, l)
			}
		}, Incomplete},
		"remove all": {func(m *memory) { clear(m.files) }, Incomplete},
		"change a digest": {func(m *memory) {
			m.rewrite(digests[1], func(s string) string { return strings.Replace(s, "1", "2", 1) })
		}, Changed},
		"change the newest": {func(m *memory) {
			m.rewrite(digests[3], func(s string) string { return strings.Replace(s, "T17:", "T16:", 1) })
		}, Changed},
		"break a digest":     {func(m *memory) { m.files[digests[1]] = stored{body: []byte("{}")} }, Changed},
		"swap digests":       {func(m *memory) { m.files[digests[1]], m.files[digests[2]] = m.files[digests[2]], m.files[digests[1]] }, Changed},
		"replay a digest":    {func(m *memory) { m.files[digests[3]] = m.files[digests[2]] }, Misplaced},
		"copy a digest":      {func(m *memory) { m.files[strings.Replace(digests[1], "0000Z", "3000Z", 1)] = m.files[digests[1]] }, Added},
		"add a late digest":  {func(m *memory) { m.files[strings.Replace(digests[3], "T18", "T19", 1)] = m.files[digests[3]] }, Misplaced},
		"odd digest name":    {func(m *memory) { m.files["p/AWSLogs/111122223333/CloudTrail-Digest/us-east-1/x"] = m.files[digests[3]] }, Added},
		"other signature":    {func(m *memory) { m.files[digests[1]] = stored{m.files[digests[1]].body, m.files[digests[2]].meta} }, Changed},
		"no signature":       {func(m *memory) { m.files[digests[3]] = stored{body: m.files[digests[3]].body} }, Changed},
		"change a new file":  {func(m *memory) { m.rewrite(logs[12], func(s string) string { return s + " " }) }, Changed},
		"remove a new file":  {func(m *memory) { delete(m.files, logs[12]) }, Missing},
		"sign by another":    {func(m *memory) { resign(m, digests[3], true) }, Untrusted},
		"sign in their name": {func(m *memory) { resign(m, digests[3], false) }, Changed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x := *w
			x.t, x.storage = t, w.storage.clone()
			tt.tamper(x.storage)
			r := x.verify(func(o *VerifyOptions) { o.Until, o.States = w.now, [][]byte{w.src.state} })
			if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Kind == tt.want }) {
				t.Errorf("want %q, found %q", tt.want, r.Findings)
			}
		})
	}
	if r := w.verify(func(o *VerifyOptions) { o.Until, o.States = w.now, [][]byte{w.src.state} }); len(r.Findings) > 0 {
		t.Errorf("nothing was changed: %q", r.Findings)
	}
}

// resign signs a changed digest with another key, and says so or not.
func resign(m *memory, name string, say bool) {
	content, _ := decompress(m.files[name].body)
	d := new(digest)
	json.Unmarshal(content, d)
	d.LogFiles = nil
	if say {
		d.DigestPublicKeyFingerprint = Fingerprint(&keys()[1].PublicKey)
	}
	content, _ = json.Marshal(d)
	signature, _ := sign(keys()[1], d, content)
	m.files[name] = stored{packed(content), map[string]string{signatureMeta: signature, algorithmMeta: signatureAlgorithm}}
}

// TestRollBackNeedsTheClock shows what the storage alone cannot tell.
func TestRollBackNeedsTheClock(t *testing.T) {
	w := newWorld(t, &memory{files: map[string]stored{}}, "a")
	w.hours(4, 2)
	digests, logs := w.storage.names("CloudTrail-Digest/"), w.storage.names("CloudTrail/")
	for _, name := range append(digests[2:], logs[4:]...) {
		delete(w.storage.files, name)
	}
	if r := w.verify(nil); len(r.Findings) > 0 {
		t.Errorf("%q", r.Findings)
	}
	if r := w.verify(func(o *VerifyOptions) { o.Until = w.now }); len(r.Findings) != 1 || r.Findings[0].Kind != Incomplete {
		t.Errorf("%q", r.Findings)
	}
	if r := w.verify(func(o *VerifyOptions) { o.States = [][]byte{w.src.state} }); len(r.Findings) != 1 || r.Findings[0].Kind != Incomplete {
		t.Errorf("%q", r.Findings)
	}
}

func TestExpiredDigests(t *testing.T) {
	w := newWorld(t, &memory{files: map[string]stored{}}, "a")
	w.hours(6, 2)
	digests, logs := w.storage.names("CloudTrail-Digest/"), w.storage.names("CloudTrail/")
	for _, name := range append(digests[:3], logs[:6]...) {
		delete(w.storage.files, name)
	}
	if r := w.verify(nil); len(r.Findings) == 0 {
		t.Error("nothing is missing")
	}
	if r := w.verify(func(o *VerifyOptions) { o.From = when.Truncate(time.Hour).Add(3 * time.Hour) }); len(r.Findings) > 0 || r.Digests != 3 {
		t.Errorf("%+v", r)
	}
}

// TestTwoNodes writes two chains over the same directories.
func TestTwoNodes(t *testing.T) {
	storage := &memory{files: map[string]stored{}}
	a, b := newWorld(t, storage, "a"), newWorld(t, storage, "b")
	a.hours(3, 2)
	b.hours(3, 1)
	r := a.verify(func(o *VerifyOptions) { o.Until, o.States = a.now, [][]byte{a.src.state, b.src.state} })
	if len(r.Findings) > 0 || r.Digests != 6 || r.Files != 9 {
		t.Errorf("%+v", r)
	}
	for _, name := range storage.names("daypass-b") {
		delete(storage.files, name)
	}
	if r := a.verify(nil); len(r.Findings) != 3 {
		t.Errorf("%+v", r)
	}
}

// TestRenamed gives the trail of a node another name and another key.
func TestRenamed(t *testing.T) {
	for _, name := range []string{"a new name", "z new name"} {
		w := newWorld(t, &memory{files: map[string]stored{}}, "m")
		w.hours(2, 1)
		w.writer.cfg.Name, w.writer.cfg.Key, w.writer.key = name, keys()[1], &keys()[1].PublicKey
		w.hours(3, 1)
		r := w.verify(func(o *VerifyOptions) {
			o.Until, o.States, o.Keys = w.now, [][]byte{w.src.state}, append(o.Keys, &keys()[1].PublicKey)
		})
		if len(r.Findings) > 0 || r.Digests != 5 || r.Files != 5 {
			t.Errorf("%+v", r)
		}
	}
}

// TestLostState begins a chain anew, which is told.
func TestLostState(t *testing.T) {
	w := newWorld(t, &memory{files: map[string]stored{}}, "a")
	w.hours(2, 1)
	w.src.state = nil
	w.work()
	w.hours(2, 1)
	if r := w.verify(nil); len(r.Findings) != 1 || r.Findings[0].Kind != Broken || r.Digests != 4 || r.Files != 4 {
		t.Errorf("%+v", r)
	}
}

// TestCutOff fails each storing of the state and each writing in turn, as when
// the process ends there: what is there in the end is the same.
func TestCutOff(t *testing.T) {
	run := func(cut int) (*world, int) {
		w := newWorld(t, &memory{files: map[string]stored{}}, "a")
		step := 0
		for i := range 30 {
			w.now = w.now.Add(9 * time.Minute)
			w.src.queue(w.now, i%4)
			for {
				w.storage.away, w.src.fail = nil, nil
				if step++; step == cut {
					w.src.fail = errors.New("cut off")
				} else if step == -cut {
					w.storage.away = errors.New("away")
				}
				if err := w.writer.step(t.Context(), w.src); errors.Is(err, errIdle) {
					break
				}
			}
		}
		return w, step
	}
	whole, steps := run(0)
	for cut := -steps; cut <= steps; cut++ {
		w, _ := run(cut)
		if diff := cmp.Diff(whole.storage.names(""), w.storage.names("")); diff != "" {
			t.Fatalf("cut at %d: %s", cut, diff)
		}
		for name, f := range w.storage.files {
			if !bytes.Equal(f.body, whole.storage.files[name].body) {
				t.Fatalf("cut at %d: %s differs", cut, name)
			}
		}
		if r := w.verify(func(o *VerifyOptions) { o.States = [][]byte{w.src.state} }); len(r.Findings) > 0 || len(r.Pending) > 0 {
			t.Fatalf("cut at %d: %+v", cut, r)
		}
	}
}

// TestDown covers the hours in which nothing ran by one digest.
func TestDown(t *testing.T) {
	w := newWorld(t, &memory{files: map[string]stored{}}, "a")
	w.hours(1, 1)
	w.now = w.now.Add(50 * time.Hour)
	w.work()
	w.hours(1, 1)
	if r := w.verify(func(o *VerifyOptions) { o.Until = w.now }); len(r.Findings) > 0 || r.Digests != 3 {
		t.Errorf("%+v", r)
	}
}

// TestFullDigest writes a digest before its time when it has many files.
func TestFullDigest(t *testing.T) {
	w := newWorld(t, &memory{files: map[string]stored{}}, "a")
	const most = 8
	w.writer.files = most
	w.hours(1, 1)
	many := func(n, digests, pending int) {
		t.Helper()
		for range n {
			w.src.queue(w.now, 1)
		}
		w.work()
		if r := w.verify(nil); len(r.Findings) > 0 || r.Digests != digests || len(r.Pending) != pending {
			t.Errorf("%d digests, %d files pending, %v", r.Digests, len(r.Pending), r.Findings)
		}
	}
	many(most+3, 2, 3)
	many(most, 2, most+3) // no two of a second
	w.now = w.now.Add(time.Second)
	many(0, 3, 0)
	w.hours(2, 1)
	if r := w.verify(func(o *VerifyOptions) { o.Until = w.now }); len(r.Findings) > 0 || r.Digests != 5 || r.Files != 2*most+6 {
		t.Errorf("%+v", r)
	}
}

// TestClockGoesBack sets the clock back while a digest is being closed. It must
// not take the place of the one before.
func TestClockGoesBack(t *testing.T) {
	w := newWorld(t, &memory{files: map[string]stored{}}, "a")
	w.hours(1, 1)
	now, ends := w.writer.cfg.Now, w.now.Truncate(time.Hour)
	times := []time.Time{ends.Add(time.Hour), ends}
	w.writer.cfg.Now = func() (at time.Time) {
		at, times = times[0], times[1:]
		return at
	}
	if err := w.writer.step(t.Context(), w.src); err != nil {
		t.Fatal(err)
	}
	w.writer.cfg.Now = now
	w.hours(2, 1)
	if r := w.verify(nil); len(r.Findings) > 0 || r.Digests != 3 {
		t.Errorf("%+v", r)
	}
}

func TestRun(t *testing.T) {
	w := newWorld(t, &memory{files: map[string]stored{}}, "a")
	w.src.queue(w.now, 1)
	done := errors.New("done")
	err := w.writer.Run(t.Context(), w.src, func(err error) bool { return errors.Is(err, errIdle) }, func(err error) { t.Error(err) })
	if !errors.Is(err, errIdle) || len(w.storage.files) != 1 {
		t.Error(err, w.storage.files)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	err = w.writer.Run(ctx, w.src, func(error) bool { return false }, func(error) { cancel(done) })
	if err != nil {
		t.Error(err)
	}
}

func TestNewWriter(t *testing.T) {
	small, _ := rsa.GenerateKey(rand.Reader, 1024)
	good := Config{Account: "1", Region: "r", Name: "n", Key: keys()[0], Storage: Dir("x")}
	for name, change := range map[string]func(*Config){
		"a small key": func(c *Config) { c.Key = small },
		"no key":      func(c *Config) { c.Key = nil },
		"no account":  func(c *Config) { c.Account = "" },
		"no storage":  func(c *Config) { c.Storage = nil },
	} {
		cfg := good
		if change(&cfg); name == "a small key" && small == nil {
			continue // this version of Go does not even make one
		}
		if _, err := NewWriter(cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := NewWriter(good); err != nil {
		t.Error(err)
	}
}

func TestDir(t *testing.T) {
	d := Dir(t.TempDir())
	if names, err := d.List(t.Context(), ""); err != nil || len(names) > 0 {
		t.Error(names, err)
	}
	if err := d.Put(t.Context(), "a/b/c", []byte("1"), nil); err != nil {
		t.Fatal(err)
	}
	if err := d.Put(t.Context(), "a/d", []byte("2"), map[string]string{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	if names, err := d.List(t.Context(), "a/"); err != nil || !slices.Equal(names, []string{"a/b/c", "a/d"}) {
		t.Error(names, err)
	}
	if names, err := d.List(t.Context(), "a/b"); err != nil || len(names) != 1 {
		t.Error(names, err)
	}
	b, meta, err := d.Get(t.Context(), "a/d")
	if err != nil || string(b) != "2" || meta["k"] != "v" {
		t.Error(b, meta, err)
	}
	if _, _, err := d.Get(t.Context(), "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestNoTime has an event without a time, alone: it is not lost.
func TestNoTime(t *testing.T) {
	w := newWorld(t, &memory{files: map[string]stored{}}, "a")
	w.src.batches = []Batch{{Time: w.now, Unique: "0123456789ABCDEF", Events: func(yield func(*daypass.Event) bool) {
		yield(&daypass.Event{RequestID: "TIMELESS"})
	}}}
	w.work()
	w.hours(1, 0)
	if names := w.storage.names("CloudTrail/"); len(names) != 1 {
		t.Fatalf("%q", names)
	}
	if r := w.verify(nil); len(r.Findings) > 0 || r.Records != 1 {
		t.Errorf("%+v", r)
	}
}

// TestRecorderForgets has one recorder append what it remembers, and what looks
// like it, in any order: as one would that remembers nothing.
func TestRecorderForgets(t *testing.T) {
	var events []daypass.Event
	for _, change := range []func(*daypass.Event){
		func(*daypass.Event) {},
		func(e *daypass.Event) { e.Grant.AccessKeyID = "OTHER" },
		func(e *daypass.Event) { e.Grant.AccessKeyID = "" },
		func(e *daypass.Event) { e.Grant.Owner = "bob" },
		func(e *daypass.Event) { e.Principal = "arn:aws:iam::111122223333:user/joe" },
		func(e *daypass.Event) { e.Principal = "arn:aws:sts::111122223333:assumed-role/role/session" },
		func(e *daypass.Event) { e.PrincipalID = "AIDA" },
		func(e *daypass.Event) {
			e.Principal, e.Session = "arn:aws:sts::111122223333:assumed-role/role/session", "arn:aws:iam::111122223333:role/path/role"
		},
		func(e *daypass.Event) { e.Grant.Scheme = daypass.SchemeLocal },
		func(e *daypass.Event) { e.Grant.Scheme = daypass.SchemeService },
		func(e *daypass.Event) { e.Grant.Scheme, e.Principal = daypass.SchemeService, amazonS3 },
		func(e *daypass.Event) { e.Grant = daypass.Grant{}; e.Principal, e.PrincipalID = "", "" },
		func(e *daypass.Event) { e.BucketOwner = "bob" },
		func(e *daypass.Event) { e.BucketOwner = "" },
		func(e *daypass.Event) { e.Object.Bucket, e.Object.Key = `a"b`, "k\n" },
	} {
		events = append(events, changed(change))
	}
	cfg := &Config{Account: "111122223333", Region: "us-east-1"}
	r := &recorder{Config: cfg}
	for i := range 10 * len(events) * len(events) {
		e := &events[i*i/7%len(events)]
		if got, want := string(r.appendRecord(nil, e)), string((&recorder{Config: cfg}).appendRecord(nil, e)); got != want {
			t.Fatalf("\n got %s\nwant %s", got, want)
		}
	}
}

func TestHidden(t *testing.T) {
	for _, name := range hidden {
		if !isHidden(name) || !isHidden(strings.ToUpper(name)) || isHidden(name+"x") {
			t.Errorf("%s is not hidden, or more than that", name)
		}
	}
}

// BenchmarkRecord is one record, without compression.
func BenchmarkRecord(b *testing.B) {
	r, e := &recorder{Config: &Config{Account: "111122223333", Region: "us-east-1"}}, changed(func(*daypass.Event) {})
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = r.appendRecord(buf[:0], &e)
	}
}

func ExampleVerify() {
	r, err := Verify(context.Background(), VerifyOptions{Storage: Dir("testdata/none"), Account: "111122223333", Region: "us-east-1", Until: when})
	fmt.Println(r, errors.Is(err, fs.ErrNotExist))
	// Output: <nil> true
}
