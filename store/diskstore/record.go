package diskstore

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/daypass/daypass/store"
	"google.golang.org/protobuf/encoding/protowire"
)

// Records are encoded as protocol buffer messages by hand: a field keeps its
// tag for ever, and a reader skips the ones that it does not know. Empty
// fields are left out.

// The wire types, and the tag that a field number makes with one.
const (
	varint  = uint64(protowire.VarintType)
	fixed64 = uint64(protowire.Fixed64Type)
	bytesTy = uint64(protowire.BytesType)
)

// The tags of an objectRecord.
const (
	tagSize        = 1<<3 | varint
	tagETag        = 2<<3 | bytesTy
	tagModTime     = 3<<3 | fixed64 // nanoseconds since 1970
	tagOwner       = 4<<3 | bytesTy
	tagContentType = 5<<3 | bytesTy
	tagCacheCtl    = 6<<3 | bytesTy
	tagDisposition = 7<<3 | bytesTy
	tagEncoding    = 8<<3 | bytesTy
	tagLanguage    = 9<<3 | bytesTy
	tagExpires     = 10<<3 | bytesTy
	tagRedirect    = 11<<3 | bytesTy
	tagClass       = 12<<3 | bytesTy
	tagUser        = 13<<3 | bytesTy // repeated pair: name, value
	tagChecksum    = 14<<3 | bytesTy // repeated pair: algorithm, value
	tagSegment     = 15<<3 | bytesTy // repeated segment
	tagTag         = 16<<3 | bytesTy // repeated pair: key, value
	tagACL         = 17<<3 | bytesTy
	tagOrder       = 18<<3 | varint
	tagNonce       = 19<<3 | bytesTy
	tagMarker      = 20<<3 | varint // 1: a delete marker
	tagManifest    = 21<<3 | varint
	tagPartCount   = 22<<3 | varint
	tagUploadID    = 23<<3 | bytesTy
	tagLockMode    = 24<<3 | varint  // index in retentionModes
	tagLockUntil   = 25<<3 | fixed64 // milliseconds since 1970
	tagLegalHold   = 26<<3 | varint  // index in legalHolds
	tagEncryption  = 36<<3 | bytesTy // encryption
)

// The tags of the smaller messages.
const (
	tagPairName  = 1<<3 | bytesTy
	tagPairValue = 2<<3 | bytesTy
	tagPairType  = 3<<3 | bytesTy // of a checksum

	tagSegmentBlob   = 1<<3 | varint
	tagSegmentSize   = 2<<3 | varint
	tagSegmentFile   = 3<<3 | varint // 1: in a file; 0: in the index
	tagSegmentOffset = 4<<3 | varint

	tagBucketID      = 1<<3 | bytesTy
	tagBucketNumber  = 2<<3 | varint
	tagBucketOwner   = 3<<3 | bytesTy
	tagBucketRegion  = 4<<3 | bytesTy
	tagBucketCreated = 5<<3 | fixed64
	tagBucketVersion = 6<<3 | varint // index in versionings

	tagBucketLock      = 7<<3 | varint // 1: object lock is enabled
	tagBucketLockMode  = 8<<3 | varint // of the default retention, index in retentionModes
	tagBucketLockDays  = 9<<3 | varint
	tagBucketLockYears = 10<<3 | varint

	tagFileSize = 1<<3 | varint
	tagFileCRC  = 2<<3 | fixed64

	tagSequenceLimit     = 1<<3 | varint
	tagSequenceWatermark = 2<<3 | varint
)

// An objectRecord is what the index holds of one version of an object.
type objectRecord struct {
	object store.Object // without bucket and key, which the index key holds
	ticket
	// The body is either in segments, in order, none when it is empty, or in
	// a manifest, if that is not zero.
	segments []segment
	manifest uint64
}

// null reports whether this is the null version of its key.
func (r *objectRecord) null() bool { return r.nonce == nonce{} }

// A segment is the part of a blob that is the next piece of a body.
type segment struct {
	blob      uint64
	off, size int64
	file      bool
}

// A stringField is a field of an object that is plain text.
type stringField struct {
	tag   uint64
	value *string
}

// stringFields is the table of an object's text fields, in order of tags.
func stringFields(o *store.Object) [11]stringField {
	m := &o.Metadata
	return [...]stringField{
		{tagETag, &o.ETag},
		{tagOwner, &o.Owner},
		{tagContentType, &m.ContentType},
		{tagCacheCtl, &m.CacheControl},
		{tagDisposition, &m.ContentDisposition},
		{tagEncoding, &m.ContentEncoding},
		{tagLanguage, &m.ContentLanguage},
		{tagExpires, &m.Expires},
		{tagRedirect, &m.WebsiteRedirect},
		{tagClass, &m.StorageClass},
		{tagUploadID, &o.UploadID},
	}
}

