package policy

import "strings"

// A Request is what is to be decided.
type Request struct {
	Principal Principal
	// Action is the permission that the request needs: "s3:GetObject".
	Action string
	// Resource is the ARN of what it is about: "arn:aws:s3:::bucket/key" with
	// the key as it is stored, or "arn:aws:s3:::*" where there is none, as for
	// s3:ListAllMyBuckets. BucketARN and ObjectARN make them.
	Resource string
	// Context returns the values of a condition key, and whether the request
	// has it. The key's name is in lower case; a tag's key behind the slash is
	// as the policy writes it: "s3:prefix", "aws:sourceip",
	// "s3:existingobjecttag/Team". A key with one empty value exists.
	//
	// The keys that Principal answers are not asked for: aws:username,
	// aws:userid, aws:principalarn, aws:principalaccount, aws:principaltype,
	// aws:principalisawsservice and aws:principalservicename. A nil Context
	// has no keys.
	Context func(key string) (values []string, ok bool)
}

// BucketARN returns the ARN of a bucket.
func BucketARN(bucket string) string { return "arn:aws:s3:::" + bucket }

// ObjectARN returns the ARN of an object.
func ObjectARN(bucket, key string) string { return "arn:aws:s3:::" + bucket + "/" + key }

// A call is a request in the course of being decided.
type call struct {
	request *Request
	action  string // in lower case
	one     [1]string
}

func newCall(r *Request) *call { return &call{request: r, action: lowerAction(r.Action)} }

// lookup returns the values of a key. The slice is valid until the next one.
func (c *call) lookup(key string) ([]string, bool) {
	if v, known := c.request.Principal.key(key); known {
		c.one[0] = v
		return c.one[:], v != ""
	}
	if c.request.Context == nil {
		return nil, false
	}
	return c.request.Context(key)
}

// single returns the value of a key that has exactly one; others cannot be
// policy variables (IAM User Guide, "Policy elements: Variables and tags").
func (c *call) single(key string) (string, bool) {
	if v, known := c.request.Principal.key(key); known {
		return v, v != ""
	}
	if c.request.Context == nil {
		return "", false
	}
	values, ok := c.request.Context(key)
	if !ok || len(values) != 1 {
		return "", false
	}
	return values[0], true
}

// key returns the value of a key that is about the caller; a key without one
// is absent. Which kind of caller has which key is told by IAM User Guide,
// "Policy elements: Variables and tags", table of principal key values.
func (p *Principal) key(key string) (value string, known bool) {
	switch key {
	case "aws:username":
		return p.UserName, true
	case "aws:userid":
		if p.Anonymous {
			return "anonymous", true
		}
		return p.UserID, true
	case "aws:principalarn":
		return p.principalARN(), true
	case "aws:principalaccount":
		if p.Anonymous {
			return "anonymous", true
		}
		return p.Account, true
	case "aws:principaltype":
		return p.principalType(), true
	case "aws:principalisawsservice":
		return boolText(p.Service != ""), true
	case "aws:principalservicename":
		return p.Service, true
	}
	return "", false
}

// principalARN is the role's or user's for a session, not the session's own
// (IAM User Guide, "aws:PrincipalArn").
func (p *Principal) principalARN() string {
	if p.Issuer != "" {
		return p.Issuer
	}
	return p.ARN
}

func (p *Principal) principalType() string {
	switch parts := splitARN(p.ARN, false); {
	case p.Anonymous:
		return "Anonymous"
	case p.Root:
		return "Account"
	case len(parts) == arnSegments && strings.HasPrefix(parts[5], "assumed-role/"):
		return "AssumedRole"
	case len(parts) == arnSegments && strings.HasPrefix(parts[5], "federated-user/"):
		return "FederatedUser"
	case p.Service != "":
		return "Service"
	}
	return "User"
}
