package sqlstate

import (
	"context"
	"database/sql"
)

// Pools returns the connections of d.
func Pools(d *Driver) map[string]*sql.DB {
	return map[string]*sql.DB{"read": d.read, "write": d.write}
}

// Migrate applies the given steps instead of the released ones.
func Migrate(ctx context.Context, db *sql.DB, steps []string) error { return migrate(ctx, db, steps) }