func (r *objectRecord) encode() []byte {
	o := &r.object
	b := make([]byte, 0, 192)
	b = appendNumber(b, tagSize, uint64(o.Size))
	b = appendTime(b, tagModTime, o.ModTime)
	for _, f := range stringFields(o) {
		b = appendString(b, f.tag, *f.value)
	}
	if len(o.Metadata.User) > 0 {
		for _, name := range slices.Sorted(maps.Keys(o.Metadata.User)) {
			b = appendPair(b, tagUser, name, o.Metadata.User[name])
		}
	}
	b = appendChecksums(b, tagChecksum, o.Checksums)
	for _, s := range r.segments {
		b = appendSegment(b, tagSegment, s)
	}
	for _, t := range o.Tags {
		b = appendPair(b, tagTag, t.Key, t.Value)
	}
	if o.ACL != nil {
		b = appendBytes(b, tagACL, o.ACL)
	}
	b = appendNumber(b, tagOrder, r.order)
	if !r.null() {
		b = appendBytes(b, tagNonce, r.nonce[:])
	}
	if o.DeleteMarker {
		b = appendNumber(b, tagMarker, 1)
	}
	b = appendNumber(b, tagManifest, r.manifest)
	b = appendNumber(b, tagPartCount, uint64(o.PartCount))
	b = appendEncryption(b, tagEncryption, o.Encryption)
	return appendLock(b, o.Lock)
}

