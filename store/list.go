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
	page := &ListPage{}
	if req.Max <= 0 {
		return page, nil
	}
	start, ok := req.start()
	l := lister{cursor: c, grouping: req.grouping(), max: req.Max}
	err := l.run(ok && c.SeekGE(start), func() (string, error) {
		obj, err := c.Object()
		page.Objects = append(page.Objects, obj)
		return "", err
	})
	if err != nil {
		return nil, err
	}
	page.CommonPrefixes, page.Truncated = l.prefixes, l.truncated
	page.Next, _ = l.next()
	return page, nil
}

// start returns the least key that the listing may return; ok is false when
// there can be none.
func (r *ListRequest) start() (key string, ok bool) {
	if r.After == "" {
		return r.Prefix, true
	}
	if cp, ok := r.grouping().commonPrefix(r.After); ok && r.SkipAfter {
		return prefixEnd(cp)
	}
	return max(r.Prefix, r.After+"\x00"), true
}

func (r *ListRequest) grouping() grouping { return grouping{r.Prefix, r.Delimiter} }

// A keyCursor is what the cursors of all listings share. Several entries may
// have the same key.
type keyCursor interface {
	SeekGE(key string) bool
	Next() bool
	Key() string
	Err() error
}

// A lister makes one page of any listing.
type lister struct {
	cursor keyCursor
	grouping
	max int

	entries   int // without common prefixes
	prefixes  []string
	truncated bool
	// The last key, or common prefix, on the page and the id within the key.
	lastKey, lastID string
}

// run fills the page from the cursor's position, which exists if found is
// true. add adds the current entry and returns its id within its key.
func (l *lister) run(found bool, add func() (id string, err error)) error {
	for more := found; more; {
		key := l.cursor.Key()
		if !strings.HasPrefix(key, l.prefix) {
			break
		}
		if l.entries+len(l.prefixes) >= l.max {
			l.truncated = true
			break
		}
		if cp, ok := l.commonPrefix(key); ok {
			l.prefixes = append(l.prefixes, cp)
			l.lastKey, l.lastID = cp, ""
			more = seekPast(l.cursor, cp)
			continue
		}
		id, err := add()
		if err != nil {
			return err
		}
		l.entries++
		l.lastKey, l.lastID = key, id
		more = l.cursor.Next()
	}
	return l.cursor.Err()
}

// next returns where the next page goes on; nowhere when there is none.
func (l *lister) next() (key, id string) {
	if !l.truncated {
		return "", ""
	}
	return l.lastKey, l.lastID
}

// seekPast moves a cursor to the first key after all that begin with prefix.
func seekPast(c keyCursor, prefix string) bool {
	end, ok := prefixEnd(prefix)
	return ok && c.SeekGE(end)
}

// A markedCursor can go on within the entries of one key.
type markedCursor interface {
	keyCursor
	SeekAfter(key, id string) bool
}

// seekMarker moves a cursor to where a listing by markers begins: after the
// given key, or after the entry of that key that id names.
func (g grouping) seekMarker(c markedCursor, key, id string) bool {
	if key == "" || key < g.prefix {
		return c.SeekGE(g.prefix)
	}
	if cp, ok := g.commonPrefix(key); ok {
		return seekPast(c, cp)
	}
	if id != "" {
		return c.SeekAfter(key, id)
	}
	return c.SeekGE(key + "\x00")
}

// A grouping is how a listing rolls keys up.
type grouping struct{ prefix, delimiter string }

// commonPrefix returns what key is rolled up into: its beginning up to and
// with the first delimiter after the prefix.
func (g grouping) commonPrefix(key string) (string, bool) {
	rest, ok := strings.CutPrefix(key, g.prefix)
	if !ok || g.delimiter == "" {
		return "", false
	}
	i := strings.Index(rest, g.delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(g.prefix)+i+len(g.delimiter)], true
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
