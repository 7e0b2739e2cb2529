package diskstore

import (
	"encoding/base64"
	"encoding/binary"
	"io"
)

// A ticket identifies a version or a multipart upload. Later ones have a
// higher order; the nonce keeps ids from being guessed.
type ticket struct {
	order uint64 // zero for what was written before its bucket had versions
	nonce nonce  // zero for a null version
}

type nonce [16]byte

// ticketEncoding has an alphabet in order of bytes, so ids sort like the
// bytes that they stand for. All of it may stand in a URL as it is.
var ticketEncoding = base64.NewEncoding(
	"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz").WithPadding(base64.NoPadding).Strict()

// ticketLength is the length of an id.
const ticketLength = 32

// newTicket returns a ticket above all before. It must be taken under the lock
// that orders what it is for.
func (d *Driver) newTicket() (t ticket, err error) {
	if t.order, err = d.ids.take(); err != nil {
		return t, err
	}
	_, err = io.ReadFull(d.opts.Rand, t.nonce[:])
	return t, err
}

func (t ticket) encode(order uint64) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 24), order)
	return ticketEncoding.EncodeToString(append(b, t.nonce[:]...))
}

// versionID returns the id of a version: that of a newer one sorts first.
func (t ticket) versionID() string { return t.encode(^t.order) }

// uploadID returns the id of an upload: that of an older one sorts first.
func (t ticket) uploadID() string { return t.encode(t.order) }

func parseUploadID(id string) (t ticket, ok bool) {
	if len(id) != ticketLength {
		return t, false
	}
	b, err := ticketEncoding.DecodeString(id)
	if err != nil {
		return t, false
	}
	return ticket{order: binary.BigEndian.Uint64(b), nonce: nonce(b[8:])}, true
}

func parseVersionID(id string) (t ticket, ok bool) {
	t, ok = parseUploadID(id)
	t.order = ^t.order
	return t, ok
}
