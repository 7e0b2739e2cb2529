package sqlstate

import (
	"context"
	"math/bits"
	"strconv"
	"strings"
)

// maxRows bounds the rows of a statement. Statements come in powers of two,
// so that there are few of them to keep prepared.
const maxRows = 64

// A shape is a statement for several rows: parenthesised groups of parameters
// between two texts.
type shape struct {
	head       string
	rows, cols int
	tail       string
}

// text returns the shape as SQL, its parameters numbered or, where they are
// anonymous, in their order. A list for IN is one group.
func (s shape) text(anonymous bool) string {
	var b strings.Builder
	b.WriteString(s.head)
	for i := range s.rows * s.cols {
		switch {
		case i == 0:
			b.WriteString("(")
		case i%s.cols == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		if anonymous {
			b.WriteString("?")
		} else {
			b.WriteString("$" + strconv.Itoa(i+1))
		}
	}
	b.WriteString(")" + s.tail)
	return b.String()
}

// shaped returns the text of a shape, made once.
func (t *tx) shaped(s shape) string {
	text, ok := t.session.texts[s]
	if !ok {
		text = s.text(t.session.engine.anonymous)
		t.session.texts[s] = text
	}
	return text
}

// insertRows runs an INSERT of rows of parameters and returns how many rows
// changed. It splits them so that all statements are of whole powers of two.
func (t *tx) insertRows(ctx context.Context, head, tail string, rows [][]any) (changed int64, err error) {
	var args []any
	for len(rows) > 0 {
		n := min(1<<(bits.Len(uint(len(rows)))-1), maxRows)
		args = args[:0]
		for _, row := range rows[:n] {
			args = append(args, row...)
		}
		c, err := t.exec(ctx, t.shaped(shape{head, n, len(rows[0]), tail}), args...)
		if err != nil {
			return changed, err
		}
		changed += c
		rows = rows[n:]
	}
	return changed, nil
}

// eachList calls f with statements that end in a list of ids for IN, and
// their parameters. The last list is filled up by repeating an id.
func (t *tx) eachList(ids []string, head, tail string, f func(query string, args []any) error) error {
	for len(ids) > 0 {
		n := min(len(ids), maxRows)
		size := 1 << bits.Len(uint(n-1))
		args := make([]any, size)
		for i := range args {
			args[i] = ids[min(i, n-1)]
		}
		if err := f(t.shaped(shape{head, 1, size, tail}), args); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}
