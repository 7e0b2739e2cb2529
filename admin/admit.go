package admin

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// callerLocal is the caller of requests that came through a trusted socket.
const callerLocal = "local"

// admit finds out who is calling. What they may do is for authorize.
func (h *handler) admit(r *http.Request) (*call, error) {
	if h.TrustLocal {
		if err := admitLocal(r); err != nil {
			return nil, err
		}
		return &call{Request: r, caller: callerLocal, grant: daypass.Grant{AccessKeyID: callerLocal, Scheme: daypass.SchemeLocal}}, nil
	}
	g, err := h.Authenticate(r)
	if err != nil {
		return nil, unauthenticated(err)
	}
	if g == nil || g.Scheme != daypass.SchemeHeader {
		return nil, denied(errors.New("not signed in the Authorization header"))
	}
	if state.IsSession(g.AccessKeyID) {
		return nil, refuse("The admin API takes no temporary access keys. Sign with a lasting one.")
	}
	k, err := h.Keys.AccessKey(r.Context(), g.AccessKeyID)
	if err != nil {
		return nil, unauthenticated(err)
	}
	if k.Disabled || !k.Expires.IsZero() && !h.Clock().Before(k.Expires) {
		return nil, denied(errors.New("the access key is disabled or has ended"))
	}
	grant := *g
	grant.Owner = k.Owner
	return &call{Request: r, caller: k.ID, key: &k, grant: grant}, nil
}

// admitLocal admits whoever came through a unix socket. The server tells the
// kind of connection, not the client.
func admitLocal(r *http.Request) error {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || addr.Network() != "unix" {
		return denied(errors.New("unsigned, and not through a unix socket"))
	}
	return nil
}

func denied(cause error) error {
	return &daypass.Error{Op: "admin.admit", Code: daypass.AccessDenied, Err: cause}
}

// refuse denies access and tells the client why.
func refuse(format string, args ...any) error {
	return &daypass.Error{Op: "admin.admit", Code: daypass.AccessDenied, Message: fmt.Sprintf(format, args...)}
}

// unauthenticated marks err, so that codes that only authentication knows are
// refusals too and not internal errors.
func unauthenticated(err error) error {
	if daypass.CodeOf(err) == daypass.NoSuchAccessKey {
		err = &daypass.Error{Op: "admin.admit", Code: daypass.InvalidAccessKeyID, Err: err}
	}
	return &refusal{err}
}

// A refusal is an error of authentication.
type refusal struct{ error }

// Unwrap returns the error itself.
func (r *refusal) Unwrap() error { return r.error }
