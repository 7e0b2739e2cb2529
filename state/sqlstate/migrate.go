package sqlstate

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrations returns the steps of the schema in order; version n is what the
// first n of them make. A released step never changes.
func migrations() ([]string, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var steps []string
	for _, name := range names {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		steps = append(steps, string(text))
	}
	return steps, nil
}

// migrate brings the schema up to date in one transaction. A database from a
// newer version of Daypass is refused unchanged. Several nodes may do this at
// the same time.
func migrate(ctx context.Context, db *sql.DB, steps []string, e engine) error {
	if err := createVersions(ctx, db); err != nil {
		return err
	}
	return inTx(ctx, db, e.begin, func(tx *sql.Tx) error {
		have, err := schemaVersion(ctx, tx)
		if err != nil {
			return err
		}
		if have > len(steps) {
			return fmt.Errorf("the database has schema version %d and this program knows versions up to %d: a newer Daypass has used it; run that one, or restore a backup from before", have, len(steps))
		}
		for i, step := range steps[have:] {
			if err := applyStep(ctx, tx, have+i+1, e.adapt(step)); err != nil {
				return err
			}
		}
		return nil
	})
}

// applyStep runs one step of the schema unless another node has just done so:
// the row of its version is the lock that they wait for.
func applyStep(ctx context.Context, tx *sql.Tx, version int, step string) error {
	res, err := tx.ExecContext(ctx, `INSERT INTO schema_version (version) VALUES ($1) ON CONFLICT DO NOTHING`, version)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil || n == 0 {
		return err
	}
	if _, err := tx.ExecContext(ctx, step); err != nil {
		return fmt.Errorf("schema version %d: %w", version, err)
	}
	return nil
}

// createVersions makes the table of schema versions where it is missing.
// Engines do not agree on what happens when several do so at the same time,
// so it is tried again when it fails.
func createVersions(ctx context.Context, db *sql.DB) error {
	const create = `CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY)`
	var err error
	for range 5 {
		if _, err = schemaVersion(ctx, db); err == nil || ctx.Err() != nil {
			return err
		}
		if _, err = db.ExecContext(ctx, create); err == nil {
			return nil
		}
	}
	return err
}

// schemaVersion returns the version of the schema, 0 for a new one.
func schemaVersion(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (int, error) {
	var v int
	err := q.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&v)
	return v, err
}

// inTx runs f in a transaction, which is kept if f returns nil.
func inTx(ctx context.Context, db *sql.DB, o *sql.TxOptions, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}
