package server

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/policy"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// authorize decides whether the signer may do what the call asks for, and
// finds out what the bucket's settings are.
func (s *Server) authorize(c *call) error {
	if c.grant.Anonymous() && c.overridesHeaders() {
		return invalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
	}
	if err := s.admit(c); err != nil {
		return err
	}
	if err := s.findBucket(c); err != nil {
		return err
	}
	switch c.action.Name {
	case s3.PostObject:
		// Who signed a form stands in the body: the operation asks
		// authorizeForm.
		return nil
	case daypass.DeleteObjects:
		// So does what is to be deleted: the operation asks authorizeDelete.
	default:
		if err := s.authorizeCall(c); err != nil {
			return err
		}
	}
	return s.confirm(c)
}

// authorizeForm is authorize for a form, once authenticateForm has told who
// signed it and c.ref what it writes.
func (s *Server) authorizeForm(c *call) error {
	if err := s.admit(c); err != nil {
		return err
	}
	c.free = s.isFree(c)
	if err := s.authorizeCall(c); err != nil {
		return err
	}
	return s.confirm(c)
}

// authorizeDelete decides about one object of DeleteObjects. It may be called
// concurrently.
func (s *Server) authorizeDelete(c *call, key, version string, p *part) error {
	permission := "s3:DeleteObject"
	if version != "" {
		permission = "s3:DeleteObjectVersion"
	}
	ref := daypass.ObjectRef{Bucket: c.ref.Bucket, Key: key, VersionID: version}
	if err := s.permit(c, question{permission: permission, ref: ref, part: p}); err != nil || !c.asksForBypass() {
		return err
	}
	return s.permit(c, question{permission: bypassPermission, ref: ref, part: p})
}

// findBucket refuses a call on a bucket that is not there, and finds out
// whether its caller needs permissions in it.
func (s *Server) findBucket(c *call) (err error) {
	if c.noBucket != nil {
		return c.noBucket
	}
	c.free = s.isFree(c)
	if !c.free && c.deciding == nil {
		// DeleteObjects asks from several goroutines, so this is made now.
		c.deciding, err = s.newDecision(c)
	}
	return err
}

// lookUp finds the bucket that a request is about, and its rules.
func (s *Server) lookUp(r *http.Request, t *target) {
	if t.ref.Bucket == "" || t.action.Name == daypass.CreateBucket {
		return
	}
	ctx := r.Context()
	if t.bucket, t.noBucket = s.store.Bucket(ctx, t.ref.Bucket); t.noBucket == nil {
		t.rules, t.noBucket = s.rulesOf(ctx, &t.bucket)
	}
}

// isFree reports whether the caller is the account that owns the bucket, and
// no policy has a say.
func (s *Server) isFree(c *call) bool {
	if c.grant.Anonymous() || !isAccount(&c.key) || c.key.Session != nil {
		return false
	}
	return c.rules == nil || c.rules.policy == nil && (c.key.Root || c.bucket.Owner == c.grant.Owner)
}

// authorizeCall decides about a call's action on its resource, and about what
// else its headers ask for.
func (s *Server) authorizeCall(c *call) error {
	if c.zips() {
		return s.permitTree(c)
	}
	q := question{permission: c.action.Permission, ref: c.ref}
	if c.ref.VersionID != "" && c.action.VersionPermission != "" {
		q.permission = c.action.VersionPermission
	}
	if err := s.permit(c, q); err != nil {
		return err
	}
	if c.free {
		return nil
	}
	for _, also := range append(c.alsoNeeded(), c.lockPermissions()...) {
		if err := s.permitAlso(c, also); err != nil {
			return err
		}
	}
	return nil
}

// alsoNeeded returns the permissions that a call needs beside its own: a write
// for what it says beside its content (S3 API reference, PutObject,
// CreateBucket and GetObjectAttributes, "Permissions").
func (c *call) alsoNeeded() (permissions []string) {
	acl, tags := "s3:PutObjectAcl", "s3:PutObjectTagging"
	switch c.action.Name {
	case daypass.GetObjectAttributes:
		if c.ref.VersionID != "" {
			return []string{"s3:GetObjectVersion"}
		}
		return []string{"s3:GetObject"}
	case daypass.PutObject, daypass.CopyObject, daypass.CreateMultipartUpload, s3.PostObject:
	case daypass.CreateBucket:
		acl, tags = "s3:PutBucketAcl", ""
		if c.head.get("X-Amz-Object-Ownership") != "" {
			permissions = append(permissions, "s3:PutBucketOwnershipControls")
		}
	default:
		return nil
	}
	if c.asksForACL() {
		permissions = append(permissions, acl)
	}
	if tags != "" && c.head.get("X-Amz-Tagging") != "" {
		permissions = append(permissions, tags)
	}
	return permissions
}

