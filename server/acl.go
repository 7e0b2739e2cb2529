package server

import (
	"net/http"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// bucketLists and objectLists tell which permission of an access control list
// allows which action (S3 User Guide, "Mapping of ACL permissions and access
// policy permissions").
var (
	bucketLists = map[string]s3.Permission{
		"s3:ListBucket": s3.Read, "s3:ListBucketVersions": s3.Read, "s3:ListBucketMultipartUploads": s3.Read,
		"s3:PutObject": s3.Write, "s3:DeleteObject": s3.Write,
		"s3:GetBucketAcl": s3.ReadACP, "s3:PutBucketAcl": s3.WriteACP,
	}
	objectLists = map[string]s3.Permission{
		"s3:GetObject": s3.Read, "s3:GetObjectVersion": s3.Read,
		"s3:GetObjectAcl": s3.ReadACP, "s3:GetObjectVersionAcl": s3.ReadACP,
		"s3:PutObjectAcl": s3.WriteACP, "s3:PutObjectVersionAcl": s3.WriteACP,
	}
)

// bucketListAllows asks the bucket's list.
func (d *deliberation) bucketListAllows() bool {
	return d.rules.listsCount() && d.grants(d.rules.acl, bucketLists[d.permission])
}

// listAllows asks an object's list, as the store keeps it.
func (d *deliberation) listAllows(encoded []byte, lists map[string]s3.Permission) bool {
	if len(encoded) == 0 {
		return false
	}
	acl, err := s3.DecodeACL(encoded)
	return err == nil && d.grants(acl, lists[d.permission])
}

// grants reports whether a list gives the caller a permission. What it gives
// to an account, the account's own policies must give on to the caller.
func (d *deliberation) grants(acl s3.ACL, p s3.Permission) bool {
	if p == "" {
		return false
	}
	anonymous := d.call.grant.Anonymous()
	for _, g := range acl {
		switch {
		case !g.Gives(p) || g.Public() && d.rules.block.IgnorePublicAcls:
		case g.Group == s3.AllUsers, g.Group == s3.AuthenticatedUsers && !anonymous && d.own():
			return true
		case !anonymous && g.ID != "" && g.ID == d.call.deciding.principal.Canonical && d.own():
			return true
		}
	}
	return false
}

// requestACL returns the ACL that a write asks for by x-amz-acl or
// x-amz-grant-* headers, as the store keeps it; nil where it asks for none, or
// where lists do not count. AccessControlListNotSupported, AccessDenied,
// InvalidArgument, InvalidRequest.
func (s *Server) requestACL(c *call, b store.Bucket) ([]byte, error) {
	if !c.asksForACL() {
		return nil, nil
	}
	rules, err := s.rulesOf(c.r.Context(), &b)
	if err != nil {
		return nil, err
	}
	owner := daypass.CanonicalID(s.objectOwner(c))
	acl, err := c.headerACL(owner, daypass.CanonicalID(b.Owner))
	if err != nil {
		return nil, err
	}
	if !rules.listsCount() {
		return nil, c.meansNothing(acl, daypass.CanonicalID(b.Owner), s3.AccessControlListNotSupported)
	}
	if rules.block.BlockPublicAcls && acl.Public() {
		return nil, publicACL()
	}
	return acl.Encode(), nil
}

// meansNothing returns nil for a list that gives nobody but the bucket's owner
// anything, and so may be asked for where lists are off (S3 User Guide,
// "Controlling ownership of objects").
func (c *call) meansNothing(acl s3.ACL, bucketOwner string, refusal daypass.Code) error {
	if canned := c.head.get("X-Amz-Acl"); canned == "private" || canned == "bucket-owner-full-control" {
		return nil
	}
	if len(acl) == 1 && acl[0] == (s3.Grant{ID: bucketOwner, Permission: s3.FullControl}) {
		return nil
	}
	return &daypass.Error{Code: refusal}
}

func publicACL() error {
	return &daypass.Error{Code: daypass.AccessDenied, Message: "Access Denied: public access is blocked by BlockPublicAcls"}
}

// objectOwner returns the owner of what a call writes (S3 User Guide,
// "Controlling ownership of objects"). What nobody signed belongs to the
// bucket's owner.
func (s *Server) objectOwner(c *call) string {
	switch {
	case c.grant.Anonymous() || !c.rules.listsCount():
		return c.bucket.Owner
	case c.rules.ownership == s3.BucketOwnerPreferred && c.head.get("X-Amz-Acl") == "bucket-owner-full-control":
		return c.bucket.Owner
	}
	return c.grant.Owner
}

// headerACL returns the list that headers ask for, nil where they ask for
// none; owner and bucketOwner are canonical user ids.
func (c *call) headerACL(owner, bucketOwner string) (s3.ACL, error) {
	canned := c.head.get("X-Amz-Acl")
	var granted s3.ACL
	for _, h := range s3.GrantHeaders() {
		v := c.head.get(h.Header)
		if strings.TrimSpace(v) == "" {
			continue
		}
		more, err := s3.ParseGrantees(v, h.Permission)
		if err != nil {
			return nil, err
		}
		granted = append(granted, more...)
	}
	switch {
	case canned != "" && granted != nil:
		return nil, invalidRequest("Specifying both Canned ACLs and Header Grants is not allowed")
	case canned == "":
		return granted, nil
	}
	acl, ok := s3.Canned(canned, owner, bucketOwner)
	if !ok {
		return nil, invalidArgument("", "x-amz-acl", canned)
	}
	return acl, nil
}

// givenACL returns the list that PutBucketAcl or PutObjectAcl sets: by headers
// or by its body.
func (c *call) givenACL(w *response, owner, bucketOwner string) (s3.ACL, error) {
	acl, err := c.headerACL(owner, bucketOwner)
	if err != nil {
		return nil, err
	}
	var body []byte
	if c.r.ContentLength != 0 {
		if body, err = c.document(w, s3.MaxBucketBody); err != nil {
			return nil, err
		}
	}
	switch {
	case acl != nil && len(body) > 0:
		return nil, &daypass.Error{Code: s3.BadRequest, Message: "This request does not support content"}
	case acl != nil:
		return acl, nil
	case len(body) == 0:
		return nil, &daypass.Error{Code: "MissingSecurityHeader",
			Message: "Your request was missing a required header", Details: []daypass.Detail{{Name: "MissingHeaderName", Value: "x-amz-acl"}}}
	}
	named, acl, err := s3.ParseACL(body)
	if err == nil && named != owner {
		err = &daypass.Error{Code: daypass.AccessDenied, Message: "Access Denied: the owner cannot be changed"}
	}
	return acl, err
}

// defaultACL is the list of what has none: its owner has full control.
func defaultACL(owner string) s3.ACL {
	return s3.ACL{{ID: daypass.CanonicalID(owner), Permission: s3.FullControl}}
}

// getBucketACL tells who may do what with a bucket (S3 API reference,
// GetBucketAcl).
func (s *Server) getBucketACL(w *response, c *call) error {
	acl := defaultACL(c.bucket.Owner)
	if c.rules.acl != nil && c.rules.listsCount() {
		acl = c.rules.acl
	}
	return w.xml(http.StatusOK, s.showACL(c, c.bucket.Owner, acl))
}

// putBucketACL sets who may do what with a bucket (S3 API reference,
// PutBucketAcl).
func (s *Server) putBucketACL(w *response, c *call) error {
	owner := daypass.CanonicalID(c.bucket.Owner)
	acl, err := c.givenACL(w, owner, "")
	if err != nil {
		return err
	}
	switch {
	case !c.rules.listsCount():
		if err := c.meansNothing(acl, owner, s3.AccessControlListNotSupported); err != nil {
			return err
		}
		return w.empty(http.StatusOK)
	case c.rules.block.BlockPublicAcls && acl.Public():
		return publicACL()
	}
	if err := s.set(c, settingACL, acl.Encode()); err != nil {
		return err
	}
	return w.empty(http.StatusOK)
}

// getObjectACL tells who may do what with an object (S3 API reference,
// GetObjectAcl).
func (s *Server) getObjectACL(w *response, c *call) error {
	obj, err := s.store.Object(c.r.Context(), c.ref)
	if err != nil {
		return err
	}
	owner := s.ownerOf(c, obj)
	acl := defaultACL(owner)
	if len(obj.ACL) > 0 && c.rules.listsCount() {
		if acl, err = s3.DecodeACL(obj.ACL); err != nil {
			return err
		}
	}
	showVersion(w, obj)
	return w.xml(http.StatusOK, s.showACL(c, owner, acl))
}

// putObjectACL sets who may do what with an object (S3 API reference,
// PutObjectAcl).
func (s *Server) putObjectACL(w *response, c *call) error {
	ctx := c.r.Context()
	obj, err := s.store.Object(ctx, c.ref)
	if err != nil {
		return err
	}
	bucketOwner, owner := daypass.CanonicalID(c.bucket.Owner), daypass.CanonicalID(s.ownerOf(c, obj))
	acl, err := c.givenACL(w, owner, bucketOwner)
	if err != nil {
		return err
	}
	switch {
	case !c.rules.listsCount():
		if err := c.meansNothing(acl, bucketOwner, s3.AccessControlListNotSupported); err != nil {
			return err
		}
	case c.rules.block.BlockPublicAcls && acl.Public():
		return publicACL()
	default:
		encoded := acl.Encode()
		if obj, err = s.store.UpdateObject(ctx, c.ref, store.Update{ACL: &encoded}); err != nil {
			return err
		}
		s.changed(w, obj)
	}
	showVersion(w, obj)
	return w.empty(http.StatusOK)
}

// ownerOf returns the owner of an object: the bucket's where lists are off.
func (s *Server) ownerOf(c *call, obj *store.Object) string {
	if obj.Owner == "" || !c.rules.listsCount() {
		return c.bucket.Owner
	}
	return obj.Owner
}

// showVersion tells which version an answer is about.
func showVersion(w *response, obj *store.Object) {
	if obj.VersionID != "" {
		w.Header()["X-Amz-Version-Id"] = []string{obj.VersionID}
	}
}
