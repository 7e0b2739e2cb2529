package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// An EventSink takes the events of requests. It must neither block nor keep
// what it is given, and it takes secrets out of it before anything is recorded
// (audit.Clean).
type EventSink interface {
	Append(e *daypass.Event)
}

// What requests ask for that no action of S3 is.
var (
	askPreflight = s3.Action{Name: "PreflightRequest", Operation: "REST.OPTIONS.PREFLIGHT"}
	askPINEntry  = s3.Action{Name: "EnterPIN", Operation: "REST.POST.PIN"}
	askSTS       s3.Action // one of STS, which S3's access logs do not have
)

// An intake tells what was read of a request's body. Whoever reads it may do
// so on another goroutine.
type intake struct {
	start  time.Time
	length int64 // of the whole body; negative where it is not known
	timed  bool
	bytes  atomic.Int64
	ended  atomic.Int64 // when the last byte came, in ns after start
}

func (i *intake) add(n int, ended bool) {
	if i == nil {
		return
	}
	sum := i.bytes.Add(int64(n))
	if i.timed && (ended || sum == i.length) {
		i.ended.CompareAndSwap(0, int64(time.Since(i.start)))
	}
}

// A part is what a request does to one of several objects, of which S3's access
// logs tell beside the request: the source of a copy, an object of
// DeleteObjects.
type part struct {
	action    daypass.Action
	operation string
	ref       daypass.ObjectRef
	owner     string // of the bucket
	size      int64
	status    int
	err       error
	written   written
	// byACL says that an access control list decided.
	byACL bool
}

// end notes what came of a part. There may be none.
func (p *part) end(status int, err error) {
	if p == nil {
		return
	}
	if p.status, p.err = status, err; err != nil {
		p.status = s3.Status(s3.ErrorOf(err).Code)
	}
}

// deletions are the parts of DeleteObjects, none where nobody wants to know.
func (s *Server) deletions(c *call, objects []s3.DeleteObject) []part {
	if s.cfg.Events == nil {
		return nil
	}
	parts := make([]part, len(objects))
	for i := range objects {
		parts[i] = part{action: daypass.DeleteObject, operation: "BATCH.DELETE.OBJECT", owner: c.bucket.Owner, size: -1,
			ref: daypass.ObjectRef{Bucket: c.ref.Bucket, Key: objects[i].Key, VersionID: objects[i].VersionID}}
	}
	return parts
}

// part returns one of the parts of a call, nil where there are none.
func (c *call) part(i int) *part {
	if i >= len(c.parts) {
		return nil
	}
	return &c.parts[i]
}

// readSource makes the source of a copy the part of its call, that of the last
// attempt.
func (s *Server) readSource(c *call, ref daypass.ObjectRef) {
	if s.cfg.Events == nil {
		return
	}
	p := part{action: daypass.GetObject, operation: c.action.Operation + "_GET", ref: ref, size: -1}
	if b, err := s.store.Bucket(c.r.Context(), ref.Bucket); err == nil {
		p.owner = b.Owner
	}
	c.parts = append(c.parts[:0], p)
}

// endSource notes what came of reading the source of a copy.
func (c *call) endSource(src *source, err error) {
	p := c.part(0)
	if p == nil {
		return
	}
	if src != nil {
		p.size = src.obj.Size
	}
	p.end(http.StatusOK, err)
}

// emit hands the event of a request, and those of its parts, to the sink.
func (s *Server) emit(x *exchange, took time.Duration) {
	if s.cfg.Events == nil && x.span == nil {
		return
	}
	e, _ := s.events.Get().(*daypass.Event)
	if e == nil {
		e = new(daypass.Event)
	}
	s.event(e, x, took)
	if x.span != nil {
		x.span.End(e)
	}
	if s.cfg.Events != nil {
		s.append(e, x)
	}
	*e = daypass.Event{}
	s.events.Put(e)
}

// append hands an event, and those of its request's parts, to the sink.
func (s *Server) append(e *daypass.Event, x *exchange) {
	s.cfg.Events.Append(e)
	if x.call != nil {
		for i := range x.call.parts {
			x.call.parts[i].event(e)
			s.cfg.Events.Append(e)
		}
	}
}

