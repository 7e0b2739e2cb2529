package sqlstate

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/daypass/daypass/state"
)

const (
	selectPass = `SELECT id, name, access_key, owner, action, bucket, object, limits,
		signed, ends, first_seen, last_seen, uses, refused, received, sent, expires FROM passes `

	insertPasses = `INSERT INTO passes (id, name, access_key, owner, action, bucket, object, limits,
			signed, ends, first_seen, last_seen, uses, refused, received, sent, expires)
		VALUES `
	orAdd = ` ON CONFLICT (id) DO UPDATE SET
			first_seen = CASE WHEN passes.first_seen IS NULL OR excluded.first_seen < passes.first_seen
				THEN excluded.first_seen ELSE passes.first_seen END,
			last_seen = CASE WHEN passes.last_seen IS NULL OR excluded.last_seen > passes.last_seen
				THEN excluded.last_seen ELSE passes.last_seen END,
			uses = passes.uses + excluded.uses,
			refused = passes.refused + excluded.refused,
			received = passes.received + excluded.received,
			sent = passes.sent + excluded.sent`

	expirePasses = `DELETE FROM passes WHERE expires < $1 AND id IN
		(SELECT id FROM passes WHERE expires < $1 ORDER BY expires LIMIT $2)`
)

// AddPasses implements state.Driver. All of it is one transaction.
func (d *Driver) AddPasses(ctx context.Context, seen []state.PassRecord) error {
	const op = "AddPasses"
	for _, p := range seen {
		if err := checkText(op, p.ID, p.Name, p.Key, p.Owner, p.Action, p.Bucket, p.Object, p.Limits); err != nil {
			return err
		}
	}
	if len(seen) == 0 {
		return nil
	}
	rows := passRows(seen)
	return d.do(ctx, op, func(ctx context.Context, t *tx) error {
		_, err := t.insertRows(ctx, insertPasses, orAdd, rows)
		return err
	})
}

// passRows returns the parameters of insertPasses: one row for each pass,
// since a statement may change a row only once, in order of id, so that all
// writers lock rows in the same order.
func passRows(seen []state.PassRecord) (rows [][]any) {
	seen = slices.Clone(seen)
	slices.SortStableFunc(seen, func(a, b state.PassRecord) int { return strings.Compare(a.ID, b.ID) })
	for i := 0; i < len(seen); {
		sum := seen[i]
		for i++; i < len(seen) && seen[i].ID == sum.ID; i++ {
			addPass(&sum, &seen[i])
		}
		rows = append(rows, passArgs(&sum))
	}
	return rows
}

// addPass adds p to sum, as orAdd does.
func addPass(sum, p *state.PassRecord) {
	if !p.First.IsZero() && (sum.First.IsZero() || p.First.Before(sum.First)) {
		sum.First = p.First
	}
	if p.Last.After(sum.Last) {
		sum.Last = p.Last
	}
	sum.Uses += p.Uses
	sum.Refused += p.Refused
	sum.Received += p.Received
	sum.Sent += p.Sent
}

// Pass implements state.Driver.
func (d *Driver) Pass(ctx context.Context, id string) (*state.PassRecord, error) {
	if !validText(id) {
		return nil, nil
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	p, err := scanPass(d.read.QueryRowContext(ctx, selectPass+`WHERE id = $1`, id))
	if err == sql.ErrNoRows {
		return nil, nil
	}
	if err != nil {
		return nil, d.fail("Pass", err)
	}
	return &p, nil
}

// ListPasses implements state.Driver.
func (d *Driver) ListPasses(ctx context.Context, f state.PassFilter, after string, max int) ([]state.PassRecord, error) {
	const op = "ListPasses"
	if err := checkText(op, f.Owner, f.Name, f.Key, f.Bucket, f.Prefix, after); err != nil {
		return nil, err
	}
	where, args := passConditions(f, after)
	args = append(args, max)
	ctx, cancel := d.bound(ctx)
	defer cancel()
	rows, err := d.read.QueryContext(ctx, selectPass+where+fmt.Sprintf(` ORDER BY id LIMIT $%d`, len(args)), args...)
	list, err := collect(rows, err, scanPass)
	return list, d.fail(op, err)
}

// passConditions returns the conditions of a list of passes.
func passConditions(f state.PassFilter, after string) (where string, args []any) {
	where, args = `WHERE id > $1`, []any{after}
	for _, c := range []struct{ column, value string }{
		{"owner", f.Owner}, {"name", f.Name}, {"access_key", f.Key}, {"bucket", f.Bucket},
	} {
		if c.value != "" {
			args = append(args, c.value)
			where += fmt.Sprintf(` AND %s = $%d`, c.column, len(args))
		}
	}
	if f.Prefix != "" {
		args = append(args, utf8.RuneCountInString(f.Prefix), f.Prefix)
		where += fmt.Sprintf(` AND SUBSTR(object, 1, $%d) = $%d`, len(args)-1, len(args))
	}
	return where, args
}

// ExpirePasses implements state.Driver.
func (d *Driver) ExpirePasses(ctx context.Context, t time.Time, max int) (int, error) {
	return d.expire(ctx, "ExpirePasses", expirePasses, t, max)
}

// passArgs returns the parameters of one row of insertPasses.
func passArgs(p *state.PassRecord) []any {
	return []any{p.ID, p.Name, p.Key, p.Owner, p.Action, p.Bucket, p.Object, p.Limits,
		micros(p.Signed), micros(p.Ends), micros(p.First), micros(p.Last),
		p.Uses, p.Refused, p.Received, p.Sent, micros(p.Expires)}
}

// scanPass reads a row of selectPass.
func scanPass(row scanner) (state.PassRecord, error) {
	var p state.PassRecord
	var signed, ends, first, last, expires sql.NullInt64
	err := row.Scan(&p.ID, &p.Name, &p.Key, &p.Owner, &p.Action, &p.Bucket, &p.Object, &p.Limits,
		&signed, &ends, &first, &last, &p.Uses, &p.Refused, &p.Received, &p.Sent, &expires)
	p.Signed, p.Ends, p.First, p.Last, p.Expires = timeOf(signed), timeOf(ends), timeOf(first), timeOf(last), timeOf(expires)
	return p, err
}
