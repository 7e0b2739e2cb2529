package server

import (
	"net/http"
	"net/netip"
	"strings"
)

// clientAddress returns the address that a request came from: that of the
// peer, or of whom the configured proxies say that they speak for. It is the
// zero Addr where that cannot be told: a proxy that writes one of the headers
// X-Forwarded-For and Forwarded passes on what the client claims in the
// other, so where they differ nobody knows which one to believe.
func (s *Server) clientAddress(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap().WithZone("")
	if !s.isProxy(addr) {
		return addr
	}
	lists, elements := r.Header["X-Forwarded-For"], r.Header["Forwarded"]
	if tooLong(lists) || tooLong(elements) {
		return netip.Addr{}
	}
	client, ok := addr, true
	if len(lists) > 0 {
		client, ok = s.lastHop(addr, strings.Split(strings.Join(lists, ","), ","))
	}
	if len(elements) > 0 {
		hops, _ := forwardedValues(elements, "for") // none where malformed
		other, valid := s.lastHop(addr, hops)
		if len(lists) > 0 && other != client {
			return netip.Addr{}
		}
		client, ok = other, valid
	}
	if !ok {
		return netip.Addr{}
	}
	return client
}

// maxForwarded bounds the headers of proxies that are looked at, in bytes: a
// chain of proxies is short, and clients add to it what they like.
const maxForwarded = 8 << 10

func tooLong(lines []string) bool {
	n := 0
	for _, line := range lines {
		n += len(line)
	}
	return n > maxForwarded
}

// lastHop returns the last of the hops behind a proxy that is no trusted proxy
// itself: each proxy appends the peer that it saw, so what comes before is the
// client's claim. ok is false where that entry is no address.
func (s *Server) lastHop(addr netip.Addr, hops []string) (_ netip.Addr, ok bool) {
	for i := len(hops) - 1; i >= 0 && s.isProxy(addr); i-- {
		if addr, ok = parseHop(strings.TrimSpace(hops[i])); !ok {
			return netip.Addr{}, false
		}
	}
	return addr, ok
}

// forwardedValues returns a parameter of each element of Forwarded headers
// (RFC 7239, section 4), an empty text for an element that has none. ok is
// false where a header is malformed: a quote that a client leaves open swallows
// what a proxy appends, so nothing in it can be believed.
func forwardedValues(lines []string, name string) (values []string, ok bool) {
	for _, line := range lines {
		elements, ok := splitQuoted(line, ',')
		if !ok {
			return nil, false
		}
		for _, element := range elements {
			value, ok := forwardedParam(element, name)
			if !ok {
				return nil, false
			}
			values = append(values, value)
		}
	}
	return values, true
}

// forwardedParam returns a parameter of an element, "" where it has none.
// Having it twice is malformed.
func forwardedParam(element, name string) (value string, ok bool) {
	pairs, ok := splitQuoted(element, ';')
	found := false
	for _, pair := range pairs {
		n, v, _ := strings.Cut(strings.TrimSpace(pair), "=")
		text, plain := unquoted(v)
		named := strings.EqualFold(n, name)
		if !plain || named && found {
			return "", false
		}
		if named {
			value, found = text, true
		}
	}
	return value, ok
}

// splitQuoted splits a text where a separator stands outside of quotes. ok is
// false where a quote is left open.
func splitQuoted(text string, sep byte) (parts []string, ok bool) {
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case quoted && text[i] == '\\':
			i++
		case !quoted && text[i] == sep:
			parts, start = append(parts, text[start:i]), i+1
		}
	}
	return append(parts, text[start:]), !quoted
}

// unquoted returns the text of a token or of a quoted string. Nothing that is
// looked for has an escape in it.
func unquoted(value string) (text string, ok bool) {
	if strings.HasPrefix(value, `"`) {
		text, ok = strings.CutSuffix(value[1:], `"`)
		return text, ok && !strings.ContainsAny(text, `"\`)
	}
	return value, !strings.Contains(value, `"`)
}

// parseHop parses an address as proxies write it, some with a port and some
// IPv6 ones in brackets.
func parseHop(text string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if text, ok = strings.CutSuffix(inner, "]"); !ok {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(text)
	return addr.Unmap().WithZone(""), err == nil
}

// isProxy reports whether an address is that of a configured proxy.
func (s *Server) isProxy(addr netip.Addr) bool {
	for _, p := range s.cfg.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// trusts reports whether the peer is a configured proxy.
func (s *Server) trusts(remote string) bool {
	if len(s.cfg.TrustedProxies) == 0 {
		return false
	}
	peer, err := netip.ParseAddrPort(remote)
	return err == nil && s.isProxy(peer.Addr().Unmap().WithZone(""))
}

// encrypted reports whether the client's connection is encrypted: every hop
// that a trusted proxy tells of must be.
func (s *Server) encrypted(r *http.Request) bool {
	if !s.trusts(r.RemoteAddr) {
		return r.TLS != nil
	}
	protos, ok := forwardedProtos(r.Header)
	for _, proto := range protos {
		ok = ok && strings.EqualFold(proto, "https")
	}
	return ok && (len(protos) > 0 || r.TLS != nil)
}

// forwardedProtos returns the schemes that proxies name. ok is false where
// that cannot be told.
func forwardedProtos(h http.Header) (protos []string, ok bool) {
	if tooLong(h["X-Forwarded-Proto"]) || tooLong(h["Forwarded"]) {
		return nil, false
	}
	for _, line := range h["X-Forwarded-Proto"] {
		for proto := range strings.SplitSeq(line, ",") {
			protos = append(protos, strings.TrimSpace(proto))
		}
	}
	values, ok := forwardedValues(h["Forwarded"], "proto")
	for _, proto := range values {
		if proto != "" {
			protos = append(protos, proto)
		}
	}
	return protos, ok
}
