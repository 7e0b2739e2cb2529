package diskstore

import (
	"encoding/binary"
	"errors"
)

// The index is divided into spaces by the first byte of its keys. Numbers are
// big-endian, so that they sort.
const (
	spaceBucket   = 'b' // name → bucketRecord
	spaceBody     = 'd' // blob id → checksum and bytes of a small body
	spaceFile     = 'f' // blob id → fileRecord
	spaceGarbage  = 'g' // blob id → nothing: the file is to be removed
	spaceManifest = 'l' // manifest id → manifest
	spaceMeta     = 'm' // name → record of the store itself
	spaceNull     = 'n' // bucket number, object key → order of the null version in spaceVersion
	spaceObject   = 'o' // bucket number, object key → objectRecord of the current version
	spacePart     = 'p' // upload order, part number → partRecord
	spaceShared   = 'r' // blob or manifest id → how many refer to it besides one
	spaceUpload   = 'u' // bucket number, escaped object key, order → uploadRecord
	spaceVersion  = 'v' // bucket number, escaped object key, ^order → objectRecord
	spaceDropped  = 'x' // manifest id or upload order → droppedRecord: to be taken apart
)

// A key's current version lies in spaceObject, where one look finds it, and
// listings find nothing else. All others lie in spaceVersion, and so do delete
// markers, even a current one: a key that is only there is deleted.

var sequenceKey = []byte{spaceMeta, 's'}

var errMalformedKey = errors.New("malformed key in the index")

func bucketKey(name string) []byte { return append([]byte{spaceBucket}, name...) }

// idKey returns the key of a blob in one of the spaces by id.
func idKey(space byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{space}, id)
}

// parseIDKey returns the id of a key that idKey made.
func parseIDKey(key []byte) (uint64, error) {
	if len(key) != 9 {
		return 0, errors.New("malformed blob key in the index")
	}
	return binary.BigEndian.Uint64(key[1:]), nil
}

// objectKey returns the key of an object. The object's key is the last part
// and has all that comes before in a fixed length, so it needs no escape to
// keep the order of its bytes and to be told from every other.
func objectKey(bucket uint64, key string) []byte { return plainKey(spaceObject, bucket, key) }

func plainKey(space byte, bucket uint64, key string) []byte {
	k := make([]byte, 0, 9+len(key))
	k = append(k, space)
	k = binary.BigEndian.AppendUint64(k, bucket)
	return append(k, key...)
}

// parseObjectKey is the inverse of objectKey.
func parseObjectKey(k []byte) (bucket uint64, key string, err error) {
	if len(k) < 9 || k[0] != spaceObject {
		return 0, "", errors.New("malformed object key in the index")
	}
	return binary.BigEndian.Uint64(k[1:9]), string(k[9:]), nil
}

// In spaces where more follows the object's key, its zero bytes are escaped
// and a zero byte with something smaller than an escape ends it. So the order
// of keys is kept.
const (
	keyEscape = 0xFF
	keyEnd    = 0x01
)

// escapedKey returns how the index keys of one object key begin.
func escapedKey(space byte, bucket uint64, key string) []byte {
	k := make([]byte, 0, 9+len(key)+2+8)
	k = append(k, space)
	k = binary.BigEndian.AppendUint64(k, bucket)
	for i := range len(key) {
		k = append(k, key[i])
		if key[i] == 0 {
			k = append(k, keyEscape)
		}
	}
	return append(k, 0, keyEnd)
}

// keyRange returns the bounds of all index keys of one object key.
func keyRange(space byte, bucket uint64, key string) (lower, upper []byte) {
	lower = escapedKey(space, bucket, key)
	upper = escapedKey(space, bucket, key)
	upper[len(upper)-1]++
	return lower, upper
}

// versionKey returns the key of a version that is not current, or of a delete
// marker; newer ones come first.
func versionKey(bucket uint64, key string, order uint64) []byte {
	return binary.BigEndian.AppendUint64(escapedKey(spaceVersion, bucket, key), ^order)
}

// uploadKey returns the key of a multipart upload; older ones come first.
func uploadKey(bucket uint64, key string, order uint64) []byte {
	return binary.BigEndian.AppendUint64(escapedKey(spaceUpload, bucket, key), order)
}

// parseEscapedKey returns the object key of a versionKey or uploadKey and the
// number that ends it.
func parseEscapedKey(k []byte) (key string, last uint64, err error) {
	if len(k) < 9+2+8 {
		return "", 0, errMalformedKey
	}
	last = binary.BigEndian.Uint64(k[len(k)-8:])
	key, err = unescape(k[9 : len(k)-8])
	return key, last, err
}

// unescape reads an escaped object key with its end.
func unescape(k []byte) (string, error) {
	key := make([]byte, 0, len(k))
	for i := 0; i < len(k); i++ {
		if k[i] != 0 {
			key = append(key, k[i])
			continue
		}
		i++
		switch {
		case i == len(k)-1 && k[i] == keyEnd:
			return string(key), nil
		case i >= len(k)-1 || k[i] != keyEscape:
			return "", errMalformedKey
		}
		key = append(key, 0)
	}
	return "", errMalformedKey
}

// partKey returns the key of a part of an upload.
func partKey(upload uint64, number int) []byte {
	return binary.BigEndian.AppendUint16(idKey(spacePart, upload), uint16(number))
}
