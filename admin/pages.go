package admin

import "strconv"

const (
	defaultPage = 100
	maxPage     = 1000
)

// pageOf returns which page of a list a request asks for.
func pageOf(c *call) (after string, max int, err error) {
	q := c.URL.Query()
	max, err = pageSize(q.Get("max"))
	return q.Get("after"), max, err
}

func pageSize(text string) (int, error) {
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, invalid("max is a number from 1 to %d", maxPage)
	}
	return n, nil
}

// A lister is a list in pages, of which a caller sees a part.
type lister[T any] struct {
	list func(after string, max int) (page []T, more bool, err error)
	id   func(T) string
	keep func(T) bool
}

// filtered returns at most max of what the caller sees, and whether there is
// more of it.
func filtered[T any](after string, max int, l lister[T]) (out []T, more bool, err error) {
	for {
		page, further, err := l.list(after, maxPage)
		if err != nil {
			return nil, false, err
		}
		for _, v := range page {
			after = l.id(v)
			if !l.keep(v) {
				continue
			}
			if len(out) == max {
				return out, true, nil
			}
			out = append(out, v)
		}
		if !further || len(page) == 0 {
			return out, false, nil
		}
	}
}
