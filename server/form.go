package server

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"unicode"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
)

// Bounds of what stands before the file of a form, in bytes: of all fields
// (S3 API reference, "POST Object"), and of what goes over the wire for them.
const (
	maxFormFields = 20 << 10
	maxFormHead   = 128 << 10
	maxBoundary   = 200
)

// A form is a browser's upload, read as far as the beginning of its file.
type form struct {
	fields sign.Form
	size   int // of all fields, in bytes
	file   *multipart.Part
	// fileName is what the browser calls the file; named says that it does.
	fileName string
	named    bool
}

// readForm reads the fields of a form, up to the file. What follows the file
// counts for nothing.
func (c *call) readForm(w *response) (*form, error) {
	boundary, err := c.boundary()
	if err != nil {
		return nil, err
	}
	head := &formHead{body: w.pace.reader(c.r.Body), left: maxFormHead}
	parts := multipart.NewReader(head, boundary)
	f := &form{}
	for f.file == nil {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return nil, invalidArgument("POST requires exactly one file upload per request.", "file", "0")
		}
		if err == nil {
			err = f.add(part)
		}
		if err != nil {
			return nil, malformedForm(err)
		}
	}
	head.left = -1
	return f, nil
}

// add adds a part, which is a field or the file.
func (f *form) add(part *multipart.Part) error {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return err
	}
	name := params["name"]
	if strings.EqualFold(name, "file") {
		f.file = part
		f.fileName, f.named = params["filename"]
		return nil
	}
	if !isASCII(name) {
		// Only in ASCII is there one way to fold case, and so one reading.
		return &daypass.Error{Code: s3.MalformedPOSTRequest, Err: errors.New("the name of a field is not ASCII")}
	}
	value, err := io.ReadAll(io.LimitReader(part, maxFormFields+1))
	if err != nil {
		return err
	}
	if f.size += len(name) + len(value); f.size > maxFormFields {
		return formHeadTooLong()
	}
	f.fields = append(f.fields, sign.Param{Name: name, Value: string(value)})
	return nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// boundary returns what separates the fields of the form.
func (c *call) boundary() (string, error) {
	switch kind := c.r.Header.Get("Content-Type"); {
	case !hasFoldPrefix(kind, "multipart/form-data"):
		return "", &daypass.Error{Code: daypass.PreconditionFailed, Details: []daypass.Detail{
			{Name: "Condition", Value: "Bucket POST must be of the enclosure-type multipart/form-data"},
		}}
	case c.r.ContentLength < 0 || c.r.ContentLength == 0 && c.lacksLength():
		return "", &daypass.Error{Code: daypass.MissingContentLength}
	default:
		_, params, err := mime.ParseMediaType(kind)
		if b := params["boundary"]; err == nil && b != "" && len(b) <= maxBoundary {
			return b, nil
		}
		return "", malformedForm(err)
	}
}

// malformedForm is the error for a form that cannot be read, unless the cause
// has an answer of its own, such as a connection that ended early.
func malformedForm(cause error) error {
	var e *daypass.Error
	if errors.As(cause, &e) {
		return e
	}
	if cause != nil {
		// Only its words: a form that lacks its end is no connection that
		// lacks the rest.
		cause = errors.New(cause.Error())
	}
	return &daypass.Error{Code: s3.MalformedPOSTRequest, Err: cause}
}

func formHeadTooLong() error {
	return &daypass.Error{Code: s3.MaxPostPreDataLength, Details: []daypass.Detail{
		{Name: "MaxPostPreDataLengthBytes", Value: strconv.Itoa(maxFormFields)},
	}}
}

// A formHead is the body of a form of which only so much may be read before
// the file begins, since fields and headers of fields are kept in memory.
type formHead struct {
	body io.Reader
	left int64 // negative: the file has begun
}

// Read implements io.Reader.
func (h *formHead) Read(p []byte) (int, error) {
	if h.left < 0 {
		return h.body.Read(p)
	}
	if h.left == 0 {
		return 0, formHeadTooLong()
	}
	n, err := h.body.Read(p[:min(int64(len(p)), h.left)])
	h.left -= int64(n)
	return n, err
}

// insertFileName replaces the variable ${filename} in all fields by the name
// of the file, without the directories that some browsers put before it. What
// is signed as it stands has no room for a variable.
func (f *form) insertFileName() {
	if !f.named {
		return
	}
	name := f.fileName[strings.LastIndexAny(f.fileName, `/\`)+1:]
	for i := range f.fields {
		f.fields[i].Value = strings.ReplaceAll(f.fields[i].Value, "${filename}", name)
	}
}

// formHeaders are the fields, in lower case, that stand for a header although
// their names do not begin with x-amz-.
var formHeaders = map[string]string{
	"acl": "X-Amz-Acl", "content-md5": "Content-Md5", "content-type": "Content-Type", "cache-control": "Cache-Control",
	"content-disposition": "Content-Disposition", "content-encoding": "Content-Encoding",
	"content-language": "Content-Language", "expires": "Expires",
	"if-match": "If-Match", "if-none-match": "If-None-Match",
}

// signatureFields are the fields, in lower case, that carry the signature and
// say nothing of the object.
var signatureFields = map[string]bool{
	"x-amz-algorithm": true, "x-amz-credential": true, "x-amz-date": true, "x-amz-signature": true,
	"x-amz-security-token": true, "x-amz-region-set": true,
}

// header returns the fields as the headers that a PUT of the same object would
// have. Of several fields of one name the first counts, as for the policy.
func (f *form) header() (http.Header, error) {
	h := http.Header{}
	for _, field := range f.fields {
		lower := strings.ToLower(field.Name)
		name, ok := formHeaders[lower]
		if !ok && isAmz(lower) && !signatureFields[lower] {
			name = textproto.CanonicalMIMEHeaderKey(lower)
		}
		if name == "" || len(h[name]) > 0 || field.Value == "" && !strings.HasPrefix(lower, s3.MetadataPrefix) {
			continue
		}
		h[name] = []string{field.Value}
	}
	if doc := f.fields.Get("tagging"); doc != "" {
		tags, err := s3.ParseTagging([]byte(doc))
		if err != nil {
			return nil, err
		}
		h["X-Amz-Tagging"] = []string{s3.EncodeTags(tags)}
	}
	return h, nil
}

// A formFile is the content of the file, of a size that the policy permits.
type formFile struct {
	part   io.Reader
	policy *sign.Policy // nil where there is none
	size   int64
	// whole is the length of the request's body.
	whole int64
}

// Read implements io.Reader.
func (f *formFile) Read(p []byte) (int, error) {
	n, err := f.part.Read(p)
	f.size += int64(n)
	switch {
	case f.tooLarge():
		return 0, signError(f.policy.CheckSize(f.proposed()))
	case err == io.EOF && f.policy != nil:
		if refused := f.policy.CheckSize(f.size); refused != nil {
			return 0, signError(refused)
		}
	case err != nil && err != io.EOF:
		return 0, malformedForm(err)
	}
	return n, err
}

func (f *formFile) tooLarge() bool {
	if f.policy == nil {
		return false
	}
	most := f.policy.MaxSize()
	return most >= 0 && f.size > most
}

// maxCounted is how much of a file that is too large is read only to tell how
// large it is.
const maxCounted = 256 << 10

// proposed returns the size of a file that is too large; beyond what is worth
// reading, the length of the whole form is near enough.
func (f *formFile) proposed() int64 {
	n, err := io.Copy(io.Discard, io.LimitReader(f.part, maxCounted))
	if f.size += n; err != nil || n == maxCounted {
		return max(f.size, f.whole)
	}
	return f.size
}
