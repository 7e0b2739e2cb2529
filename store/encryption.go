package store

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store/sealed"
)

// Key is an encryption key; printing it shows a placeholder.
type Key = sealed.Key

// SSE is a kind of server-side encryption (S3 User Guide, "Protecting data with
// server-side encryption").
type SSE string

// The kinds. SSES3 is the value of x-amz-server-side-encryption.
const (
	NoSSE SSE = ""
	// SSES3 keeps the object's key wrapped under a key of the deployment.
	SSES3 SSE = "AES256"
	// SSEC keeps it wrapped under a key that each request must bring.
	SSEC SSE = "SSE-C"
)

// An Encryption is how an object, or every part of an upload, is encrypted. It
// is kept in the index; drivers keep and return it as it is.
type Encryption struct {
	SSE SSE
	// Generation is that of the wrapping key; zero for SSEC.
	Generation uint32
	// Wrapped is the object's key, wrapped.
	Wrapped []byte
}

// A Sealing is what a request asks for.
type Sealing struct {
	SSE SSE
	// Key is the customer's, for SSEC.
	Key *Key
}

// WrappingKeys are the keys of the deployment under which those of objects are
// wrapped. They are called concurrently.
type WrappingKeys interface {
	// Current returns the generation that new objects get.
	Current(ctx context.Context) (uint32, error)
	// WrappingKey returns the key of a generation, the same for ever.
	WrappingKey(generation uint32) (Key, error)
}

// WithWrappingKeys makes SSES3 possible, which is NotImplemented without.
func WithWrappingKeys(k WrappingKeys) Option { return func(s *Store) { s.wrapping = k } }

// A RewrapCount is what a step of Rewrap has come to.
type RewrapCount struct {
	// Seen is how many objects, versions and uploads were looked at; Changed
	// is how many of them got another wrapped key.
	Seen, Changed int
	// Damaged are objects whose wrapped key does not open, the first few: they
	// stay as they are, and cannot be read.
	Damaged []daypass.ObjectRef
}

// mostDamaged is how many damaged objects a step names.
const mostDamaged = 16

// A Rewrapper is a driver that can wrap the keys of objects anew, which touches
// the index only.
type Rewrapper interface {
	// Rewrap looks at some of the objects, versions and uploads that come
	// after a cursor, nil for all, and replaces the Encryption of those for
	// which rewrap returns another one than nil. It returns the cursor to go
	// on with, nil at the end. What it has changed is durable, and each change
	// is of one record that nobody else has changed meanwhile.
	Rewrap(ctx context.Context, after []byte, rewrap RewrapFunc) (next []byte, n RewrapCount, err error)
}

// A RewrapFunc returns what takes the place of the Encryption of a key of a
// bucket; nil leaves it.
type RewrapFunc func(bucket, key string, e *Encryption) (*Encryption, error)

// Rewrap is one step of wrapping the keys of all objects under SSES3 under the
// current wrapping key. It begins with a nil cursor and returns the one to go on
// with, nil at the end. Objects may move while steps go on, so that a pass is
// the last only when it has changed nothing. NotImplemented.
func (s *Store) Rewrap(ctx context.Context, after []byte) (next []byte, n RewrapCount, err error) {
	const op = "store.Rewrap"
	d, err := optional[Rewrapper](s)
	if err != nil {
		return nil, n, wrap(op, err)
	}
	if s.wrapping == nil {
		return nil, n, wrap(op, errNoWrapping())
	}
	current, err := s.wrapping.Current(ctx)
	if err != nil {
		return nil, n, wrap(op, err)
	}
	var damaged []daypass.ObjectRef
	next, n, err = d.Rewrap(ctx, after, func(bucket, key string, e *Encryption) (*Encryption, error) {
		if e.SSE != SSES3 || e.Generation >= current {
			return nil, nil
		}
		to, err := s.rewrap(bucket, key, e, bucket, key, current)
		if errors.Is(err, sealed.ErrWrapped) {
			// One that is damaged must not keep the others from a new key.
			if len(damaged) < mostDamaged {
				damaged = append(damaged, daypass.ObjectRef{Bucket: bucket, Key: key})
			}
			return nil, nil
		}
		return to, err
	})
	n.Damaged = damaged
	return next, n, wrap(op, err)
}

// rewrap wraps the key of an object under SSES3 for another name or generation.
func (s *Store) rewrap(fromBucket, fromKey string, e *Encryption, bucket, key string, generation uint32) (*Encryption, error) {
	k, err := s.unwrap(fromBucket, fromKey, e, nil)
	if err != nil {
		return nil, err
	}
	to := &Encryption{SSE: SSES3, Generation: generation}
	return to, s.wrapUnder(to, bucket, key, k, nil)
}

