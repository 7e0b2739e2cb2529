package sqlstate

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// maxPostgresReaders and idlePostgresReaders bound the connections of one
	// node, beside the one that writes.
	maxPostgresReaders  = 8
	idlePostgresReaders = 2
	// connectTimeout bounds one attempt to connect to one host, where the
	// connection string says nothing else.
	connectTimeout = 5 * time.Second
	// postgresTimeout bounds a transaction and a reading.
	postgresTimeout = 10 * time.Second
	// keepAlive finds out about a peer that is gone.
	keepAlive = 15 * time.Second
	// abandoned ends, on the server, transactions of nodes that are gone, so
	// that their locks do not stay.
	abandoned = `SET idle_in_transaction_session_timeout = 30000`
)

// OpenPostgres returns a driver that keeps state in a PostgreSQL database, or
// in one that speaks its protocol and SQL. The connection string is a URL or
// a list of settings, as libpq takes them; several hosts may be named. The
// database must exist and be encoded in UTF-8; the user must be allowed to
// create tables. Any number of drivers may use the same database. Errors
// never hold the password.
func OpenPostgres(ctx context.Context, dsn string) (*Driver, error) {
	d, err := openPostgres(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("sqlstate.OpenPostgres: %w", err)
	}
	return d, nil
}

func openPostgres(ctx context.Context, dsn string) (*Driver, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errConnectionString(dsn, err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	config.DialFunc = (&net.Dialer{KeepAlive: keepAlive}).DialContext
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "daypass"
	}
	write, read := postgresPool(config), postgresPool(config)
	write.SetMaxOpenConns(1)
	read.SetMaxOpenConns(maxPostgresReaders)
	read.SetMaxIdleConns(idlePostgresReaders)
	read.SetConnMaxIdleTime(idleReader)
	e := engine{
		lockRows: ` ORDER BY id FOR UPDATE`,
		begin:    &sql.TxOptions{Isolation: sql.LevelReadCommitted},
		timeout:  postgresTimeout,
		classify: classifyPostgres,
	}
	if e.adapt, err = inspect(ctx, write); err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	return newDriver(ctx, read, write, e)
}

// postgresPool returns a pool of connections.
func postgresPool(config *pgx.ConnConfig) *sql.DB {
	return stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		if config.RuntimeParams["idle_in_transaction_session_timeout"] != "" {
			return nil
		}
		_, err := c.Exec(ctx, abandoned)
		return err
	}))
}

// inspect refuses a server that state would not be safe with, and returns how
// to prepare steps of the schema for it: where text does not compare by its
// bytes, columns have to be told to.
func inspect(ctx context.Context, db *sql.DB) (adapt func(string) string, err error) {
	ctx, cancel := context.WithTimeout(ctx, postgresTimeout)
	defer cancel()
	var encoding, commit string
	var byLanguage bool
	err = errors.Join(
		db.QueryRowContext(ctx, `SHOW server_encoding`).Scan(&encoding),
		db.QueryRowContext(ctx, `SHOW synchronous_commit`).Scan(&commit),
		db.QueryRowContext(ctx, `SELECT 'a' < 'B'`).Scan(&byLanguage))
	switch {
	case err != nil:
		return nil, err
	case encoding != "UTF8":
		return nil, fmt.Errorf("the database is encoded in %s: create it with ENCODING 'UTF8'", encoding)
	case commit == "off":
		return nil, errors.New("synchronous_commit is off, so that a crash of the database would forget what was acknowledged: set it to on for this database or user")
	case byLanguage:
		return compareBytes, nil
	}
	return asIs, nil
}

// compareBytes gives all columns for text of a step of the schema a collation
// that compares by bytes.
func compareBytes(step string) string {
	return regexp.MustCompile(`\bTEXT\b`).ReplaceAllString(step, `TEXT COLLATE "C"`)
}

// errConnectionString says what is wrong with a connection string. The cause
// is left out unless it is sure not to quote the password.
func errConnectionString(dsn string, cause error) error {
	const want = "not a connection string such as postgres://USER:PASSWORD@HOST:5432/DATABASE"
	u, err := url.Parse(dsn)
	if err != nil || u.Host == "" {
		return errors.New(want)
	}
	inner := errors.Unwrap(cause)
	password, _ := u.User.Password()
	if inner == nil || password == "" && u.RawQuery != "" || password != "" && strings.Contains(inner.Error(), password) {
		return errors.New(want)
	}
	return errors.New(want + ": " + inner.Error())
}

// classifyPostgres tells what an error of a connection to PostgreSQL means.
func classifyPostgres(err error) failure {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return unreachable
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return classifyState(e.Code)
	}
	var network net.Error
	if errors.As(err, &network) || pgconn.SafeToRetry(err) {
		return unreachable
	}
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, driver.ErrBadConn, sql.ErrConnDone, pgconn.ErrConnClosed} {
		if errors.Is(err, lost) {
			return unreachable
		}
	}
	return poisoned
}

// classifyState tells what an SQLSTATE means, PostgreSQL 15, appendix A.
func classifyState(code string) failure {
	switch code {
	case "40001", "40P01", "55P03": // serialization failure, deadlock, lock not available
		return conflict
	case "53100":
		return diskFull
	case "25006": // read-only transaction: not the primary any more
		return unreachable
	case "40003": // statement completion unknown
		return broken
	}
	switch code[:min(2, len(code))] {
	case "08", "28", "57": // connection, authorization, operator intervention
		return unreachable
	case "53", "58", "F0", "XX": // resources, system, configuration file, internal
		return broken
	}
	return poisoned
}
