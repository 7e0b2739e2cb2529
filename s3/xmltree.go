package s3

import (
	"encoding/xml"
	"slices"
	"strconv"
	"strings"

	"github.com/daypass/daypass"
)

// Bounds of an element tree.
const (
	maxTreeDepth    = 8
	maxTreeElements = 32 << 10
)

// An element is one of a document that is read strictly: what it holds and
// nobody asks for is an error.
type element struct {
	name, text string
	kids       []*element
}

// UnmarshalXML implements xml.Unmarshaler.
func (e *element) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	e.name = start.Name.Local
	left := maxTreeElements
	return e.read(d, maxTreeDepth, &left)
}

func (e *element) read(d *xml.Decoder, depth int, left *int) error {
	if *left--; depth == 0 || *left < 0 {
		return errMalformed()
	}
	var text strings.Builder
	for {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			kid := &element{name: t.Name.Local}
			if err := kid.read(d, depth-1, left); err != nil {
				return err
			}
			e.kids = append(e.kids, kid)
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			e.text = text.String()
			return nil
		}
	}
}

func errMalformed() error { return &daypass.Error{Code: daypass.MalformedXML} }

// each hands every child to the reader of its name. A child without one is an
// error, and so is a second of a name that is not in many. MalformedXML, and
// the errors of readers.
func (e *element) each(readers map[string]func(*element) error, many ...string) error {
	if len(e.kids) > 0 && strings.TrimSpace(e.text) != "" {
		return errMalformed()
	}
	seen := make(map[string]bool, len(e.kids))
	for _, kid := range e.kids {
		read := readers[kid.name]
		if read == nil || seen[kid.name] && !slices.Contains(many, kid.name) {
			return errMalformed()
		}
		seen[kid.name] = true
		if err := read(kid); err != nil {
			return err
		}
	}
	return nil
}

// leaf returns the text of an element that has no children.
func (e *element) leaf() (string, error) {
	if len(e.kids) > 0 {
		return "", errMalformed()
	}
	return e.text, nil
}

// intoText returns a reader of a text, kept as it stands.
func intoText(to **string) func(*element) error {
	return func(e *element) error {
		text, err := e.leaf()
		*to = &text
		return err
	}
}

// intoInt returns a reader of an integer of so many bits.
func intoInt(to **int64, bits int) func(*element) error {
	return func(e *element) error {
		text, err := e.leaf()
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, bits)
		if err != nil {
			return errMalformed()
		}
		*to = &n
		return nil
	}
}

// intoBool returns a reader of a truth value (XML Schema, boolean).
func intoBool(to **bool) func(*element) error {
	return func(e *element) error {
		text, err := e.leaf()
		if err != nil {
			return err
		}
		var v bool
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "true", "1":
			v = true
		case "false", "0":
		default:
			return errMalformed()
		}
		*to = &v
		return nil
	}
}
