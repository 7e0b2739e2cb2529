package limits

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A Use is one request of a pass, as far as limits look at it.
type Use struct {
	Now time.Time
	// Addr is the client's address; invalid where it is not known.
	Addr netip.Addr
	// TLS says that the client's connection is encrypted.
	TLS bool
	// Origin is the origin of the page that sends the request (RequestOrigin);
	// empty where the request names none.
	Origin string
}

// Admit checks what can be decided from the request alone: not-before, until,
// ip, tls and origin. AccessDenied.
func (s *Set) Admit(u Use) error {
	switch {
	case s == nil:
		return nil
	case !s.NotBefore.IsZero() && u.Now.Before(s.NotBefore):
		return outsideTime(NotBefore, s.NotBefore, u.Now, "Request is not valid yet")
	case !s.Until.IsZero() && !u.Now.Before(s.Until):
		return outsideTime(Until, s.Until, u.Now, "Request has expired")
	case len(s.IP) > 0 && !s.allowsAddr(u.Addr):
		return Refused(IP, encodeIP(s), addrWords(u.Addr))
	case s.TLS && !u.TLS:
		return Refused(TLS, "required", "plain HTTP")
	case len(s.Origins) > 0 && !s.allowsOrigin(u.Origin):
		return Refused(Origin, strings.Join(s.Origins, ","), originWord(u.Origin))
	}
	return nil
}

// outsideTime refuses in the words of S3.
func outsideTime(limit string, bound, now time.Time, message string) error {
	e := Refused(limit, bound.UTC().Format(isoLayout), now.UTC().Format(isoLayout))
	e.Message = message
	return e
}

// allowsAddr compares unmapped addresses without zones, as ranges are kept.
func (s *Set) allowsAddr(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return addr.IsValid() && slices.ContainsFunc(s.IP, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func addrWords(addr netip.Addr) string {
	if !addr.IsValid() {
		return "an unknown address"
	}
	return addr.Unmap().String()
}

func (s *Set) allowsOrigin(text string) bool {
	origin, ok := canonicalOrigin(text)
	return ok && slices.Contains(s.Origins, origin)
}

func originWord(origin string) string {
	if origin == "" {
		return "no origin"
	}
	return origin
}
