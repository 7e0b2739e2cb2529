package sign

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// Form fields of a signed POST, spelled as S3's refusals spell them.
const (
	fieldPolicy = "policy"
	fieldKey    = "key"
)

// A FormRequest says what a signed browser form is to permit.
type FormRequest struct {
	Bucket string
	// Key is the key that will be stored; it may end in "${filename}", which
	// the server replaces with the name of the file.
	Key string
	// Lifetime is how long the form is valid; Time is the time of signing.
	Lifetime time.Duration
	Time     time.Time
	// Fields are further fields that the form must carry with exactly these
	// values: Content-Type, acl, success_action_status, x-amz-meta-….
	Fields []Param
	// Conditions are further conditions, such as ContentLengthRange.
	Conditions []Condition
}

// A SignedForm is what a browser form needs: where to post, and the hidden
// fields, in order, that stand before the file.
type SignedForm struct {
	URL    string
	Fields []Param
	// Expires is when the form ends.
	Expires time.Time
}

// Form makes a signed browser form for uploading one file (S3 API reference,
// "Browser-Based Uploads Using POST"). It fails only on a request that no
// server would honour (InvalidArgument).
func (p *Presigner) Form(r FormRequest) (*SignedForm, error) {
	if r.Bucket == "" || r.Key == "" || r.Lifetime <= 0 {
		return nil, newError(CodeInvalidArgument, "a form needs a bucket, a key and a lifetime")
	}
	target := URLRequest{Bucket: r.Bucket}
	f := &SignedForm{Expires: r.Time.Add(r.Lifetime).UTC()}
	f.URL = p.scheme + "://" + string(p.appendHost(nil, &target)) + string(p.appendTarget(nil, &target))
	f.Fields = append([]Param{{Name: fieldKey, Value: r.Key}}, r.Fields...)
	f.Fields = append(f.Fields, p.formFields(r.Time.UTC())...)
	doc, err := json.Marshal(Policy{Expires: f.Expires, Conditions: formConditions(r, f.Fields)})
	if err != nil {
		return nil, err
	}
	policy := base64.StdEncoding.EncodeToString(doc)
	sig, err := p.signPolicy(policy, r.Time.UTC())
	if err != nil {
		return nil, err
	}
	f.Fields = append(f.Fields, Param{Name: fieldPolicy, Value: policy}, sig)
	return f, nil
}

// formFields returns the fields that name the signer.
func (p *Presigner) formFields(now time.Time) []Param {
	fields := []Param{{Name: paramV2Key, Value: p.key.ID}}
	if p.opts.Version != V2 {
		algorithm := algorithmV4
		if p.opts.Version == V4A {
			algorithm = algorithmV4A
		}
		scope := credentialScope(now.Format(shortLayout), p.region, p.opts.Service, algorithm)
		fields = []Param{{Name: "x-amz-algorithm", Value: algorithm},
			{Name: "x-amz-credential", Value: p.key.ID + "/" + scope},
			{Name: "x-amz-date", Value: now.Format(longLayout)}}
		if p.opts.Version == V4A {
			fields = append(fields, Param{Name: "x-amz-region-set", Value: p.opts.RegionSet})
		}
	}
	if p.key.Token != "" {
		fields = append(fields, Param{Name: "x-amz-security-token", Value: p.key.Token})
	}
	return fields
}

// formConditions pins every field of the form, and the bucket.
func formConditions(r FormRequest, fields []Param) []Condition {
	out := []Condition{Eq("bucket", r.Bucket)}
	for _, f := range fields {
		prefix, variable := strings.CutSuffix(f.Value, "${filename}")
		switch {
		case f.Name == paramV2Key:
		case f.Name == fieldKey && variable:
			out = append(out, StartsWith(fieldKey, prefix))
		default:
			out = append(out, Eq(f.Name, f.Value))
		}
	}
	return append(out, r.Conditions...)
}

// signPolicy signs the base64 text of a policy, which is the whole string to
// sign of a form.
func (p *Presigner) signPolicy(policy string, now time.Time) (Param, error) {
	switch p.opts.Version {
	case V2:
		return Param{Name: "signature", Value: base64.StdEncoding.EncodeToString(hmacSHA1(p.key.Secret, policy))}, nil
	case V4A:
		der, err := signECDSA(p.keys.ecdsaKey(p.key), []byte(policy))
		return Param{Name: "x-amz-signature", Value: hex.EncodeToString(der)}, err
	}
	k := p.keys.get(p.key, now.Format(shortLayout), p.region, p.opts.Service)
	return Param{Name: "x-amz-signature", Value: hex.EncodeToString(k.sum(nil, []byte(policy)))}, nil
}

