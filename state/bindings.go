package state

import (
	"context"
	"net/netip"
	"time"
)

// A binding changes only when its pass is restored, so that it is cached.
const (
	bindingMaxAge  = time.Second
	bindingEntries = 1 << 14
)

// Bind binds a pass to the first address that it is called with and returns
// the address that the pass is bound to. An IPv4 address is the same when it
// comes mapped into IPv6. InvalidArgument for the zero address.
func (s *State) Bind(ctx context.Context, pass string, addr netip.Addr, ends time.Time) (netip.Addr, error) {
	const op = "state.Bind"
	addr = addr.Unmap().WithZone("")
	if pass == "" || !addr.IsValid() {
		return netip.Addr{}, failed(op, invalid("Binding", "a binding has a pass and an address"))
	}
	e := refOf(pass, kindBinding, "", ends)
	if owner, ok := s.bound.get(e.id, s.now()); ok {
		return owner, nil
	}
	mark := s.bound.mark()
	var owner netip.Addr
	_, err := s.change(ctx, e, func(data []byte) (next []byte, err error) {
		owner, err = openBinding(data)
		if owner.IsValid() || err != nil {
			return nil, err
		}
		owner = addr
		return bindingData(addr), nil
	})
	if err != nil {
		return netip.Addr{}, failed(op, err)
	}
	s.bound.put(e.id, owner, s.now(), mark)
	return owner, nil
}

// Bound returns the address that a pass is bound to, the zero Addr for none.
func (s *State) Bound(ctx context.Context, pass string) (netip.Addr, error) {
	const op = "state.Bound"
	e := refOf(pass, kindBinding, "", time.Time{})
	if owner, ok := s.bound.get(e.id, s.now()); ok {
		return owner, nil
	}
	mark := s.bound.mark()
	data, err := s.data(ctx, e.id)
	if err != nil {
		return netip.Addr{}, failed(op, err)
	}
	owner, err := openBinding(data)
	if err != nil {
		return netip.Addr{}, failed(op, err)
	}
	if owner.IsValid() {
		s.bound.put(e.id, owner, s.now(), mark)
	}
	return owner, nil
}

// openBinding returns the address in an entry's data, the zero Addr for nil.
func openBinding(data []byte) (netip.Addr, error) {
	if data == nil {
		return netip.Addr{}, nil
	}
	d := decode(data, kindBinding)
	raw := make([]byte, len(d.rest))
	d.bytes(raw)
	addr, ok := netip.AddrFromSlice(raw)
	d.bad = d.bad || !ok
	return addr, d.end()
}

func bindingData(addr netip.Addr) []byte {
	e := encode(kindBinding)
	e.bytes(addr.AsSlice())
	return e
}
