package server

import (
	"bytes"
	"context"
	"net/http"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/lifecycle"
	"github.com/daypass/daypass/policy"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// settings are the actions that read and change settings of buckets and ACLs.
// authorize has found the bucket and its rules for them.
var settings = map[daypass.Action]operation{
	"GetBucketPolicy":                    (*Server).getBucketPolicy,
	"PutBucketPolicy":                    (*Server).putBucketPolicy,
	"DeleteBucketPolicy":                 (*Server).deleteBucketPolicy,
	"GetBucketPolicyStatus":              (*Server).getBucketPolicyStatus,
	"GetBucketAcl":                       (*Server).getBucketACL,
	"PutBucketAcl":                       (*Server).putBucketACL,
	"GetObjectAcl":                       (*Server).getObjectACL,
	"PutObjectAcl":                       (*Server).putObjectACL,
	"GetBucketOwnershipControls":         (*Server).getOwnershipControls,
	"PutBucketOwnershipControls":         (*Server).putOwnershipControls,
	"DeleteBucketOwnershipControls":      (*Server).deleteOwnershipControls,
	"GetPublicAccessBlock":               (*Server).getPublicAccessBlock,
	"PutPublicAccessBlock":               (*Server).putPublicAccessBlock,
	"DeletePublicAccessBlock":            deleteSetting(settingPublicBlock),
	"GetBucketTagging":                   (*Server).getBucketTagging,
	"PutBucketTagging":                   (*Server).putBucketTagging,
	"DeleteBucketTagging":                deleteSetting(settingTagging),
	"GetBucketCors":                      (*Server).getBucketCORS,
	"PutBucketCors":                      (*Server).putBucketCORS,
	"DeleteBucketCors":                   deleteSetting(settingCORS),
	"GetBucketLogging":                   (*Server).getBucketLogging,
	"PutBucketLogging":                   (*Server).putBucketLogging,
	"GetBucketNotificationConfiguration": (*Server).getNotification,
	"PutBucketNotificationConfiguration": (*Server).putNotification,
	"GetBucketEncryption":                (*Server).getBucketEncryption,
	"PutBucketEncryption":                (*Server).putBucketEncryption,
	"DeleteBucketEncryption":             deleteSetting(settingEncryption),

	"GetBucketLifecycleConfiguration": (*Server).getBucketLifecycle,
	"PutBucketLifecycleConfiguration": (*Server).putBucketLifecycle,
	"DeleteBucketLifecycle":           deleteSetting(lifecycle.Setting),
}

// set sets a setting of the call's bucket; a nil value removes it.
func (s *Server) set(c *call, name string, value []byte) error {
	return s.setOf(c.r.Context(), c.bucket, name, value)
}

func (s *Server) setOf(ctx context.Context, b store.Bucket, name string, value []byte) error {
	if s.cfg.Settings == nil {
		return notImplemented(daypass.Detail{Name: "Setting", Value: name})
	}
	return s.cfg.Settings.SetBucketSetting(ctx, b.ID, name, value)
}

// deleteSetting is an action that removes a setting, whether or not it is
// there.
func deleteSetting(name string) operation {
	return func(s *Server, w *response, c *call) error {
		if err := s.set(c, name, nil); err != nil {
			return err
		}
		return w.empty(http.StatusNoContent)
	}
}

// initBucket gives a new bucket the settings that CreateBucket asks for by
// x-amz-acl, x-amz-grant-* and x-amz-object-ownership.
func (s *Server) initBucket(c *call, b store.Bucket) error {
	ownership, acl, err := s.newBucketSettings(c)
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	if ownership != s3.BucketOwnerEnforced {
		if err := s.setOf(ctx, b, settingOwnership, []byte(ownership)); err != nil {
			return err
		}
	}
	if acl != nil {
		return s.setOf(ctx, b, settingACL, acl.Encode())
	}
	return nil
}

// checkNewBucket refuses a CreateBucket whose headers ask for what cannot be;
// it comes before the bucket is made. InvalidBucketAclWithObjectOwnership,
// InvalidArgument, InvalidRequest.
func (s *Server) checkNewBucket(c *call) error {
	if _, err := c.asksForObjectLock(); err != nil {
		return err
	}
	_, _, err := s.newBucketSettings(c)
	return err
}

// newBucketSettings tells what a new bucket is to have, by the headers of
// CreateBucket; a nil list is none.
func (s *Server) newBucketSettings(c *call) (o s3.Ownership, acl s3.ACL, err error) {
	o = s.cfg.DefaultOwnership
	if v := c.head.get("X-Amz-Object-Ownership"); v != "" {
		var ok bool
		if o, ok = s3.ParseOwnership(v); !ok {
			return "", nil, invalidArgument("Invalid x-amz-object-ownership header: "+v, "x-amz-object-ownership", v)
		}
	}
	owner := daypass.CanonicalID(c.grant.Owner)
	if acl, err = c.headerACL(owner, ""); err != nil {
		return "", nil, err
	}
	if o != s3.BucketOwnerEnforced {
		return o, acl, nil
	}
	if acl != nil {
		err = c.meansNothing(acl, owner, s3.InvalidBucketACL)
	}
	return o, nil, err
}

// dropBucket removes the settings of a bucket that was deleted. What stays
// behind after a failure concerns nobody: settings belong to one creation of a
// bucket.
func (s *Server) dropBucket(ctx context.Context, b store.Bucket) error {
	if s.cfg.Settings == nil {
		return nil
	}
	return s.cfg.Settings.DeleteBucketSettings(ctx, b.ID)
}

// raw returns a setting of the call's bucket, and refuses with the code where
// there is none.
func (c *call) raw(name string, missing daypass.Code) ([]byte, error) {
	v, ok := c.rules.raw[name]
	if !ok {
		return nil, &daypass.Error{Code: missing, Details: []daypass.Detail{{Name: "BucketName", Value: c.bucket.Name}}}
	}
	return v, nil
}

// show answers with a setting that is kept as its XML.
func (c *call) show(w *response, name string, missing daypass.Code) error {
	body, err := c.raw(name, missing)
	if err != nil {
		return err
	}
	return w.xml(http.StatusOK, body)
}

// getBucketPolicy answers with the bucket policy as it was put (S3 API
// reference, GetBucketPolicy).
func (s *Server) getBucketPolicy(w *response, c *call) error {
	text, err := c.raw(settingPolicy, s3.NoSuchBucketPolicy)
	if err != nil {
		return err
	}
	return w.text(http.StatusOK, "application/json", text)
}

// putBucketPolicy sets the bucket policy (S3 API reference, PutBucketPolicy).
func (s *Server) putBucketPolicy(w *response, c *call) error {
	const maxPolicyBody = 4 * policy.MaxSize
	body, err := c.document(w, maxPolicyBody)
	if err != nil {
		return err
	}
	p, err := policy.Parse(body, policy.Bucket)
	if err != nil {
		return err
	}
	if err := p.CheckBucket(c.bucket.Name); err != nil {
		return err
	}
	if c.rules.block.BlockPublicPolicy && policy.Public(p) {
		return &daypass.Error{Code: daypass.AccessDenied,
			Message: "Access Denied: public policies are blocked by the BlockPublicPolicy setting in S3 Block Public Access."}
	}
	var bind []byte
	if strings.EqualFold(c.head.get("X-Amz-Confirm-Remove-Self-Bucket-Access"), "true") {
		bind = []byte("true")
	}
	if err := s.set(c, settingBindRoot, bind); err != nil {
		return err
	}
	if err := s.set(c, settingPolicy, bytes.Clone(body)); err != nil {
		return err
	}
	return w.empty(http.StatusNoContent)
}

// deleteBucketPolicy removes the bucket policy (S3 API reference,
// DeleteBucketPolicy).
func (s *Server) deleteBucketPolicy(w *response, c *call) error {
	if err := s.set(c, settingPolicy, nil); err != nil {
		return err
	}
	return deleteSetting(settingBindRoot)(s, w, c)
}

// getBucketPolicyStatus tells whether the bucket policy is public (S3 API
// reference, GetBucketPolicyStatus).
func (s *Server) getBucketPolicyStatus(w *response, c *call) error {
	if _, err := c.raw(settingPolicy, s3.NoSuchBucketPolicy); err != nil {
		return err
	}
	return w.xml(http.StatusOK, s3.AppendPolicyStatus(nil, c.rules.public))
}

// getOwnershipControls tells who owns objects (S3 API reference,
// GetBucketOwnershipControls).
func (s *Server) getOwnershipControls(w *response, c *call) error {
	if string(c.rules.raw[settingOwnership]) == noOwnership {
		_, err := c.raw("", s3.OwnershipControlsNotFound)
		return err
	}
	return w.xml(http.StatusOK, s3.AppendOwnershipControls(nil, c.rules.ownership))
}

// putOwnershipControls sets who owns objects (S3 API reference,
// PutBucketOwnershipControls). Lists that give others anything must be taken
// back before they are turned off.
func (s *Server) putOwnershipControls(w *response, c *call) error {
	body, err := c.document(w, s3.MaxBucketBody)
	if err != nil {
		return err
	}
	o, err := s3.ParseOwnershipControls(body)
	if err != nil {
		return err
	}
	if o == s3.BucketOwnerEnforced && c.rules.acl != nil {
		owner := daypass.CanonicalID(c.bucket.Owner)
		for _, g := range c.rules.acl {
			if g.ID != owner {
				return &daypass.Error{Code: s3.InvalidBucketACL}
			}
		}
	}
	if err := s.set(c, settingOwnership, []byte(o)); err != nil {
		return err
	}
	return w.empty(http.StatusOK)
}

// deleteOwnershipControls makes objects belong to their writers (S3 API
// reference, DeleteBucketOwnershipControls).
func (s *Server) deleteOwnershipControls(w *response, c *call) error {
	if err := s.set(c, settingOwnership, []byte(noOwnership)); err != nil {
		return err
	}
	return w.empty(http.StatusNoContent)
}

// getPublicAccessBlock tells what public access is blocked (S3 API reference,
// GetPublicAccessBlock).
func (s *Server) getPublicAccessBlock(w *response, c *call) error {
	return c.show(w, settingPublicBlock, s3.NoSuchPublicAccessBlock)
}

// putPublicAccessBlock blocks public access (S3 API reference,
// PutPublicAccessBlock).
func (s *Server) putPublicAccessBlock(w *response, c *call) error {
	body, err := c.document(w, s3.MaxBucketBody)
	if err != nil {
		return err
	}
	p, err := s3.ParsePublicAccessBlock(body)
	if err != nil {
		return err
	}
	if err := s.set(c, settingPublicBlock, p.Append(nil)); err != nil {
		return err
	}
	return w.empty(http.StatusOK)
}

// getBucketTagging answers with the tags of a bucket (S3 API reference,
// GetBucketTagging).
func (s *Server) getBucketTagging(w *response, c *call) error {
	return c.show(w, settingTagging, s3.NoSuchTagSet)
}

// putBucketTagging sets the tags of a bucket (S3 API reference,
// PutBucketTagging). An empty set is none.
func (s *Server) putBucketTagging(w *response, c *call) error {
	body, err := c.document(w, s3.MaxBucketBody)
	if err != nil {
		return err
	}
	tags, err := s3.ParseBucketTagging(body)
	if err != nil {
		return err
	}
	var value []byte
	if len(tags) > 0 {
		value = s3.AppendBucketTagging(nil, tags)
	}
	if err := s.set(c, settingTagging, value); err != nil {
		return err
	}
	return w.empty(http.StatusNoContent)
}

// text answers with a body that is no XML.
func (w *response) text(status int, contentType string, body []byte) error {
	h := w.Header()
	h["Content-Type"] = []string{contentType}
	w.WriteHeader(status)
	w.pace.extendWrite(int64(len(body)))
	_, err := w.Write(body)
	return incompleteAnswer(err)
}
