package sqlstate

import (
	"database/sql"
	"time"
)

// A scanner is a row of a result.
type scanner interface{ Scan(...any) error }

// collect reads all rows of a query, whose error it takes too.
func collect[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// micros returns t as the database keeps it, NULL for the zero time.
func micros(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// timeOf is the inverse of micros.
func timeOf(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMicro(v.Int64).UTC()
}

// blob returns b, empty for nil: the database has no NULL there, and engines
// differ in how they return what is empty.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