// A question is what is to be decided: may the caller of a call do this.
type question struct {
	permission string
	ref        daypass.ObjectRef
	// bucket and rules are those of ref's bucket where it is not the call's,
	// as the source of a copy may be in another.
	bucket *store.Bucket
	rules  *bucketRules
	// arn is what it is about where that is no bucket and no object.
	arn string
	// part is the part of the request that it is about, nil for the whole.
	part *part
}

func (q *question) resource() string {
	switch {
	case q.arn != "":
		return q.arn
	case q.ref.Bucket == "":
		return "arn:aws:s3:::*"
	case q.ref.Key == "":
		return policy.BucketARN(q.ref.Bucket)
	}
	return policy.ObjectARN(q.ref.Bucket, q.ref.Key)
}

// permit returns nil where the caller may, and AccessDenied where not.
func (s *Server) permit(c *call, q question) error {
	if q.bucket == nil {
		q.bucket, q.rules = &c.bucket, c.rules
		if c.free && (q.rules == nil || !q.rules.listsCount() || !ofOwners[q.permission]) {
			return nil
		}
	}
	if c.deciding == nil {
		var err error
		if c.deciding, err = s.newDecision(c); err != nil {
			return err
		}
	}
	d := &deliberation{server: s, call: c, question: q}
	verdict, err := d.decide()
	switch {
	case err != nil:
		return err
	case verdict.Decision != policy.Allowed:
		return d.denied(verdict)
	case d.byACL && q.part != nil:
		q.part.byACL = true
	case d.byACL:
		c.deciding.byACL.Store(true)
	}
	return nil
}

// permitAlso is permit for what a write asks for beside its content. Who lets
// another account write leaves the ACL of what it writes to that account,
// unless a policy denies it: the account may set it afterwards in any case.
func (s *Server) permitAlso(c *call, permission string) error {
	d := &deliberation{server: s, call: c, question: question{permission: permission, ref: c.ref, bucket: &c.bucket, rules: c.rules}}
	verdict := d.evaluate()
	switch {
	case d.blind != nil:
		return d.blind
	case verdict.Decision == policy.Allowed:
		return nil
	case verdict.Decision == policy.ImplicitDeny && permission == "s3:PutObjectAcl" && !d.sameAccount() && (d.own() || d.grants(d.rules.acl, s3.Write)):
		return nil
	}
	return d.denied(verdict)
}

// A decision is what all questions about one call have in common.
type decision struct {
	principal policy.Principal
	identity  []*policy.Policy
	session   *policy.Policy
	// byACL says that something was allowed by an access control list only.
	byACL atomic.Bool
}

