package audit

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/daypass/daypass"
)

// Stored events are a version and then fields, each a varint of its number
// and kind, and a value: for texts a length and the bytes as they are, for
// times (microseconds since 1970) and numbers a signed varint. Empty fields are
// left out and unknown ones are skipped, so that older and newer versions of
// Daypass read each other's records.
const (
	encodingVersion = 1
	kindNumber      = 0
	kindText        = 1
)

// AppendEvent appends the stored form of an event, which keeps everything but
// fractions of microseconds of its times. The event must be cleaned.
func AppendEvent(dst []byte, e *daypass.Event) []byte {
	dst = append(dst, encodingVersion)
	for i := range textFields {
		f := &textFields[i]
		if s := *f.at(e); s != "" {
			dst = binary.AppendUvarint(dst, f.number<<1|kindText)
			dst = binary.AppendUvarint(dst, uint64(len(s)))
			dst = append(dst, s...)
		}
	}
	for i := range timeFields {
		f := &timeFields[i]
		if t := *f.at(e); !t.IsZero() {
			dst = appendNumber(dst, f.number, t.UnixMicro())
		}
	}
	for i := range numberFields {
		f := &numberFields[i]
		if v := f.get(e); v != 0 {
			dst = appendNumber(dst, f.number, v)
		}
	}
	return dst
}

func appendNumber(dst []byte, number uint64, v int64) []byte {
	dst = binary.AppendUvarint(dst, number<<1|kindNumber)
	return binary.AppendVarint(dst, v)
}

var errEncoding = errors.New("audit: not an event")

// DecodeEvent sets e to a stored event. Its texts share one allocation.
func DecodeEvent(b []byte, e *daypass.Event) error {
	if len(b) == 0 || b[0] != encodingVersion {
		return errEncoding
	}
	*e = daypass.Event{}
	s := string(b)
	for i := 1; i < len(b); {
		tag, n := binary.Uvarint(b[i:])
		if n <= 0 {
			return errEncoding
		}
		i += n
		if tag&1 == kindNumber {
			v, n := binary.Varint(b[i:])
			if n <= 0 {
				return errEncoding
			}
			i += n
			setNumber(e, tag>>1, v)
			continue
		}
		size, n := binary.Uvarint(b[i:])
		if n <= 0 || size > uint64(len(b)-i-n) {
			return errEncoding
		}
		i += n
		setText(e, tag>>1, s[i:i+int(size)])
		i += int(size)
	}
	return nil
}

func setText(e *daypass.Event, number uint64, s string) {
	// Numbers of texts are their places in the table, counted from one.
	if i := number - 1; i < uint64(len(textFields)) {
		*textFields[i].at(e) = s
	}
}

func setNumber(e *daypass.Event, number uint64, v int64) {
	if i := number - timeFields[0].number; i < uint64(len(timeFields)) {
		*timeFields[i].at(e) = time.UnixMicro(v).UTC()
	}
	if i := number - numberFields[0].number; i < uint64(len(numberFields)) {
		numberFields[i].set(e, v)
	}
}
