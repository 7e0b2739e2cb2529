package audit

import (
	"encoding/binary"
	"errors"
	"slices"
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
// fractions of microseconds of its times. The event must be cleaned, or what is
// stored must be (AppendClean). Texts that are too long are cut (Bound).
func AppendEvent(dst []byte, e *daypass.Event) []byte {
	dst = append(dst, encodingVersion)
	for i, text := range textsOf(e) {
		if s := *text; s != "" {
			f := &textFields[i]
			if len(s) > f.most {
				s = shorten(s, f.most)
			}
			dst = appendStoredText(dst, f.number<<1|kindText, s)
		}
	}
	for i, t := range timesOf(e) {
		if !t.IsZero() {
			dst = appendNumber(dst, timeFields[i].number, t.UnixMicro())
		}
	}
	for i, v := range numbersOf(e) {
		if v != 0 {
			dst = appendNumber(dst, numberFields[i].number, v)
		}
	}
	return dst
}

func appendStoredText(dst []byte, tag uint64, s string) []byte {
	if tag < 1<<7 && len(s) < 1<<7 {
		dst = append(dst, byte(tag), byte(len(s)))
	} else {
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, tag), uint64(len(s)))
	}
	return append(dst, s...)
}

func appendNumber(dst []byte, number uint64, v int64) []byte {
	dst = binary.AppendUvarint(dst, number<<1|kindNumber)
	return binary.AppendVarint(dst, v)
}

var errEncoding = errors.New("audit: not an event")

// A storedField is a field of a stored event.
type storedField struct {
	tag   uint64 // number and kind
	value int64  // a number's
	text  string
}

func (f *storedField) isText() bool { return f.tag&1 == kindText }

// nextField returns the first field of what is left of a stored event, and its
// length; 0 where there is none. Most tags and lengths are one byte.
func nextField(s string) (f storedField, n int) {
	n = 1
	if f.tag = uint64(s[0]); f.tag >= 1<<7 {
		if f.tag, n = uvarint(s); n <= 0 {
			return f, 0
		}
	}
	size, sizeBytes := uvarint(s[n:])
	if sizeBytes <= 0 {
		return f, 0
	}
	n += sizeBytes
	if !f.isText() {
		f.value = int64(size>>1) ^ -int64(size&1) // zigzag, as binary.Varint's
		return f, n
	}
	if size > uint64(len(s)-n) {
		return f, 0
	}
	f.text = s[n : n+int(size)]
	return f, n + int(size)
}

// uvarint is binary.Uvarint of a string.
func uvarint(s string) (v uint64, n int) {
	for shift := 0; n < len(s) && n < binary.MaxVarintLen64; shift += 7 {
		b := s[n]
		n++
		if b < 1<<7 {
			if n == binary.MaxVarintLen64 && b > 1 {
				return 0, 0
			}
			return v | uint64(b)<<shift, n
		}
		v |= uint64(b&0x7f) << shift
	}
	return 0, 0
}

// IsEvent reports whether DecodeEvent understands a stored event.
func IsEvent(stored string) bool {
	if stored == "" || stored[0] != encodingVersion {
		return false
	}
	for i := 1; i < len(stored); {
		if i+1 < len(stored) && stored[i] < 1<<7 && stored[i+1] < 1<<7 { // most fields
			if stored[i]&1 == kindText {
				i += int(stored[i+1])
			}
			if i += 2; i > len(stored) {
				return false
			}
			continue
		}
		_, n := nextField(stored[i:])
		if n == 0 {
			return false
		}
		i += n
	}
	return true
}

// DecodeEvent sets e to a stored event. Its texts are parts of what is stored.
func DecodeEvent(stored string, e *daypass.Event) error {
	*e = daypass.Event{}
	if stored == "" || stored[0] != encodingVersion {
		return errEncoding
	}
	texts := textsOf(e)
	for i := 1; i < len(stored); {
		f, n := nextField(stored[i:])
		if n == 0 {
			return errEncoding
		}
		i += n
		if !f.isText() {
			setNumber(e, f.tag>>1, f.value)
			continue
		}
		// Numbers of texts are their places in the table, counted from one.
		if i := f.tag>>1 - 1; i < uint64(len(texts)) {
			*texts[i] = f.text
		}
	}
	return nil
}

func setNumber(e *daypass.Event, number uint64, v int64) {
	if i := number - timeFields[0].number; i < uint64(len(timeFields)) {
		*timesOf(e)[i] = time.UnixMicro(v).UTC()
	}
	if i := number - numberFields[0].number; i < uint64(len(numberFields)) {
		numberFields[i].set(e, v)
	}
}

// AppendClean appends a stored event that is not yet cleaned, cleaned: as
// AppendEvent stores it after Clean. Behind what is no field it has nothing, so
// that nothing comes through that was not looked at.
func AppendClean(dst []byte, stored string) []byte {
	kept := 0 // up to where it was appended
	i := min(1, len(stored))
	for i < len(stored) {
		f, n := nextField(stored[i:])
		if n == 0 {
			break
		}
		if f.isText() {
			field := &unknownText
			if at := f.tag>>1 - 1; at < uint64(len(textFields)) {
				field = &textFields[at]
			}
			if from, ok := secretIn(f.text); ok {
				dst = append(dst, stored[kept:i]...)
				dst = appendRedactedText(dst, f, field.most, from)
				kept = i + n
			}
		}
		i += n
	}
	return append(dst, stored[kept:i]...)
}

// appendRedactedText appends a text whose first secret is known.
func appendRedactedText(dst []byte, f storedField, most int, first secretAt) []byte {
	at := len(dst)
	dst = appendRedacted(dst, f.text, first)
	if size := len(dst) - at; size < 1<<7 || size > most {
		return appendStoredText(dst[:at], f.tag, shorten(string(dst[at:]), most))
	}
	// Its length comes before it, and is known now: two bytes or more.
	var head [2 * binary.MaxVarintLen64]byte
	h := binary.AppendUvarint(binary.AppendUvarint(head[:0], f.tag), uint64(len(dst)-at))
	return slices.Insert(dst, at, h...)
}

// unknownText stands for texts of later versions.
var unknownText = textField{most: longText}