// everything is the policy of an assumed role whose parent is an account.
var everything = func() *policy.Policy {
	p, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`), policy.Identity)
	if err != nil {
		panic(err)
	}
	return p
}()

// maxPolicyHeader is the longest header, in bytes, that conditions of policies
// are matched against; S3 bounds all headers together by twice as much.
const maxPolicyHeader = 4 << 10

func (s *Server) newDecision(c *call) (*decision, error) {
	d := &decision{}
	var err error
	if len(c.r.UserAgent()) > maxPolicyHeader || len(c.r.Referer()) > maxPolicyHeader {
		return nil, invalidRequest("Your request's User-Agent or Referer is too long for a policy to be evaluated.")
	}
	if d.principal, err = s.principal(c); err != nil || d.principal.Anonymous {
		return d, err
	}
	switch {
	case !isAccount(&c.key):
		p, err := s.compilePolicy(c.key.Policy, policy.Identity)
		if err != nil {
			return nil, err
		}
		d.identity = []*policy.Policy{p}
	case !d.principal.Root:
		d.identity = []*policy.Policy{everything}
	}
	if session := c.key.Session; session != nil && session.Policy != "" {
		d.session, err = s.compilePolicy(session.Policy, policy.Session)
	}
	return d, err
}

// A deliberation is one question under way.
type deliberation struct {
	server *Server
	call   *call
	question
	object *store.Object // nil until asked for, or where there is none
	asked  bool
	// tags are those that the request gives, once tagsRead.
	tags     []s3.Tag
	tagsRead bool
	// blind is why a policy could not be told what is in the body.
	blind error
	// lock is what the request says of object lock, nil until asked for.
	lock *askedLock
	// hidden says that a proxy does not tell the client's address, about which
	// a policy asks.
	hidden bool
	// byACL says that a list decided.
	byACL bool
	one   [1]string
}

// sameAccount reports whether the caller's account owns the bucket. The root
// key of the deployment acts for every account.
func (d *deliberation) sameAccount() bool {
	return d.rules == nil || !d.call.grant.Anonymous() && (d.call.key.Root || d.bucket.Owner == d.call.grant.Owner)
}

func (d *deliberation) request() policy.Request {
	return policy.Request{
		Principal: d.call.deciding.principal, Action: d.permission, Resource: d.resource(), Context: d.key,
	}
}

// evaluate asks the policies.
func (d *deliberation) evaluate() policy.Verdict {
	r, who := d.request(), d.call.deciding
	set := policy.Set{Identity: who.identity, Session: who.session, SameAccount: d.sameAccount()}
	if d.rules != nil {
		set.Resource, set.BindRoot = d.rules.policy, d.rules.bindRoot
	}
	v := policy.Evaluate(&r, &set)
	if d.hidden {
		return policy.Verdict{Decision: policy.ExplicitDeny}
	}
	if v.Decision == policy.Allowed && !set.SameAccount && d.rules.public && d.rules.block.RestrictPublicBuckets {
		return policy.Verdict{Decision: policy.ImplicitDeny, Missing: policy.Bucket}
	}
	return v
}

// own reports whether the caller's own policies allow it, as far as they go.
func (d *deliberation) own() bool {
	r, who := d.request(), d.call.deciding
	set := policy.Set{Identity: who.identity, Session: who.session, SameAccount: true}
	return !who.principal.Anonymous && policy.Evaluate(&r, &set).Decision == policy.Allowed && !d.hidden
}

// decide asks the policies and, where these leave it open, the access control
// lists.
func (d *deliberation) decide() (policy.Verdict, error) {
	v := d.evaluate()
	switch {
	case d.blind != nil:
		return v, d.blind
	case v.Decision == policy.ExplicitDeny || d.rules == nil:
		return v, nil
	}
	if d.rules.listsCount() && ofOwners[d.permission] {
		return d.decideByOwner(v)
	}
	if v.Decision == policy.Allowed {
		return v, nil
	}
	if d.byACL = d.bucketListAllows(); d.byACL || d.initiated() {
		v.Decision = policy.Allowed
	}
	return v, nil
}

// ofOwners are the permissions about which an object's owner decides, where
// that may be another account than the bucket's.
var ofOwners = map[string]bool{
	"s3:GetObject": true, "s3:GetObjectVersion": true, "s3:GetObjectAttributes": true, "s3:GetObjectVersionAttributes": true,
	"s3:GetObjectAcl": true, "s3:GetObjectVersionAcl": true, "s3:PutObjectAcl": true, "s3:PutObjectVersionAcl": true,
}

// decideByOwner decides where objects have owners of their own: bucket
// policies speak for the objects of the bucket's owner only, beyond that the
// object's list does (S3 User Guide, "How Amazon S3 authorizes a request for
// an object operation").
func (d *deliberation) decideByOwner(v policy.Verdict) (policy.Verdict, error) {
	obj, err := d.stored()
	if err != nil {
		return v, err
	}
	allowed, listed := v.Decision == policy.Allowed, false
	switch {
	case obj == nil:
		// Nothing is there, which who may list the bucket may know.
		allowed = allowed || d.server.mayList(d.call, d.bucket, d.rules)
	case obj.Owner == "" || obj.Owner == d.bucket.Owner:
		listed = !allowed && d.listAllows(obj.ACL, objectLists)
	default:
		key := &d.call.key
		owns := !d.call.grant.Anonymous() && (obj.Owner == key.Owner || key.Root)
		allowed = owns && d.own()
		listed = !allowed && d.listAllows(obj.ACL, objectLists)
	}
	v.Decision, d.byACL = policy.ImplicitDeny, listed
	if allowed || listed {
		v.Decision = policy.Allowed
	}
	return v, nil
}

// stored returns the object that the question is about, nil where there is
// none.
func (d *deliberation) stored() (*store.Object, error) {
	if d.asked || d.ref.Key == "" {
		return d.object, nil
	}
	obj, err := d.server.store.Object(d.call.r.Context(), d.ref)
	if err != nil && s3.Status(daypass.CodeOf(err)) >= 500 {
		return nil, err
	}
	d.asked = true
	if err == nil {
		d.object = obj
	}
	return d.object, nil
}

// initiated reports whether the question is about an upload that the caller
// began, which it may end whatever the bucket says (S3 User Guide, "Multipart
// upload API and permissions").
func (d *deliberation) initiated() bool {
	c := d.call
	if c.action.Name != daypass.ListParts && c.action.Name != daypass.AbortMultipartUpload || c.grant.Anonymous() || !d.own() {
		return false
	}
	u, err := d.server.store.MultipartUpload(c.r.Context(), d.ref.Bucket, d.ref.Key, c.query.Get("uploadId"))
	return err == nil && u.Owner == c.grant.Owner
}

// denied words a refusal. Within its own account a caller is told why.
func (d *deliberation) denied(v policy.Verdict) error {
	if d.hidden {
		return &daypass.Error{Op: "server.authorize", Code: daypass.AccessDenied,
			Err: errors.New("a policy asks for the client's address, which X-Forwarded-For and Forwarded do not tell")}
	}
	e := &daypass.Error{Op: "server.authorize", Code: daypass.AccessDenied, Err: errors.New(v.Reason())}
	if d.sameAccount() && !d.call.grant.Anonymous() {
		r := d.request()
		e.Message = v.Message(&r)
	}
	return e
}

// mayList reports whether the caller may list a bucket, and so may know what
// is not there.
func (s *Server) mayList(c *call, b *store.Bucket, rules *bucketRules) bool {
	d := &deliberation{server: s, call: c, question: question{permission: "s3:ListBucket", ref: daypass.ObjectRef{Bucket: b.Name}, bucket: b, rules: rules}}
	v, err := d.decide()
	return err == nil && v.Decision == policy.Allowed
}

// hide makes the answer to a reader of what is not there AccessDenied, unless
// the reader may list the bucket (S3 API reference, GetObject, "Permissions").
func (s *Server) hide(w *response, c *call, err error) error {
	if c.free || c.place.level != s3.ObjectLevel || c.r.Method != "GET" && c.r.Method != "HEAD" || w.status != 0 {
		return err
	}
	switch daypass.CodeOf(err) {
	case daypass.NoSuchKey, daypass.NoSuchVersion:
		if s.mayList(c, &c.bucket, c.rules) {
			return err
		}
		w.Header().Del("X-Amz-Delete-Marker")
		w.Header().Del("X-Amz-Version-Id")
		return &daypass.Error{Op: "server.authorize", Code: daypass.AccessDenied, Err: errors.Join(
			errors.New("there is no such object, which the caller may not know for lack of s3:ListBucket"), err)}
	}
	return err
}

// overridesHeaders reports whether the request asks for response headers of
// its own, which S3 grants to signed requests only (S3 API reference,
// GetObject).
func (c *call) overridesHeaders() bool {
	if c.action.Name != daypass.GetObject && c.action.Name != daypass.HeadObject {
		return false
	}
	for _, o := range s3.Overrides() {
		if c.query.Has(o.Param) {
			return true
		}
	}
	return false
}

// asksForACL reports whether the headers of a write say who may do what.
func (c *call) asksForACL() bool {
	if c.head.get("X-Amz-Acl") != "" {
		return true
	}
	for _, h := range s3.GrantHeaders() {
		if strings.TrimSpace(c.head.get(h.Header)) != "" {
			return true
		}
	}
	return false
}
