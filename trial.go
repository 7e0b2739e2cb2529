package daypass

import "time"

// A Trial is what a server would make of a pre-signed URL, up to where the
// action would begin. Limits that depend on who asks (address, origin,
// transport, PIN) and what the pass has used up are left aside.
type Trial struct {
	// Method is the one that the URL was signed for, or that was tried.
	Method string
	Action Action
	Object ObjectRef
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
	// Policies is what policies say of the signer's request: the first at the
	// time of signing, and one for each change. Empty where they were not asked.
	Policies []PolicyChange
	// Inexact says that a condition on the time has a value that is none, so
	// that a change between two looks could be missing.
	Inexact bool
	// Size is that of the object in bytes; negative where there is none, or
	// policies do not let the signer read it.
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
