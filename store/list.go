package store

import "strings"

// A Cursor walks the keys of one bucket in order of their bytes, as they were
// at one instant. Drivers with an ordered index have one and pass it to List.
type Cursor interface {
	// SeekGE moves to the first key at or after key and reports whether
	// there is one.
	SeekGE(key string) bool
	// Next moves to the next key and reports whether there is one.
	Next() bool
	// Key returns the key of the current position.
	Key() string
	// Object returns the object of the current position.
	Object() (*Object, error)
	// Err returns the error that ended the walk, if one did.
	Err() error
}

// List makes one page of a listing. It seeks past each common prefix, so it
// costs what the page holds, however many keys the prefixes stand for.
func List(c Cursor, req ListRequest) (*ListPage, error) {
	l := lister{cursor: c, req: req, page: &ListPage{}}
	if req.Max <= 0 {
		return l.page, nil
	}
	start, ok := req.start()
	for ok = ok && c.SeekGE(start); ok; {
		key := c.Key()
		if !strings.HasPrefix(key, req.Prefix) {
			break
		}
		if l.full() {
			l.page.Truncated = true
			break
		}
		var err error
		if ok, err = l.add(key); err != nil {
			return nil, err
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	if !l.page.Truncated {
		l.page.Next = ""
	}
	return l.page, nil
}

type lister struct {
	cursor Cursor
	req    ListRequest
	page   *ListPage
}

func (l *lister) full() bool {
	return len(l.page.Objects)+len(l.page.CommonPrefixes) >= l.req.Max
}

// add puts the current key, or the common prefix that it lies in, on the page
// and moves on. It reports whether there is another key.
func (l *lister) add(key string) (more bool, err error) {
	if cp, ok := l.req.commonPrefix(key); ok {
		l.page.CommonPrefixes = append(l.page.CommonPrefixes, cp)
		l.page.Next = cp
		next, ok := prefixEnd(cp)
		return ok && l.cursor.SeekGE(next), nil
	}
	obj, err := l.cursor.Object()
	if err != nil {
		return false, err
	}
	l.page.Objects = append(l.page.Objects, obj)
	l.page.Next = key
	return l.cursor.Next(), nil
}

// start returns the least key that the listing may return; ok is false when
// there can be none.
func (r *ListRequest) start() (key string, ok bool) {
	if r.After == "" {
		return r.Prefix, true
	}
	if cp, ok := r.commonPrefix(r.After); ok && r.SkipAfter {
		return prefixEnd(cp)
	}
	return max(r.Prefix, r.After+"\x00"), true
}

// commonPrefix returns what key is rolled up into: its beginning up to and
// with the first delimiter after the prefix.
func (r *ListRequest) commonPrefix(key string) (string, bool) {
	rest, ok := strings.CutPrefix(key, r.Prefix)
	if !ok || r.Delimiter == "" {
		return "", false
	}
	i := strings.Index(rest, r.Delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(r.Prefix)+i+len(r.Delimiter)], true
}

// prefixEnd returns the least string above all that begin with prefix; there
// is none when prefix is empty or holds only bytes 0xFF.
func prefixEnd(prefix string) (string, bool) {
	p := []byte(prefix)
	for len(p) > 0 && p[len(p)-1] == 0xFF {
		p = p[:len(p)-1]
	}
	if len(p) == 0 {
		return "", false
	}
	p[len(p)-1]++
	return string(p), true
}