func decodeObject(data []byte) (*objectRecord, error) {
	// All strings are cut from one, which costs one allocation instead of ten.
	text := string(data)
	r := &objectRecord{}
	texts := stringFields(&r.object)
	err := eachFieldIn(data, text, func(f field) error {
		for i := range texts {
			if t := &texts[i]; t.tag == f.tag {
				*t.value = f.string()
				return nil
			}
		}
		return r.decodeField(f)
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// decodeField reads a field that is not plain text.
func (r *objectRecord) decodeField(f field) error {
	o := &r.object
	switch f.tag {
	case tagSize:
		o.Size = int64(f.number)
	case tagModTime:
		o.ModTime = f.time()
	case tagUser:
		name, value, err := decodePair(f)
		if o.Metadata.User == nil {
			o.Metadata.User = make(map[string]string)
		}
		o.Metadata.User[name] = value
		return err
	case tagChecksum:
		c, err := decodeChecksum(f)
		o.Checksums = append(o.Checksums, c)
		return err
	case tagSegment:
		s, err := decodeSegment(f.bytes)
		r.segments = append(r.segments, s)
		return err
	case tagTag:
		key, value, err := decodePair(f)
		o.Tags = append(o.Tags, store.Tag{Key: key, Value: value})
		return err
	case tagACL:
		o.ACL = append([]byte{}, f.bytes...)
	case tagMarker:
		o.DeleteMarker = f.number == 1
	case tagPartCount:
		o.PartCount = int(f.number)
	case tagOrder:
		r.order = f.number
	case tagNonce:
		copy(r.nonce[:], f.bytes)
	case tagManifest:
		r.manifest = f.number
	case tagLockMode, tagLockUntil, tagLegalHold:
		return decodeLock(f, &o.Lock)
	case tagEncryption:
		var err error
		o.Encryption, err = decodeEncryption(f.bytes)
		return err
	}
	return nil
}

// retentionModes and legalHolds are those of package store by their numbers in
// the index.
var (
	retentionModes = []store.RetentionMode{"", store.Governance, store.Compliance}
	legalHolds     = []store.LegalHold{"", store.LegalHoldOn, store.LegalHoldOff}
)

// appendLock appends the lock of a version. Nanoseconds, as of other times,
// would not reach as far as a retention may.
func appendLock(b []byte, l store.Lock) []byte {
	b = appendNumber(b, tagLockMode, uint64(slices.Index(retentionModes, l.Retention.Mode)))
	if !l.Retention.Until.IsZero() {
		b = appendFixed(b, tagLockUntil, uint64(l.Retention.Until.UnixMilli()))
	}
	return appendNumber(b, tagLegalHold, uint64(slices.Index(legalHolds, l.LegalHold)))
}

// decodeLock reads a field of a lock. What is unknown is an error, as a lock
// must not be lost.
func decodeLock(f field, l *store.Lock) (err error) {
	switch f.tag {
	case tagLockMode:
		l.Retention.Mode, err = numbered(retentionModes, f.number)
	case tagLockUntil:
		l.Retention.Until = time.UnixMilli(int64(f.number)).UTC()
	case tagLegalHold:
		l.LegalHold, err = numbered(legalHolds, f.number)
	}
	return err
}

// numbered returns what a number in the index stands for.
func numbered[T any](values []T, n uint64) (v T, err error) {
	if n >= uint64(len(values)) {
		return v, errMalformed
	}
	return values[n], nil
}

func appendPair(b []byte, tag uint64, name, value string) []byte {
	b = appendLength(b, tag, sizeString(tagPairName, name)+sizeString(tagPairValue, value))
	b = appendString(b, tagPairName, name)
	return appendString(b, tagPairValue, value)
}

func decodePair(pair field) (name, value string, err error) {
	err = eachFieldIn(pair.bytes, pair.text, func(f field) error {
		switch f.tag {
		case tagPairName:
			name = f.string()
		case tagPairValue:
			value = f.string()
		}
		return nil
	})
	return name, value, err
}

func appendChecksums(b []byte, tag uint64, sums []store.Checksum) []byte {
	for _, c := range sums {
		algorithm, kind := string(c.Algorithm), string(c.Type)
		b = appendLength(b, tag,
			sizeString(tagPairName, algorithm)+sizeString(tagPairValue, c.Value)+sizeString(tagPairType, kind))
		b = appendString(b, tagPairName, algorithm)
		b = appendString(b, tagPairValue, c.Value)
		b = appendString(b, tagPairType, kind)
	}
	return b
}

func decodeChecksum(sum field) (c store.Checksum, err error) {
	err = eachFieldIn(sum.bytes, sum.text, func(f field) error {
		switch f.tag {
		case tagPairName:
			c.Algorithm = store.ChecksumAlgorithm(f.string())
		case tagPairValue:
			c.Value = f.string()
		case tagPairType:
			c.Type = store.ChecksumType(f.string())
		}
		return nil
	})
	return c, err
}

func appendSegment(b []byte, tag uint64, s segment) []byte {
	size := sizeNumber(tagSegmentBlob, s.blob) + sizeNumber(tagSegmentSize, uint64(s.size)) +
		sizeNumber(tagSegmentOffset, uint64(s.off))
	if s.file {
		size += sizeNumber(tagSegmentFile, 1)
	}
	b = appendLength(b, tag, size)
	b = appendNumber(b, tagSegmentBlob, s.blob)
	b = appendNumber(b, tagSegmentSize, uint64(s.size))
	if s.file {
		b = appendNumber(b, tagSegmentFile, 1)
	}
	return appendNumber(b, tagSegmentOffset, uint64(s.off))
}

func decodeSegment(data []byte) (s segment, err error) {
	err = eachField(data, func(f field) error {
		switch f.tag {
		case tagSegmentBlob:
			s.blob = f.number
		case tagSegmentSize:
			s.size = int64(f.number)
		case tagSegmentFile:
			s.file = f.number == 1
		case tagSegmentOffset:
			s.off = int64(f.number)
		}
		return nil
	})
	return s, err
}

// A bucketRecord is what the index holds of one bucket, by name.
type bucketRecord struct {
	id, owner, region string
	number            uint64 // stands for the bucket in the keys of its objects
	created           time.Time
	versioning        store.Versioning
	lock              store.ObjectLock
}

// versionings are the states of versioning by their numbers in the index.
var versionings = []store.Versioning{store.VersioningOff, store.VersioningEnabled, store.VersioningSuspended}

func (r *bucketRecord) encode() []byte {
	b := appendString(nil, tagBucketID, r.id)
	b = appendNumber(b, tagBucketNumber, r.number)
	b = appendString(b, tagBucketOwner, r.owner)
	b = appendString(b, tagBucketRegion, r.region)
	b = appendTime(b, tagBucketCreated, r.created)
	b = appendNumber(b, tagBucketVersion, uint64(slices.Index(versionings, r.versioning)))
	if r.lock.Enabled {
		b = appendNumber(b, tagBucketLock, 1)
	}
	def := r.lock.Default
	b = appendNumber(b, tagBucketLockMode, uint64(slices.Index(retentionModes, def.Mode)))
	b = appendNumber(b, tagBucketLockDays, uint64(def.Days))
	return appendNumber(b, tagBucketLockYears, uint64(def.Years))
}

func decodeBucket(data []byte) (r bucketRecord, err error) {
	err = eachField(data, func(f field) error {
		switch f.tag {
		case tagBucketID:
			r.id = string(f.bytes)
		case tagBucketNumber:
			r.number = f.number
		case tagBucketOwner:
			r.owner = string(f.bytes)
		case tagBucketRegion:
			r.region = string(f.bytes)
		case tagBucketCreated:
			r.created = f.time()
		case tagBucketVersion:
			r.versioning, err = numbered(versionings, f.number)
		case tagBucketLock:
			r.lock.Enabled = f.number == 1
		case tagBucketLockMode:
			r.lock.Default.Mode, err = numbered(retentionModes, f.number)
		case tagBucketLockDays:
			r.lock.Default.Days = int(f.number)
		case tagBucketLockYears:
			r.lock.Default.Years = int(f.number)
		}
		return err
	})
	return r, err
}

// A fileRecord is what the index holds of one blob file: it says that the
// file is in use, and what a scrub must find in it.
type fileRecord struct {
	size int64
	crc  uint64 // CRC64NVME
}

func (r fileRecord) encode() []byte {
	b := appendNumber(nil, tagFileSize, uint64(r.size))
	return appendFixed(b, tagFileCRC, r.crc)
}

func decodeFile(data []byte) (r fileRecord, err error) {
	err = eachField(data, func(f field) error {
		switch f.tag {
		case tagFileSize:
			r.size = int64(f.number)
		case tagFileCRC:
			r.crc = f.number
		}
		return nil
	})
	return r, err
}

// A sequenceRecord says which ids may have been given out.
type sequenceRecord struct {
	limit     uint64 // no id at or above it has been
	watermark uint64 // no file below it can be an orphan
}

func (r sequenceRecord) encode() []byte {
	b := appendNumber(nil, tagSequenceLimit, r.limit)
	return appendNumber(b, tagSequenceWatermark, r.watermark)
}

func decodeSequence(data []byte) (r sequenceRecord, err error) {
	err = eachField(data, func(f field) error {
		switch f.tag {
		case tagSequenceLimit:
			r.limit = f.number
		case tagSequenceWatermark:
			r.watermark = f.number
		}
		return nil
	})
	return r, err
}

func appendNumber(b []byte, tag, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendVarint(b, tag), n)
}

func appendFixed(b []byte, tag, n uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendVarint(b, tag), n)
}

func appendTime(b []byte, tag uint64, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return appendFixed(b, tag, uint64(t.UnixNano()))
}

func appendString(b []byte, tag uint64, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendVarint(b, tag), s)
}

