package notify

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
)

// special are the addresses that are not public: those of the registries of
// special-purpose addresses (RFC 6890 and what IANA added) that are not globally
// reachable or lead to another address, and one that Azure uses for its
// machines. They begin with IPv4. Of IPv6 only 2000::/3 is public at all.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),         // this host
	netip.MustParsePrefix("10.0.0.0/8"),        // private
	netip.MustParsePrefix("100.64.0.0/10"),     // carrier-grade NAT
	netip.MustParsePrefix("127.0.0.0/8"),       // loopback
	netip.MustParsePrefix("168.63.129.16/32"),  // Azure's metadata
	netip.MustParsePrefix("169.254.0.0/16"),    // link-local, with the metadata of clouds
	netip.MustParsePrefix("172.16.0.0/12"),     // private
	netip.MustParsePrefix("192.0.0.0/24"),      // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),      // documentation
	netip.MustParsePrefix("192.88.99.0/24"),    // 6to4 relays
	netip.MustParsePrefix("192.168.0.0/16"),    // private
	netip.MustParsePrefix("198.18.0.0/15"),     // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),   // documentation
	netip.MustParsePrefix("203.0.113.0/24"),    // documentation
	netip.MustParsePrefix("224.0.0.0/4"),       // multicast
	netip.MustParsePrefix("240.0.0.0/4"),       // reserved, broadcast
	netip.MustParsePrefix("2001::/23"),         // protocol assignments: Teredo, ORCHID
	netip.MustParsePrefix("2001:db8::/32"),     // documentation
	netip.MustParsePrefix("2002::/16"),         // 6to4, which holds an IPv4 address
	netip.MustParsePrefix("3fff::/20"),         // documentation
	netip.MustParsePrefix("2620:4f:8000::/48"), // AS112
}

// globalUnicast is what of IPv6 can be public: not ::/8 with loopback, mapped,
// compatible and NAT64 addresses, not unique local, link-local and multicast
// ones.
var globalUnicast = netip.MustParsePrefix("2000::/3")

// An Allowlist has the addresses that are allowed although they are not public.
type Allowlist []netip.Prefix

// lists reports whether an address is in the list.
func (l Allowlist) lists(addr netip.Addr) bool {
	for _, p := range l {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// public reports whether anybody can reach an address, which is not mapped.
func public(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Is6() && !globalUnicast.Contains(addr) {
		return false
	}
	for _, p := range special {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}

// An addressError says that a message must not go to an address.
type addressError struct {
	addr  netip.Addr
	plain bool
}

// Error says what may be done about it.
func (e *addressError) Error() string {
	if e.plain {
		return fmt.Sprintf("plain http:// goes to listed addresses only, and %v is not one (--webhook-allow)", e.addr)
	}
	return fmt.Sprintf("%v is not a public address and is not listed (--webhook-allow)", e.addr)
}

// Check refuses an address that messages must not go to: one that is not
// public and not in the list, and over plain HTTP any that is not in the list.
func (l Allowlist) Check(addr netip.Addr, plain bool) error {
	addr = addr.Unmap().WithZone("")
	if l.lists(addr) || !plain && public(addr) {
		return nil
	}
	return &addressError{addr, plain}
}

// control returns a net.Dialer.Control that refuses what Check does. It is asked
// about each address that is dialled, after names have been resolved.
func (l Allowlist) control(plain bool) func(network, address string, _ syscall.RawConn) error {
	return func(network, address string, _ syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return fmt.Errorf("a webhook is no %s address", network)
		}
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return l.Check(ap.Addr(), plain)
	}
}