// event makes an event the part's, of one that is the request's or another
// part's. As in S3's logs it has no request of its own, so neither bytes nor
// times.
func (p *part) event(e *daypass.Event) {
	e.Action, e.Operation, e.Object, e.BucketOwner = p.action, p.operation, p.ref, p.owner
	e.Method, e.URI, e.Protocol, e.Referer, e.UserAgent, e.CopySource = "", "", "", "", "", ""
	e.Sent, e.Received, e.ObjectSize, e.Total, e.TurnAround = 0, 0, p.size, -1, 0
	e.Status, e.ACLRequired = p.status, p.byACL
	p.written.tell(e)
	e.Code, e.Message, e.Reason = "", "", ""
	if p.err != nil {
		said := s3.ErrorOf(p.err)
		e.Code, e.Message, e.Reason = said.Code, said.Message, reasonOf(p.err)
	}
}

// event fills in the event of a request that has been answered.
func (s *Server) event(e *daypass.Event, x *exchange, took time.Duration) {
	r := x.r
	e.Time, e.RequestID, e.HostID = x.arrived, x.w.ids[0], x.w.ids[1]
	e.Source, e.Peer = s.sourceText(r), r.RemoteAddr
	e.Method, e.URI, e.Protocol, e.Host = r.Method, r.RequestURI, r.Proto, r.Host
	if e.URI == "" {
		e.URI = r.URL.RequestURI()
	}
	e.Referer, e.UserAgent = first(r.Header["Referer"]), first(r.Header["User-Agent"])
	if r.TLS != nil {
		e.TLSVersion, e.Cipher = tlsVersion(r.TLS.Version), cipherName(r.TLS.CipherSuite)
	}
	if x.span != nil {
		e.TraceID = x.span.TraceID()
	}
	s.subjectOf(e, x)
	s.signerOf(e, x)
	x.w.written.tell(e)
	e.Status, e.Received, e.ObjectSize, e.Total = x.w.status, x.in.bytes.Load(), x.w.size, took
	if r.Method != http.MethodHead {
		e.Sent = x.w.sent
	}
	if !x.w.first.IsZero() {
		e.TurnAround = x.w.first.Sub(x.start) - time.Duration(x.in.ended.Load())
	}
	x.outcome(e)
}

// subjectOf fills in what the request is about.
func (s *Server) subjectOf(e *daypass.Event, x *exchange) {
	if x.asks == &askPreflight || x.asks == nil && (x.target == nil || x.target.action == nil) {
		s.guess(e, x)
	}
	t := x.target
	if t != nil {
		e.Object, e.BucketOwner = t.ref, t.bucket.Owner
		if t.action != nil {
			e.Action, e.Operation = t.action.Name, t.action.Operation
		}
	}
	if x.asks != nil {
		e.Action, e.Operation = x.asks.Name, x.asks.Operation
	}
	switch e.Action {
	case daypass.CopyObject, daypass.UploadPartCopy:
		if e.CopySource = first(x.r.Header["X-Amz-Copy-Source"]); e.CopySource == "" {
			e.CopySource, _ = t.query.LookupFold("X-Amz-Copy-Source")
		}
	case daypass.CreateBucket:
		if x.call != nil && x.err == nil {
			e.BucketOwner = x.call.grant.Owner
		}
	}
}

// guess finds out what it can of a request that was refused before its action
// was known: the bucket's owner may want to learn of it.
func (s *Server) guess(e *daypass.Event, x *exchange) {
	sub := ""
	if x.target == nil {
		p, ok := s.placeOf(x.r)
		if !ok {
			return
		}
		x.target = &target{place: p, ref: daypass.ObjectRef{Bucket: p.bucket, Key: p.key}}
	} else {
		sub, _ = x.target.subResource(x.r.Method)
	}
	t := x.target
	e.Operation = s3.Operation(x.r.Method, t.place.level, sub)
	if store.ValidBucketName(t.ref.Bucket) == nil {
		// The client may have left already.
		t.bucket, _ = s.store.Bucket(context.WithoutCancel(x.r.Context()), t.ref.Bucket)
	}
}

// signerOf fills in who signed, and with which pass.
func (s *Server) signerOf(e *daypass.Event, x *exchange) {
	c := x.call
	if c == nil {
		e.Grant = x.claim()
		return
	}
	if c.claim.Scheme != "" {
		e.Grant = c.claim
		return
	}
	e.Grant, e.Limits = c.grant, c.limitText()
	e.ACLRequired = c.deciding != nil && c.deciding.byACL.Load()
	if c.grant.Anonymous() {
		return
	}
	e.Principal, e.PrincipalID = s.known.who(s, c)
	if k := c.key.Session; k != nil {
		if e.Session = k.Role; e.Session == "" {
			e.Session = k.Parent
		}
	}
}

