package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/lifecycle"
	"github.com/daypass/daypass/policy"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// Settings keeps the settings of buckets by name, for each creation of a
// bucket (store.Bucket.ID). *state.State is one.
type Settings interface {
	// BucketSettings returns all settings of a bucket. It is called
	// concurrently and on every request, so it should be cheap; nobody
	// changes what it returned.
	BucketSettings(ctx context.Context, bucketID string) (map[string][]byte, error)
	// SetBucketSetting sets one; a nil value removes it.
	SetBucketSetting(ctx context.Context, bucketID, name string, value []byte) error
	// DeleteBucketSettings removes the settings of a bucket that is no more.
	DeleteBucketSettings(ctx context.Context, bucketID string) error
}

// The names of settings.
const (
	settingPolicy       = "policy"           // the document as it was put
	settingBindRoot     = "policy-bind-root" // "true": the policy's denies bind the account too
	settingACL          = "acl"              // s3.ACL.Encode
	settingOwnership    = "ownership"        // s3.Ownership, "-" where it was deleted
	settingPublicBlock  = "public-access-block"
	settingTagging      = "tagging"      // XML
	settingCORS         = "cors"         // XML
	settingNotification = "notification" // XML
	settingLogging      = "logging"      // XML
	settingEncryption   = "encryption"   // XML
	settingAccelerate   = "accelerate"   // Suspended
)

// noOwnership says that the ownership controls were deleted: then, as on S3,
// objects belong to their writers.
const noOwnership = "-"

// bucketRules are the settings of a bucket that decide about requests. They
// are compiled once and do not change.
type bucketRules struct {
	raw map[string][]byte // what they were compiled from

	policy *policy.Policy // nil: none
	// bindRoot and public are about the policy.
	bindRoot, public bool
	acl              s3.ACL // nil: the owner has full control, nobody else any
	ownership        s3.Ownership
	block            s3.PublicAccessBlock
	cors             s3.CORSRules // nil: none
	encryption       s3.EncryptionRule
	lifecycle        *lifecycle.Rules // nil: none
}

// listsCount reports whether access control lists have a say.
func (r *bucketRules) listsCount() bool { return r.ownership != s3.BucketOwnerEnforced }

// compileRules makes the rules of a bucket of its settings. What cannot be
// read is an error, so that nothing is ever allowed because of it.
func compileRules(raw map[string][]byte) (*bucketRules, error) {
	r := &bucketRules{raw: raw, ownership: s3.BucketOwnerEnforced, bindRoot: len(raw[settingBindRoot]) > 0}
	var errs [7]error
	if text, ok := raw[settingPolicy]; ok {
		r.policy, errs[0] = policy.Parse(text, policy.Bucket)
		r.public = policy.Public(r.policy)
	}
	if text, ok := raw[settingACL]; ok {
		r.acl, errs[1] = s3.DecodeACL(text)
	}
	if text, ok := raw[settingPublicBlock]; ok {
		r.block, errs[2] = s3.ParsePublicAccessBlock(text)
	}
	if text, ok := raw[settingCORS]; ok {
		r.cors, errs[3] = s3.ParseCORS(text)
	}
	if text, ok := raw[settingEncryption]; ok {
		r.encryption, errs[5] = s3.ParseEncryption(text)
	}
	if text, ok := raw[lifecycle.Setting]; ok {
		r.lifecycle, errs[6] = lifecycle.Decode(text)
	}
	if text, ok := raw[settingOwnership]; ok {
		r.ownership, ok = s3.ParseOwnership(string(text))
		switch {
		case string(text) == noOwnership:
			r.ownership = s3.ObjectWriter
		case !ok:
			errs[4] = fmt.Errorf("the ownership %q is unknown", text)
		}
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, &daypass.Error{Op: "server.settings", Code: daypass.InternalError, Err: err}
	}
	return r, nil
}

// compiled keeps what was compiled of settings and policies, so that no
// request parses anything. It is bounded: past maxCompiled entries of a kind
// it starts afresh.
type compiled struct {
	mu       sync.RWMutex
	rules    map[string]*bucketRules // by bucket id
	policies map[policyText]*policy.Policy
}

type policyText struct {
	kind policy.Kind
	text string
}

const maxCompiled = 512

// rulesOf returns the rules of a bucket.
func (s *Server) rulesOf(ctx context.Context, b *store.Bucket) (*bucketRules, error) {
	if s.cfg.Settings == nil {
		return s.noRules, nil
	}
	raw, err := s.cfg.Settings.BucketSettings(ctx, b.ID)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return s.noRules, nil
	}
	s.compiled.mu.RLock()
	r := s.compiled.rules[b.ID]
	s.compiled.mu.RUnlock()
	if r != nil && maps.EqualFunc(r.raw, raw, bytes.Equal) {
		return r, nil
	}
	if r, err = compileRules(raw); err != nil {
		return nil, err
	}
	s.compiled.mu.Lock()
	defer s.compiled.mu.Unlock()
	if s.compiled.rules == nil || len(s.compiled.rules) >= maxCompiled {
		s.compiled.rules = make(map[string]*bucketRules)
	}
	s.compiled.rules[b.ID] = r
	return r, nil
}

// compilePolicy returns the policy of a key or session.
func (s *Server) compilePolicy(text string, kind policy.Kind) (*policy.Policy, error) {
	id := policyText{kind, text}
	s.compiled.mu.RLock()
	p := s.compiled.policies[id]
	s.compiled.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	p, err := policy.Parse([]byte(text), kind)
	if err != nil {
		// It was checked when it was set: to go on without it would allow
		// what it may deny.
		return nil, &daypass.Error{Op: "server.policy", Code: daypass.InternalError, Err: err}
	}
	s.compiled.mu.Lock()
	defer s.compiled.mu.Unlock()
	if s.compiled.policies == nil || len(s.compiled.policies) >= maxCompiled {
		s.compiled.policies = make(map[policyText]*policy.Policy)
	}
	s.compiled.policies[id] = p
	return p, nil
}
