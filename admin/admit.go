package admin

import (
	"errors"
	"net"
	"net/http"

	"github.com/daypass/daypass"
)

// callerLocal is the caller of requests that came through a trusted socket.
const callerLocal = "local"

// admit returns who is calling, if they may.
func (h *handler) admit(r *http.Request) (caller string, err error) {
	if h.TrustLocal {
		return admitLocal(r)
	}
	g, err := h.Authenticate(r)
	if err != nil {
		return "", unauthenticated(err)
	}
	if g == nil || g.Scheme != daypass.SchemeHeader {
		return "", denied(errors.New("not signed in the Authorization header"))
	}
	k, err := h.Keys.AccessKey(r.Context(), g.AccessKeyID)
	if err != nil {
		return "", unauthenticated(err)
	}
	if !k.Root || k.Disabled {
		return "", denied(errors.New("not the root key"))
	}
	return k.ID, nil
}

// admitLocal admits whoever came through a unix socket. The server tells the
// kind of connection, not the client.
func admitLocal(r *http.Request) (string, error) {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || addr.Network() != "unix" {
		return "", denied(errors.New("unsigned, and not through a unix socket"))
	}
	return callerLocal, nil
}

func denied(cause error) error {
	return &daypass.Error{Op: "admin.admit", Code: daypass.AccessDenied, Err: cause}
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
