package s3store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// maxPage is the size in bytes of the largest page of a listing that is read.
const maxPage = 16 << 20

// readable makes the page that a request for a listing is answered with one that
// an XML parser takes: engines repeat prefix, delimiter and markers in it as they
// were asked for, and not encoded as keys are (Ceph 16 does), with characters
// that XML does not have. look, where it is not nil, sees the page.
func readable(look func(page []byte) error) func(*s3.Options) {
	handle := func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
		middleware.DeserializeOutput, middleware.Metadata, error,
	) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		response, ok := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !ok || response.StatusCode != http.StatusOK {
			return out, metadata, err
		}
		page, err := readPage(response.Body)
		if err == nil && look != nil {
			err = look(page)
		}
		response.Body = io.NopCloser(bytes.NewReader(page))
		return out, metadata, err
	}
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("DaypassReadablePage", handle), middleware.After)
		})
	}
}

func readPage(body io.ReadCloser) ([]byte, error) {
	defer body.Close()
	page, err := io.ReadAll(io.LimitReader(body, maxPage+1))
	if err != nil {
		return nil, err
	}
	if len(page) > maxPage {
		return nil, fmt.Errorf("s3store: a page of a listing has more than %d bytes", maxPage)
	}
	return legalXML(page), nil
}

var characterReference = regexp.MustCompile(`&#(x[0-9A-Fa-f]+|[0-9]+);`)

// legalXML replaces characters that XML does not have by question marks.
func legalXML(page []byte) []byte {
	page = bytes.Map(func(r rune) rune {
		if !legalCharacter(r) {
			return '?'
		}
		return r
	}, page)
	return characterReference.ReplaceAllFunc(page, func(reference []byte) []byte {
		digits, base := reference[2:len(reference)-1], 10
		if digits[0] == 'x' {
			digits, base = digits[1:], 16
		}
		if n, err := strconv.ParseInt(string(digits), base, 32); err != nil || !legalCharacter(rune(n)) {
			return []byte("?")
		}
		return reference
	})
}

// legalCharacter reports whether XML has a character (Extensible Markup Language
// 1.0, section 2.2).
func legalCharacter(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}
