package server

import (
	"archive/zip"
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// A pass for a prefix with x-daypass-as=zip answers with the folder that is
// asked for as a ZIP archive, made while it is sent. What is in it is listed
// and checked before the answer begins, so that a refusal is one; what fails
// later breaks the connection, since an archive that merely ends early could
// be taken for a whole one.

const (
	// maxTree is how many objects an archive holds at most.
	maxTree = 100_000
	// zipBuffer is how much of an archive is sent, and read, at once.
	zipBuffer = 64 << 10
)

// zips reports whether a call asks for an archive.
func (c *call) zips() bool { return c.limits != nil && c.limits.Zip }

// permitTree decides whether the caller may list what is to be archived; tree
// asks about the objects.
func (s *Server) permitTree(c *call) error {
	listing, t := *c, *c.target
	t.query = append(sign.Query{{Name: "prefix", Value: c.ref.Key}}, c.query...)
	listing.target = &t
	return s.permit(&listing, question{permission: "s3:ListBucket", ref: daypass.ObjectRef{Bucket: c.ref.Bucket}})
}

// sendTree answers with the archive of a folder. There are no ranges of it: it
// is made anew for every request.
func (s *Server) sendTree(w *response, c *call) error {
	over, err := c.overrides()
	if err != nil {
		return err
	}
	keys, err := s.tree(c)
	if err != nil {
		return err
	}
	z := &zipStream{server: s, call: c, w: w}
	defer z.giveBack()
	if c.r.Method == http.MethodHead {
		err = z.checkFirst(keys.firstObject())
	} else {
		err = z.begin(keys)
	}
	if err != nil {
		return err
	}
	defer z.end(z.first)
	c.presentTree(w.Header(), over)
	w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	return incompleteAnswer(z.send(keys))
}

// presentTree sets the headers of the answer.
func (c *call) presentTree(h http.Header, over []field) {
	name := safeName(lastName(c.ref.Key)) + ".zip"
	h["Content-Type"] = []string{"application/zip"}
	h["Content-Disposition"] = []string{attachment(name)}
	for _, o := range over {
		h[o.name] = []string{o.value}
	}
	h["Accept-Ranges"] = []string{"none"}
}

// attachment returns a Content-Disposition with a file name: in ASCII, and as
// it is where that is not the same (RFC 6266, appendix D).
func attachment(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) {
			return '_'
		}
		return r
	}, name)
	value := `attachment; filename="` + ascii + `"`
	if ascii != name {
		value += "; filename*=UTF-8''" + strings.ReplaceAll(sign.EscapePath(name), "/", "%2F")
	}
	return value
}

// tree lists what an archive holds: keys relative to the folder, in order, all
// of which the caller may read.
func (s *Server) tree(c *call) (*keyList, error) {
	member, t := *c, *c.target
	member.target = &t
	keys, found := &keyList{}, false
	req := store.ListRequest{Bucket: c.ref.Bucket, Prefix: c.ref.Key, Max: maxKeys}
	for {
		page, err := s.store.ListObjects(c.r.Context(), req)
		if err != nil {
			return nil, err
		}
		for _, obj := range page.Objects {
			found = true
			if obj.Key == c.ref.Key {
				continue // the folder's own marker
			}
			t.ref.Key = obj.Key
			if err := s.permitMember(&member); err != nil {
				return nil, err
			}
			if obj.Encryption != nil && obj.Encryption.SSE == store.SSEC {
				return nil, invalidRequest("The folder holds objects that are encrypted with customer-provided keys; an archive cannot hold them.")
			}
			if keys.n == maxTree {
				return nil, invalidRequest("An archive holds at most " + strconv.Itoa(maxTree) + " objects; ask for the folders below one by one.")
			}
			keys.add(obj.Key[len(c.ref.Key):])
		}
		if !page.Truncated && !found {
			return nil, &daypass.Error{Code: daypass.NoSuchKey, Details: []daypass.Detail{{Name: "Key", Value: c.ref.Key}}}
		}
		if !page.Truncated {
			return keys, nil
		}
		req.After, req.SkipAfter = page.Next, true
	}
}

// permitMember decides about one object of an archive, which may be revoked
// although the folder is not.
func (s *Server) permitMember(c *call) error {
	if err := s.checkRevoked(c); err != nil {
		return err
	}
	return s.permit(c, question{permission: "s3:GetObject", ref: c.ref})
}

// A keyList holds keys in order, each as what it does not share with the one
// before.
type keyList struct {
	n    int
	last string
	data []byte
}

func (l *keyList) add(key string) {
	shared := 0
	for shared < min(len(key), len(l.last)) && key[shared] == l.last[shared] {
		shared++
	}
	l.data = binary.AppendUvarint(l.data, uint64(shared))
	l.data = binary.AppendUvarint(l.data, uint64(len(key)-shared))
	l.data = append(l.data, key[shared:]...)
	l.last = key
	l.n++
}

func (l *keyList) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		var key []byte
		for rest := l.data; len(rest) > 0; {
			shared, n := binary.Uvarint(rest)
			own, m := binary.Uvarint(rest[n:])
			rest = rest[n+m:]
			key = append(key[:shared], rest[:own]...)
			rest = rest[own:]
			if !yield(string(key)) {
				return
			}
		}
	}
}