// VerifyForm checks the signature and expiry of a browser form and returns
// what they prove, and the policy, whose conditions the caller then checks
// against the fields (Policy.Check) and the file (Policy.CheckSize). A form
// without signature and policy is anonymous, with a nil policy.
func (v *Verifier) VerifyForm(ctx context.Context, form Form, now time.Time) (*Result, *Policy, error) {
	s := getScratch()
	defer s.release()
	c := check{Verifier: v, Request: &Request{}, scratch: s, ctx: ctx, now: now}
	c.result.Method = "POST"
	scheme, err := c.formVersion(form)
	if err != nil {
		return nil, nil, err
	}
	switch scheme {
	case V4:
		err = c.formV4(form)
	case V2:
		err = c.formV2(form)
	default:
		c.result.Scheme = Anonymous
		return &c.result, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	c.result.Scheme = FormAuth
	policy, err := c.openPolicy(form.Get(fieldPolicy))
	return &c.result, policy, err
}

// formVersion finds out how a form is signed and that no field is missing.
func (c *check) formVersion(form Form) (Version, error) {
	v4, err := c.allFields(form, paramSignature, paramAlgorithm, paramCredential, paramDate)
	if v4 || err != nil {
		return V4, err
	}
	v2, err := c.allFields(form, paramV2Signature, paramV2Key)
	if v2 || err != nil {
		return V2, err
	}
	if _, ok := form.Lookup(fieldPolicy); ok {
		return "", newError(CodeAccessDenied, "Access Denied")
	}
	return "", nil
}

// allFields reports whether a form has the fields of a signature. Having
// some of them but not all, or no policy, is an error.
func (c *check) allFields(form Form, names ...string) (bool, error) {
	missing, found := "", false
	for _, name := range append(names, fieldPolicy) {
		if _, ok := form.Lookup(name); ok {
			found = found || name != fieldPolicy
		} else if missing == "" {
			missing = name
		}
	}
	if found && missing != "" {
		return false, newError(CodeInvalidArgument, "Bucket POST must contain a field named '"+missing+
			"'.  If it is specified, please check the order of the fields.",
			Detail{"ArgumentName", missing}, Detail{"ArgumentValue", ""})
	}
	return found, nil
}

func (c *check) formV4(form Form) error {
	r := v4Request{algorithm: form.Get(paramAlgorithm), signature: form.Get(paramSignature),
		regionSet: form.Get(paramRegionSet), fail: queryError, credWords: "Error parsing the X-Amz-Credential parameter; "}
	if r.algorithm != algorithmV4 && r.algorithm != algorithmV4A {
		return queryError(`X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"`)
	}
	if err := c.scope(&r, form.Get(paramCredential)); err != nil {
		return err
	}
	date := form.Get(paramDate)
	var ok bool
	if r.date, ok = parseLong(date); !ok {
		return queryError("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
	}
	if date[:8] != r.cred.day {
		return queryError(`Invalid credential date "` + r.cred.day +
			`". This date is not the same as X-Amz-Date: "` + date[:8] + `".`)
	}
	if r.algorithm == algorithmV4A && !regionMatches(r.regionSet, c.opts.Region) {
		return queryError("The region set '" + r.regionSet + "' does not include '" + c.opts.Region + "'")
	}
	if err := c.lookupKey(r.cred.id, form.Get(paramToken)); err != nil {
		return err
	}
	c.result.SignedAt, c.result.Version = r.date, V4
	if r.algorithm == algorithmV4A {
		c.result.Version = V4A
	}
	s := c.scratch
	policy := form.Get(fieldPolicy)
	s.sts = append(s.sts[:0], policy...)
	if !c.wellFormed(&r) || !c.matches(s, &r) {
		return formMismatch(r.cred.id, policy, r.signature)
	}
	return nil
}

func (c *check) formV2(form Form) error {
	if c.opts.DenyV2 {
		return errV2Denied()
	}
	if err := c.lookupKey(form.Get(paramV2Key), form.Get(paramToken)); err != nil {
		return err
	}
	c.result.Version = V2
	policy, signature := form.Get(fieldPolicy), form.Get(paramV2Signature)
	given, ok := decodeV2(signature)
	if !ok || !hmac.Equal(hmacSHA1(c.key.Secret, policy), given) {
		return formMismatch(c.key.ID, policy, signature)
	}
	c.result.signature = signature
	return nil
}

func formMismatch(id, policy, signature string) error {
	return newError(CodeSignatureDoesNotMatch, mismatchMessage,
		Detail{"AWSAccessKeyId", id}, Detail{"StringToSign", policy},
		Detail{"SignatureProvided", signature}, Detail{"StringToSignBytes", spacedHex(policy)})
}

// openPolicy decodes a policy whose signature is known to be good.
func (c *check) openPolicy(encoded string) (*Policy, error) {
	doc, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, policyError("Invalid JSON.")
	}
	p, err := ParsePolicy(doc)
	if err != nil {
		return nil, err
	}
	c.result.ExpiresAt = p.Expires
	if !c.now.Before(p.Expires) {
		return nil, newError(CodeAccessDenied, "Invalid according to Policy: Policy expired.")
	}
	return p, c.capEnd()
}