// outcome fills in why the request was refused, or what went wrong. A client
// that has what it asked for still, or whose answer broke off, was told no
// code.
func (x *exchange) outcome(e *daypass.Event) {
	if x.err == nil || x.w.status == http.StatusNotModified {
		return
	}
	e.Reason = reasonOf(x.err)
	if x.w.status < http.StatusBadRequest {
		return
	}
	if e.Code, e.Message = x.told.code, x.told.message; e.Code == "" {
		said := s3.ErrorOf(x.err)
		e.Code, e.Message = said.Code, said.Message
	}
}

// A told is what a client was told of an error where it is not what s3.ErrorOf
// says.
type told struct {
	code    daypass.Code
	message string
}

// reasonOf words the exact reason of an error in one line. Of its details it
// takes those of limits only: others repeat signatures and tokens.
func reasonOf(err error) string {
	reason := strings.ReplaceAll(err.Error(), "\n", "; ")
	var e *daypass.Error
	if !errors.As(err, &e) || e.Op != "limits" {
		return reason
	}
	for _, d := range e.Details {
		if d.Name == "Allowed" || d.Name == "Asked" {
			reason += " " + d.Name + ": " + d.Value + "."
		}
	}
	return reason
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// sourceText returns the client's address as text, which is a part of the
// peer's where no proxy stands before it.
func (s *Server) sourceText(r *http.Request) string {
	addr := s.clientAddress(r)
	if !addr.IsValid() {
		return ""
	}
	var buf [64]byte
	text := addr.AppendTo(buf[:0])
	peer := strings.TrimPrefix(r.RemoteAddr, "[")
	if len(peer) > len(text) && peer[:len(text)] == string(text) && (peer[len(text)] == ':' || peer[len(text)] == ']') {
		return peer[:len(text)]
	}
	return string(text)
}

// tlsVersion names a version of TLS as S3's access logs do.
func tlsVersion(v uint16) string {
	switch v {
	case tls.VersionTLS10:
		return "TLSv1"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return ""
}

// cipherNames are the cipher suites before TLS 1.3 as S3's access logs name
// them, which is OpenSSL's way.
var cipherNames = map[uint16]string{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         "ECDHE-RSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       "ECDHE-ECDSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA:            "ECDHE-RSA-AES128-SHA",
	tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA:            "ECDHE-RSA-AES256-SHA",
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:          "ECDHE-ECDSA-AES128-SHA",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA:          "ECDHE-ECDSA-AES256-SHA",
}

func cipherName(id uint16) string {
	if name := cipherNames[id]; name != "" {
		return name
	}
	return tls.CipherSuiteName(id)
}

// persons remembers who signers are, which takes hashes to find out. It forgets
// everything once it knows too many.
type persons struct {
	mu   sync.RWMutex
	seen map[personKey]person
}

const maxPersons = 4096

// A personKey is what a principal follows from.
type personKey struct {
	owner, id, name, role, session string
	account                        bool
}

type person struct{ arn, id string }

// who returns the ARN and the unique id of a call's signer. They are empty
// where they cannot be found out.
func (p *persons) who(s *Server, c *call) (arn, id string) {
	if c.deciding != nil {
		return c.deciding.principal.ARN, c.deciding.principal.UserID
	}
	k := &c.key
	key := personKey{owner: k.Owner}
	if k.Session != nil && k.Session.Role != "" {
		key.role, key.session = k.Session.Role, k.Session.Name
	} else {
		if k.Session != nil {
			parent, err := s.cfg.Keys.AccessKey(c.r.Context(), k.Session.Parent)
			if err != nil {
				return "", ""
			}
			k = &parent
		}
		if key.account = isAccount(k); !key.account {
			key.id, key.name = k.ID, k.Name
		}
	}
	p.mu.RLock()
	found, ok := p.seen[key]
	p.mu.RUnlock()
	if ok {
		return found.arn, found.id
	}
	principal, err := s.principal(c)
	if err != nil {
		return "", ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil || len(p.seen) >= maxPersons {
		p.seen = make(map[personKey]person)
	}
	p.seen[key] = person{principal.ARN, principal.UserID}
	return principal.ARN, principal.UserID
}