// newEncryption returns a random object key and how it is kept, nil where none
// is asked for. NotImplemented.
func (s *Store) newEncryption(ctx context.Context, bucket, key string, want Sealing) (e *Encryption, k Key, err error) {
	if want.SSE == NoSSE {
		return nil, k, nil
	}
	if err := s.Supports(FeatureEncryption); err != nil {
		return nil, k, err
	}
	switch want.SSE {
	case SSES3:
		if s.wrapping == nil {
			return nil, k, errNoWrapping()
		}
		e = &Encryption{SSE: SSES3}
		if e.Generation, err = s.wrapping.Current(ctx); err != nil {
			return nil, k, err
		}
	case SSEC:
		if want.Key == nil {
			return nil, k, errors.New("store: SSE-C without a key")
		}
		e = &Encryption{SSE: SSEC}
	default:
		return nil, k, fmt.Errorf("store: unknown encryption %q", want.SSE)
	}
	if k, err = sealed.NewKey(s.rand); err != nil {
		return nil, k, err
	}
	return e, k, s.wrapUnder(e, bucket, key, k, want.Key)
}

func errNoWrapping() error {
	return &daypass.Error{Code: daypass.NotImplemented, Err: errors.New("the store has no wrapping keys")}
}

// wrapUnder fills in the wrapped key.
func (s *Store) wrapUnder(e *Encryption, bucket, key string, k Key, customer *Key) error {
	under, err := s.wrappingKey(e, customer)
	if err != nil {
		return err
	}
	e.Wrapped, err = sealed.Wrap(s.rand, under, binding(e.SSE, bucket, key), k)
	return err
}

// unwrap returns the key of an object. sealed.ErrWrapped.
func (s *Store) unwrap(bucket, key string, e *Encryption, customer *Key) (Key, error) {
	under, err := s.wrappingKey(e, customer)
	if err != nil {
		return Key{}, err
	}
	return sealed.Unwrap(under, binding(e.SSE, bucket, key), e.Wrapped)
}

func (s *Store) wrappingKey(e *Encryption, customer *Key) (Key, error) {
	switch {
	case e.SSE == SSEC && customer != nil:
		return *customer, nil
	case e.SSE == SSES3 && s.wrapping != nil:
		return s.wrapping.WrappingKey(e.Generation)
	}
	return Key{}, fmt.Errorf("store: no key for encryption %q", e.SSE)
}

// binding is the name that a wrapped key is tied to. A bucket's name has no zero
// byte.
func binding(sse SSE, bucket, key string) string {
	return "object key\x00" + string(sse) + "\x00" + bucket + "\x00" + key
}

// partSalt is the length of a part's salt in bytes.
const partSalt = 32

// bodyKey returns the key of one body: of part number of an object, with its
// salt, or of the whole, whose number is zero.
func bodyKey(object Key, number int, salt []byte) (Key, error) {
	purpose := "body " + strconv.Itoa(number)
	return object.Derive(purpose, salt)
}

// seal makes Read return the content encrypted. It must be called before the
// first Read. Size, ETag and checksums stay those of the content; under SSEC,
// whose ETags are no MD5, only who has the key can tell content by its ETag.
func (u *Upload) seal(sse SSE, key Key) (err error) {
	if sse == SSEC {
		tag, err := key.Derive("etag", nil)
		if err != nil {
			return err
		}
		u.tag = &tag
	}
	u.sealer, err = sealed.NewSealer(key, plainUpload{u}, u.opts.Size)
	return err
}

// plainUpload reads the content of an upload, checked but not encrypted.
type plainUpload struct{ u *Upload }

// Read implements io.Reader.
func (p plainUpload) Read(b []byte) (int, error) { return p.u.read(b) }

// setETag takes the MD5 of the content.
func (u *Upload) setETag(sum []byte) {
	if u.tag != nil {
		sum = u.tag.Tag(binary.BigEndian.AppendUint64(sum, uint64(u.size)), len(sum))
	}
	u.etag = hex.EncodeToString(sum)
}

// sealPut encrypts the body of a put that asks for it.
func (s *Store) sealPut(ctx context.Context, req *PutRequest) error {
	e, k, err := s.newEncryption(ctx, req.Bucket, req.Key, req.Sealing)
	if e == nil || err != nil {
		req.Encryption = nil
		return err
	}
	req.Encryption = e
	body, err := bodyKey(k, 0, nil)
	if err != nil {
		return err
	}
	return req.Body.seal(e.SSE, body)
}

