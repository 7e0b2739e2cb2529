package diskstore

import (
	"bytes"

	"github.com/daypass/daypass/store"
)

// The tags of a partRecord, which is also what a manifest holds of each part.
const (
	tagPartNumber   = 1<<3 | varint // in a manifest; the index key has it otherwise
	tagPartSize     = 2<<3 | varint
	tagPartETag     = 3<<3 | bytesTy
	tagPartModTime  = 4<<3 | fixed64
	tagPartChecksum = 5<<3 | bytesTy // repeated, as in an objectRecord
	tagPartSegment  = 6<<3 | bytesTy // repeated segment
	tagPartSalt     = 16<<3 | bytesTy
)

// The tags of the other records of multipart uploads.
const (
	tagManifestPart = 1<<3 | bytesTy // repeated partRecord

	tagDroppedUpload = 1<<3 | varint // 1: an upload; 0: a manifest

	// An uploadRecord is that of the object that it will become, and these.
	tagUploadChecksum     = 40<<3 | bytesTy
	tagUploadChecksumType = 41<<3 | bytesTy
)

// A partRecord is what the index holds of one part.
type partRecord struct {
	store.Part
	segments []segment
}

func (r *partRecord) encode() []byte { return r.append(nil) }

func (r *partRecord) append(b []byte) []byte {
	b = appendNumber(b, tagPartNumber, uint64(r.Number))
	b = appendNumber(b, tagPartSize, uint64(r.Size))
	b = appendString(b, tagPartETag, r.ETag)
	b = appendTime(b, tagPartModTime, r.ModTime)
	b = appendChecksums(b, tagPartChecksum, r.Checksums)
	for _, s := range r.segments {
		b = appendSegment(b, tagPartSegment, s)
	}
	if r.Salt != nil {
		b = appendBytes(b, tagPartSalt, r.Salt)
	}
	return b
}

func decodePart(data []byte) (*partRecord, error) {
	r := &partRecord{}
	err := eachField(data, func(f field) error {
		switch f.tag {
		case tagPartNumber:
			r.Number = int(f.number)
		case tagPartSize:
			r.Size = int64(f.number)
		case tagPartETag:
			r.ETag = string(f.bytes)
		case tagPartModTime:
			r.ModTime = f.time()
		case tagPartChecksum:
			c, err := decodeChecksum(f)
			r.Checksums = append(r.Checksums, c)
			return err
		case tagPartSegment:
			s, err := decodeSegment(f.bytes)
			r.segments = append(r.segments, s)
			return err
		case tagPartSalt:
			r.Salt = bytes.Clone(f.bytes)
		}
		return nil
	})
	return r, err
}

// A manifest is the body of an object that was uploaded in parts. It lies
// apart from the object's record, which stays small.
type manifest struct {
	parts []*partRecord
}

func (m *manifest) encode() []byte {
	b := make([]byte, 0, 64*len(m.parts))
	var buf []byte
	for _, p := range m.parts {
		kept := partRecord{segments: p.segments, Part: store.Part{
			Number: p.Number, Size: p.Size, Checksums: p.Checksums, Salt: p.Salt,
		}}
		buf = kept.append(buf[:0])
		b = appendBytes(b, tagManifestPart, buf)
	}
	return b
}

func decodeManifest(data []byte) (*manifest, error) {
	m := &manifest{}
	err := eachField(data, func(f field) error {
		if f.tag != tagManifestPart {
			return nil
		}
		p, err := decodePart(f.bytes)
		m.parts = append(m.parts, p)
		return err
	})
	return m, err
}

// segments returns the whole body, in order.
func (m *manifest) segments() []segment {
	all := make([]segment, 0, len(m.parts))
	for _, p := range m.parts {
		all = append(all, p.segments...)
	}
	return all
}

// storeParts returns the parts as the store knows them.
func (m *manifest) storeParts() []store.Part {
	parts := make([]store.Part, len(m.parts))
	for i, p := range m.parts {
		parts[i] = p.Part
	}
	return parts
}

// An uploadRecord is what the index holds of one multipart upload.
type uploadRecord struct {
	// target is the object to be; its ModTime is when the upload began.
	target       objectRecord
	checksum     store.ChecksumAlgorithm
	checksumType store.ChecksumType
}

func (r *uploadRecord) encode() []byte {
	b := r.target.encode()
	b = appendString(b, tagUploadChecksum, string(r.checksum))
	return appendString(b, tagUploadChecksumType, string(r.checksumType))
}

func decodeUpload(data []byte) (*uploadRecord, error) {
	target, err := decodeObject(data)
	if err != nil {
		return nil, err
	}
	r := &uploadRecord{target: *target}
	err = eachField(data, func(f field) error {
		switch f.tag {
		case tagUploadChecksum:
			r.checksum = store.ChecksumAlgorithm(f.bytes)
		case tagUploadChecksumType:
			r.checksumType = store.ChecksumType(f.bytes)
		}
		return nil
	})
	return r, err
}

// A droppedRecord says that nothing refers to a manifest or an upload any
// more, and which of the two it is.
type droppedRecord struct{ upload bool }

func (r droppedRecord) encode() []byte {
	if r.upload {
		return appendNumber(nil, tagDroppedUpload, 1)
	}
	return nil
}

func decodeDropped(data []byte) (r droppedRecord, err error) {
	err = eachField(data, func(f field) error {
		if f.tag == tagDroppedUpload {
			r.upload = f.number == 1
		}
		return nil
	})
	return r, err
}
