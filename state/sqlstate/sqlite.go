package sqlstate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// maxReaders bounds the memory and files that reading takes.
	maxReaders = 4
	// idleReader is how long a reader that has nothing to do stays open.
	idleReader = time.Minute
	// readerCache and writerCache bound the pages that a connection caches,
	// in KiB. A batch of changes should fit, or its pages go to disk twice.
	readerCache = 256
	writerCache = 2048
)

// OpenSQLite returns a driver that keeps state in the SQLite database file at
// path, made with mode 0600 when it is missing; the directory must exist. A
// change is synced to disk before it is acknowledged. Other processes may use
// the file at the same time.
func OpenSQLite(ctx context.Context, path string) (*Driver, error) {
	d, err := openSQLite(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("sqlstate.OpenSQLite: %s: %w", path, err)
	}
	return d, nil
}

func openSQLite(ctx context.Context, path string) (*Driver, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	write, err := openPool(path, writerCache, url.Values{"_txlock": {"immediate"}, "_journal_mode": {"WAL"}})
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1) // SQLite has one writer at a time: wait for it here
	write.SetConnMaxIdleTime(idleWriter)
	read, err := openPool(path, readerCache, url.Values{"_query_only": {"1"}})
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(maxReaders)
	read.SetMaxIdleConns(maxReaders)
	read.SetConnMaxIdleTime(idleReader)
	return newDriver(ctx, read, read, write, engine{prepare: true, anonymous: true, classify: classifySQLite, adapt: asIs})
}

// openPool returns a pool of connections to the file at path, each with a
// cache of so many KiB. The settings
// are explained at https://sqlite.org/pragma.html.
func openPool(path string, cache int, q url.Values) (*sql.DB, error) {
	q.Set("_busy_timeout", "5000") // milliseconds to wait for another process
	q.Set("_synchronous", "FULL")  // in WAL mode: sync on every commit
	q.Set("_foreign_keys", "1")
	q["_pragma"] = []string{
		fmt.Sprintf("cache_size(-%d)", cache),
		"fullfsync(1)", // macOS: through the drive's cache
	}
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: q.Encode()}
	c, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

// createPrivate makes an empty file that only its owner can reach, unless
// there is a file already. SQLite gives its side files the same mode. An
// existing file is not opened: closing it again would drop the locks that
// SQLite holds on it in this process (POSIX fcntl).
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Close(), dir.Sync(), dir.Close())
}

// classifySQLite tells what an error of SQLite means,
// https://sqlite.org/rescode.html.
func classifySQLite(err error) failure {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return poisoned
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return conflict
	case sqlite3.SQLITE_FULL:
		return diskFull
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY:
		return broken
	}
	return poisoned
}