// firstObject returns the first key that is no folder's, "" where there is
// none.
func (l *keyList) firstObject() string {
	for key := range l.all() {
		if !strings.HasSuffix(key, "/") {
			return key
		}
	}
	return ""
}

// A zipStream is an archive that is being sent.
type zipStream struct {
	server *Server
	call   *call
	w      *response
	// draws are what was drawn for objects that are not begun yet; nil where
	// the pass has no number of uses.
	draws map[string]*drawing
	// first is the first object, opened before the answer begins. It is nil
	// where there is none, and once it was sent.
	first *member
	names namer
	buf   []byte
}

// A member is an object on its way into an archive. It has its own budget, as
// every object below a prefix, of which it takes one copy.
type member struct {
	obj  *store.Object
	body store.Body
	draw *drawing
	// read is how much was handed to the archive: what of it is still in a
	// buffer when the connection breaks counts as sent.
	read         int64
	whole, ended bool
}

func (z *zipStream) ref(key string) daypass.ObjectRef {
	return daypass.ObjectRef{Bucket: z.call.ref.Bucket, Key: z.call.ref.Key + key}
}

// checkFirst is begin for HEAD, which is free.
func (z *zipStream) checkFirst(key string) error {
	if key == "" || !z.call.counted() {
		return nil
	}
	obj, err := z.server.store.Object(z.call.r.Context(), z.ref(key))
	if err != nil {
		return err
	}
	return z.server.checkLeft(z.call, obj)
}

// begin draws all objects and opens the first one, so that what is wrong is
// found before the answer begins.
func (z *zipStream) begin(keys *keyList) error {
	if err := z.drawAll(keys); err != nil {
		return err
	}
	if err := z.server.bind(z.call); err != nil {
		return err
	}
	key := keys.firstObject()
	if key == "" {
		return nil
	}
	var err error
	z.first, err = z.open(key)
	return err
}

func (z *zipStream) open(key string) (*member, error) {
	obj, body, err := z.server.store.OpenObject(z.call.r.Context(), z.ref(key))
	if err != nil {
		return nil, err
	}
	m := &member{obj: obj, body: body}
	if err := z.drawn(m, key); err != nil {
		z.end(m)
		return nil, err
	}
	return m, nil
}

// end closes a member and settles what it has drawn, once.
func (z *zipStream) end(m *member) {
	if m == nil || m.ended {
		return
	}
	m.ended = true
	m.body.Close()
	if m.draw != nil {
		z.server.settle(z.call, m.draw, m.read, m.whole)
	}
}

// send sends the archive.
func (z *zipStream) send(keys *keyList) error {
	defer boundUnsent(z.call.r)()
	out := bufio.NewWriterSize(&pacedWriter{ctx: z.call.r.Context(), w: z.w}, zipBuffer)
	archive := zip.NewWriter(out)
	z.buf = make([]byte, zipBuffer)
	for key := range keys.all() {
		if err := z.add(archive, key); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return out.Flush()
}

// add adds one object. One that ends in a slash marks a folder, which has no
// content in an archive.
func (z *zipStream) add(archive *zip.Writer, key string) error {
	name := z.names.name(key)
	if strings.HasSuffix(key, "/") {
		if name == "" {
			return nil
		}
		_, err := archive.CreateHeader(&zip.FileHeader{Name: name})
		return err
	}
	m := z.first
	if z.first = nil; m == nil {
		var err error
		if m, err = z.open(key); err != nil {
			return err
		}
	}
	defer z.end(m)
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: m.obj.ModTime.UTC()}
	if isCompressed(m.obj) {
		h.Method = zip.Store
	}
	dst, err := archive.CreateHeader(h)
	if err != nil {
		return err
	}
	return z.copy(dst, m)
}

// copy copies the content of a member into the archive, drawing as it goes.
func (z *zipStream) copy(dst io.Writer, m *member) error {
	ctx := z.call.r.Context()
	for off := int64(0); off < m.obj.Size; {
		n := m.draw.piece(m.obj.Size - off)
		holds, err := m.draw.extend(ctx, off, off+n)
		if err != nil {
			return err
		}
		n = min(n, holds-off)
		r, err := m.body.Range(off, n)
		if err != nil {
			return err
		}
		copied, err := io.CopyBuffer(&countedWriter{dst, &m.read}, r, z.buf)
		if err == nil && copied < n {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		off += n
	}
	m.whole = true
	return nil
}

// A countedWriter counts what is handed to it, written or not.
type countedWriter struct {
	w io.Writer
	n *int64
}

// Write implements io.Writer.
func (c *countedWriter) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	return c.w.Write(p)
}

// A pacedWriter writes a body of unknown length in pieces, each of which must
// be taken at the minimum rate and waits for the rate of the pass.
type pacedWriter struct {
	ctx context.Context
	w   *response
}

// Write implements io.Writer.
func (p *pacedWriter) Write(b []byte) (written int, err error) {
	for len(b) > 0 {
		size := p.w.rate.piece(p.w.pace.piece(int64(len(b))))
		if err := p.w.awaitRate(p.ctx, size); err != nil {
			return written, err
		}
		p.w.pace.extendWrite(size)
		n, err := p.w.Write(b[:size])
		written += n
		if err != nil {
			return written, err
		}
		b = b[size:]
	}
	return written, nil
}
