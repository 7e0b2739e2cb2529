package sqlstate

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/daypass/daypass/state"
)

const (
	selectEntries = selectEntry + `WHERE id IN `
	deleteEntries = `DELETE FROM entries WHERE id IN `
	insertEntries = `INSERT INTO entries (id, pass, data, expires) VALUES `
	onlyNew       = ` ON CONFLICT DO NOTHING`
	orReplace     = ` ON CONFLICT (id) DO UPDATE SET pass = excluded.pass, data = excluded.data, expires = excluded.expires`
)

// errForeignEntry is what an edit gets whose entry cannot be found again.
var errForeignEntry = errors.New("the entry has another id than the one that it replaces, or one that does not begin with its pass")

// A slot is one entry in a batch: as it was found, and as the edits so far
// have left it. Both are nil where there is none.
type slot struct{ old, new *state.EntryRecord }

// editEntries makes all edits of a batch: it reads the entries at once, edits
// them in memory in order, and writes what has changed at once.
func (t *tx) editEntries(ctx context.Context, batch []*request) error {
	slots := make(map[string]*slot, len(batch))
	var ids []string
	for _, r := range batch {
		if r.edit != nil && slots[r.id] == nil {
			slots[r.id] = new(slot)
			ids = append(ids, r.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids) // all writers lock rows in the same order
	if err := t.readSlots(ctx, ids, slots); err != nil {
		return err
	}
	for _, r := range batch {
		if r.edit != nil {
			r.editSlot(slots[r.id])
		}
	}
	return t.writeSlots(ctx, ids, slots)
}

// readSlots fills slots with the entries that there are, and locks these.
func (t *tx) readSlots(ctx context.Context, ids []string, slots map[string]*slot) error {
	return t.eachList(ids, selectEntries, t.session.engine.lockRows, func(query string, args []any) error {
		rows, err := t.query(ctx, query, args...)
		found, err := collect(rows, err, scanEntry)
		for i := range found {
			s := slots[found[i].ID]
			s.old, s.new = &found[i], &found[i]
		}
		return err
	})
}

// editSlot makes the request's edit. A panic is kept for the caller.
func (r *request) editSlot(s *slot) {
	defer func() { r.panicked = recover() }()
	e, err := r.edit(s.new)
	switch {
	case err != nil:
		r.err = err
	case e == nil || e == s.new:
		s.new = e
	case e.ID != r.id || !strings.HasPrefix(e.ID, e.Pass):
		r.err = errForeignEntry
	default:
		if r.err = checkText("UpdateEntry", e.Pass); r.err == nil {
			// What the next edit is given is what it would be given after a
			// commit.
			s.new = &state.EntryRecord{ID: e.ID, Pass: e.Pass, Data: blob(e.Data), Expires: timeOf(micros(e.Expires))}
		}
	}
}

// writeSlots writes the slots that have changed.
func (t *tx) writeSlots(ctx context.Context, ids []string, slots map[string]*slot) error {
	var gone []string
	var added, changed [][]any
	for _, id := range ids {
		switch s := slots[id]; {
		case s.new == s.old:
		case s.new == nil:
			gone = append(gone, id)
		case s.old == nil:
			added = append(added, entryArgs(s.new))
		default:
			changed = append(changed, entryArgs(s.new))
		}
	}
	err := t.eachList(gone, deleteEntries, "", func(query string, args []any) error {
		_, err := t.exec(ctx, query, args...)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := t.insertRows(ctx, insertEntries, orReplace, changed); err != nil {
		return err
	}
	// A row that was not there could not be locked: somebody else may have
	// added it in the meantime, which the edit has to see.
	n, err := t.insertRows(ctx, insertEntries, onlyNew, added)
	if err == nil && n != int64(len(added)) {
		err = errRace
	}
	return err
}

// entryArgs returns the parameters of one row of insertEntries.
func entryArgs(e *state.EntryRecord) []any {
	return []any{e.ID, e.Pass, e.Data, micros(e.Expires)}
}
