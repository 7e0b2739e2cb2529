package diskstore

import (
	"encoding/binary"
	"errors"
)

// The index is divided into spaces by the first byte of its keys. Numbers are
// big-endian, so that they sort. The letters 'v' (noncurrent versions) and 'u'
// (multipart uploads) are meant for later.
const (
	spaceBucket  = 'b' // name → bucketRecord
	spaceBody    = 'd' // blob id → checksum and bytes of a small body
	spaceFile    = 'f' // blob id → fileRecord
	spaceGarbage = 'g' // blob id → nothing: the file is to be removed
	spaceMeta    = 'm' // name → record of the store itself
	spaceObject  = 'o' // bucket number, object key → objectRecord
)

var sequenceKey = []byte{spaceMeta, 's'}

func bucketKey(name string) []byte { return append([]byte{spaceBucket}, name...) }

// idKey returns the key of a blob in one of the spaces by blob id.
func idKey(space byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{space}, id)
}

// parseIDKey returns the blob id of a key that idKey made.
func parseIDKey(key []byte) (uint64, error) {
	if len(key) != 9 {
		return 0, errors.New("malformed blob key in the index")
	}
	return binary.BigEndian.Uint64(key[1:]), nil
}

// objectKey returns the key of an object. The object's key is the last part
// and has all that comes before in a fixed length, so it needs no escape to
// keep the order of its bytes and to be told from every other.
func objectKey(bucket uint64, key string) []byte {
	k := make([]byte, 0, 9+len(key))
	k = append(k, spaceObject)
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
