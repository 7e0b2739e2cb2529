package daypass

import "time"

// A Trial is what a server would make of a pre-signed URL, up to where the
// action would begin, and of the object that it is for. Limits that depend on
// who asks (address, origin, transport, PIN) and what the pass has used up are
// left aside.
type Trial struct {
	// Method is the one that the URL was signed for, or that was tried.
	Method string
	Action Action
	Object ObjectRef
	// BucketOwner is the owner of the bucket, empty where there is none.
	BucketOwner string
	// Signature is why the signature is not good, nil where it is. The state of
	// the access key and the time are not looked at for that.
	Signature error
	// Unproven are headers that the signature covers and the URL does not hold,
	// so that it cannot be told whether it is good.
	Unproven []string
	// Grant is who signed; it is empty where the signature is not good.
	Grant Grant
	// Refusal is why the server would refuse the URL now, nil where it would
	// not or the signature is not good.
	Refusal error
	// Depends are the condition keys about whoever opens the URL that policies
	// ask for, where they refuse it and nobody is known who opened it.
	Depends []string
	// Policies is what policies say of the signer's request: the first at the
	// time of signing, or now where the signature does not tell that time, and
	// one for each change. Empty where they were not asked.
	Policies []PolicyChange
	// Inexact says that a condition on the time has a value that is none, or
	// that there are too many, so that a change could be missing.
	Inexact bool
	// Size is that of the object in bytes; negative where there is none,
	// policies do not let the signer read it, or it is another than the one
	// that the pass was first used for.
	Size int64
}

// A PolicyChange is what policies say from an instant on.
type PolicyChange struct {
	At      time.Time
	Allowed bool
	Why     string // it is denied
}

// A Visitor is who opens a URL, as far as policies ask for it. Empty fields are
// not known.
type Visitor struct {
	Source, Referer, UserAgent string
}