// sealPart encrypts a part of an upload that is encrypted. InvalidRequest when
// the customer's key is missing, needless or another.
func (s *Store) sealPart(req *PartRequest, u *MultipartUpload) error {
	req.Salt = nil
	k, err := s.uploadKey(u, req.CustomerKey)
	if u.Encryption == nil || err != nil {
		return err
	}
	req.Salt = make([]byte, partSalt)
	if _, err := io.ReadFull(s.rand, req.Salt); err != nil {
		return err
	}
	body, err := bodyKey(k, req.Number, req.Salt)
	if err != nil {
		return err
	}
	return req.Body.seal(u.Encryption.SSE, body)
}

// uploadKey returns the key of an upload, the zero Key where it is not
// encrypted.
func (s *Store) uploadKey(u *MultipartUpload, customer *Key) (Key, error) {
	wants := u.Encryption != nil && u.Encryption.SSE == SSEC
	switch {
	case wants != (customer != nil):
		return Key{}, invalidRequest("The multipart upload initiate requested encryption. " +
			"Subsequent part requests must include the appropriate encryption parameters.")
	case u.Encryption == nil:
		return Key{}, nil
	}
	k, err := s.unwrap(u.Bucket, u.Key, u.Encryption, customer)
	if wants && errors.Is(err, sealed.ErrWrapped) {
		return Key{}, invalidRequest("The provided encryption parameters did not match the ones used originally.")
	}
	return k, err
}

// CheckKey reports whether a request that brings this customer's key, nil for
// none, may read an object. InvalidRequest when it is missing or needless,
// AccessDenied when it is another (S3 User Guide, "Using server-side encryption
// with customer-provided keys").
func (s *Store) CheckKey(obj *Object, customer *Key) error {
	_, err := s.objectKey(obj, customer)
	return wrap("store.CheckKey", err)
}

// objectKey returns the key of an object, the zero Key where it is not
// encrypted.
func (s *Store) objectKey(obj *Object, customer *Key) (Key, error) {
	e := obj.Encryption
	wants := e != nil && e.SSE == SSEC
	switch {
	case wants && customer == nil:
		return Key{}, invalidRequest("The object was stored using a form of Server Side Encryption. " +
			"The correct parameters must be provided to retrieve the object.")
	case !wants && customer != nil:
		return Key{}, invalidRequest("The encryption parameters are not applicable to this object.")
	case e == nil:
		return Key{}, nil
	}
	k, err := s.unwrap(obj.Bucket, obj.Key, e, customer)
	if wants && errors.Is(err, sealed.ErrWrapped) {
		return Key{}, &daypass.Error{Code: daypass.AccessDenied, Err: err, Message: "Requests specifying Server Side " +
			"Encryption with Customer provided keys must provide the correct secret key."}
	}
	return k, err
}

// unseal returns the content of an open object, whose body it takes over.
func (s *Store) unseal(obj *Object, body Body, customer *Key) (Body, error) {
	k, err := s.objectKey(obj, customer)
	if err == nil && obj.Encryption != nil {
		body, err = unsealed(obj, body, k)
	}
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	return body, nil
}

// unsealed returns the content of an encrypted body.
func unsealed(obj *Object, body Body, k Key) (Body, error) {
	pieces := []sealed.Piece{{Size: obj.Size, Key: func() (Key, error) { return bodyKey(k, 0, nil) }}}
	if obj.PartCount > 0 {
		pieces = make([]sealed.Piece, len(obj.Parts))
	}
	last := 0
	for i := range obj.Parts {
		p := &obj.Parts[i]
		if p.Number <= last {
			return body, fmt.Errorf("%w: its parts are out of order", sealed.ErrDamaged)
		}
		last = p.Number
		pieces[i] = sealed.Piece{Size: p.Size, Key: func() (Key, error) { return bodyKey(k, p.Number, p.Salt) }}
	}
	o, err := sealed.NewOpener(body, pieces)
	if err == nil && (o.Size() != obj.Size || obj.PartCount != len(obj.Parts)) {
		err = fmt.Errorf("%w: it has %d bytes instead of %d", sealed.ErrDamaged, o.Size(), obj.Size)
	}
	if err != nil {
		return body, err
	}
	return &unsealedBody{o, body}, nil
}

// An unsealedBody is the content of an encrypted body.
type unsealedBody struct {
	*sealed.Opener
	io.Closer
}

var _ Body = (*unsealedBody)(nil)
