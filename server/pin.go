package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/state"
)

// The reasons why a PIN is asked for.
var (
	errNoPIN    = errors.New("no PIN was given")
	errWrongPIN = errors.New("a wrong PIN was given")
)

// checkPIN refuses a request whose holder has not given the PIN of the pass. A
// try is taken before the PIN is compared, and given back when it is right.
func (s *Server) checkPIN(c *call) error {
	if c.limits.PIN == nil || c.asking {
		return nil
	}
	pin := c.pin
	if pin == "" {
		pin = c.r.Header.Get(pinHeader)
	}
	if pin == "" {
		if s.provedPIN(c) {
			return nil
		}
		return pinRefused(errNoPIN)
	}
	return s.tryPIN(c, pin)
}

// tryPIN compares a PIN.
func (s *Server) tryPIN(c *call, pin string) error {
	try := state.PINTry{
		Pass: c.grant.PassID, Key: c.grant.AccessKeyID, Tag: c.limits.PIN.String(),
		Addr: s.clientAddress(c.r), Ends: c.grant.ExpiresAt,
	}
	ctx := c.r.Context()
	if err := s.cfg.Ledger.TryPIN(ctx, try); err != nil {
		return err
	}
	if !c.limits.PIN.Matches(c.key.Secret, pin) {
		return pinRefused(errWrongPIN)
	}
	return s.cfg.Ledger.AcceptPIN(ctx, try)
}

func pinRefused(why error) *daypass.Error {
	e := limits.Refused(limits.PIN, "the PIN of the pass, in the header x-daypass-pin-value", why.Error())
	e.Message, e.Err = "This pass needs its PIN.", why
	return e
}

// A browser that has given the PIN gets a cookie that says so for a while. It
// is good for the one pass that it names, and admits nothing without it.

const (
	pinCookiePrefix = cookiePrefix + "pin-"
	// pinCookieLife is how long a PIN that was given counts.
	pinCookieLife = time.Hour
	// maxProofs is how many cookies of one pass are looked at.
	maxProofs = 4
	// pinKeyBytes is the length of Config.PINKey.
	pinKeyBytes = 32
)

// newPINKey returns the key of PIN cookies.
func (c *Config) newPINKey() ([]byte, error) {
	if c.PINKey != nil {
		if len(c.PINKey) != pinKeyBytes {
			return nil, errors.New("server: PINKey must have " + strconv.Itoa(pinKeyBytes) + " bytes")
		}
		return c.PINKey, nil
	}
	key := make([]byte, pinKeyBytes)
	_, err := io.ReadFull(c.Rand, key)
	return key, err
}

// pinProof returns what the cookie of a pass holds: until when it is good, in
// Unix seconds, and a MAC of that and the pass.
func (s *Server) pinProof(pass, until string) string {
	mac := hmac.New(sha256.New, s.pinKey)
	io.WriteString(mac, "daypass-pin\x00"+pass+"\x00"+until)
	return until + "." + cookieEncoding.EncodeToString(mac.Sum(nil))
}

// provedPIN reports whether the browser has given the PIN before. Only for
// reading: a cookie comes with requests that another site has begun.
func (s *Server) provedPIN(c *call) bool {
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		return false
	}
	given := c.r.CookiesNamed(pinCookiePrefix + c.grant.PassID)
	for _, k := range given[:min(len(given), maxProofs)] {
		until, _, _ := strings.Cut(k.Value, ".")
		seconds, err := strconv.ParseInt(until, 10, 64)
		if err == nil && hmac.Equal([]byte(k.Value), []byte(s.pinProof(c.grant.PassID, until))) && c.now.Unix() < seconds {
			return true
		}
	}
	return false
}

// pinCookie returns the cookie of a PIN that was given.
func (s *Server) pinCookie(c *call) *http.Cookie {
	life := min(pinCookieLife, c.grant.ExpiresAt.Sub(c.now)).Truncate(time.Second)
	until := strconv.FormatInt(c.now.Add(life).Unix(), 10)
	return s.newCookie(c, pinCookiePrefix+c.grant.PassID, s.pinProof(c.grant.PassID, until), c.pinPath(), life)
}

// pinPath returns the path below which the pass is used.
func (c *call) pinPath() string {
	if c.limits.Prefix != "" && readsObject(c.target) {
		return c.prefixPath()
	}
	return cookiePath(c.clientPrefix() + c.path)
}