// sizeNumber and sizeString return how many bytes appendNumber and appendString
// append.
func sizeNumber(tag, n uint64) int {
	if n == 0 {
		return 0
	}
	return protowire.SizeVarint(tag) + protowire.SizeVarint(n)
}

func sizeString(tag uint64, s string) int {
	if s == "" {
		return 0
	}
	return protowire.SizeVarint(tag) + protowire.SizeBytes(len(s))
}

// appendLength begins a message of n bytes.
func appendLength(b []byte, tag uint64, n int) []byte {
	return protowire.AppendVarint(protowire.AppendVarint(b, tag), uint64(n))
}

func appendBytes(b []byte, tag uint64, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendVarint(b, tag), v)
}

var errMalformed = errors.New("malformed record in the index")

// A field is one decoded field: number for varints and fixed numbers, bytes
// for the rest.
type field struct {
	tag    uint64
	number uint64
	bytes  []byte // part of the record
	text   string // the same, cut from a string, where there is one
}

// string returns the bytes as a string, which lives as long as the whole record
// where that is one.
func (f field) string() string {
	if f.text != "" {
		return f.text
	}
	return string(f.bytes)
}

func (f field) time() time.Time { return time.Unix(0, int64(f.number)).UTC() }

// eachField calls visit for every field of a message.
func eachField(data []byte, visit func(field) error) error { return eachFieldIn(data, "", visit) }

// eachFieldIn is eachField of a message that is a string, too, if it is not
// empty.
func eachFieldIn(data []byte, text string, visit func(field) error) error {
	whole := len(data)
	for len(data) > 0 {
		num, typ, n := protowire.ConsumeTag(data)
		if n < 0 {
			return errMalformed
		}
		data = data[n:]
		f := field{tag: uint64(num)<<3 | uint64(typ)}
		switch typ {
		case protowire.VarintType:
			f.number, n = protowire.ConsumeVarint(data)
		case protowire.Fixed64Type:
			f.number, n = protowire.ConsumeFixed64(data)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(data)
		default:
			n = protowire.ConsumeFieldValue(num, typ, data)
		}
		if n < 0 {
			return errMalformed
		}
		data = data[n:]
		if text != "" {
			end := whole - len(data)
			f.text = text[end-len(f.bytes) : end]
		}
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}
