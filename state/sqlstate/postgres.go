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
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// maxPostgresReaders, maxPostgresWatchers and idlePostgresReaders bound the
	// connections of one node, beside the one that writes and the one that
	// listens.
	maxPostgresReaders  = 6
	maxPostgresWatchers = 2
	idlePostgresReaders = 2
	// postgresTimeout bounds a transaction and a reading, connecting included.
	postgresTimeout = 5 * time.Second
	// keepAlive finds out about a peer that is gone.
	keepAlive = 15 * time.Second
	// abandoned ends, on the server, transactions of nodes that have vanished.
	// They hold what others wait for, who need all of it to get on: the row of a
	// pass that is used everywhere, the number of the next revocation. A node that
	// is there sends its next statement at once; one that gets no processor for so
	// long, which a busy machine makes of one second, runs the transaction again.
	abandoned = `SET idle_in_transaction_session_timeout = 2000`
)

// asynchronous is the parameter of a connection string that accepts several
// hosts without synchronous replication.
const asynchronous = "daypass.asynchronous"

// OpenPostgres returns a driver that keeps state in a PostgreSQL database, or
// in one that speaks its protocol and SQL. The connection string is a URL or
// a list of settings, as libpq takes them; several hosts may be named, of which
// the one that takes writes is used, whatever target_session_attrs says.
// The database must exist and be encoded in UTF-8; the user must be allowed to
// create tables. Any number of drivers may use the same database. Errors
// never hold the password.
//
// Where several hosts are named, one may take over from another, and must then
// know all that was acknowledged: without synchronous replication they are
// refused, unless daypass.asynchronous=1 is among the parameters.
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
	_, accepted := config.RuntimeParams[asynchronous]
	hosts := prepareConfig(config)
	write, read := config.Copy(), config
	warned := new(atomic.Bool)
	write.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			warned.Store(true)
		}
	}
	d, err := openPools(ctx, write, read, warned, hosts > 1 && !accepted)
	if err != nil {
		return nil, err
	}
	if d.engine.notify != "" {
		d.listener = listen(read.Copy())
	}
	return d, nil
}

// prepareConfig fills in what a connection string leaves open, and returns how
// many hosts it names.
func prepareConfig(config *pgx.ConnConfig) (hosts int) {
	named := map[string]bool{fmt.Sprint(config.Host, config.Port): true}
	for _, f := range config.Fallbacks {
		named[fmt.Sprint(f.Host, f.Port)] = true
	}
	if config.ConnectTimeout == 0 {
		// Each host gets its turn within the time of a transaction.
		config.ConnectTimeout = postgresTimeout / time.Duration(len(named)+1)
	}
	// What a standby says is as old as it likes, so that a revocation could be
	// missed: nothing is asked there, whatever target_session_attrs says.
	config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	config.DialFunc = (&net.Dialer{KeepAlive: keepAlive, Control: controlSocket}).DialContext
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "daypass"
	}
	return len(named)
}

// openPools returns a driver without a listener.
func openPools(ctx context.Context, writing, reading *pgx.ConnConfig, warned *atomic.Bool, synchronous bool) (*Driver, error) {
	write, read, watch := postgresPool(writing), postgresPool(reading), postgresPool(reading)
	write.SetMaxOpenConns(1)
	read.SetMaxOpenConns(maxPostgresReaders)
	read.SetMaxIdleConns(idlePostgresReaders)
	read.SetConnMaxIdleTime(idleReader)
	watch.SetMaxOpenConns(maxPostgresWatchers)
	watch.SetMaxIdleConns(maxPostgresWatchers)
	e := engine{
		lockRows:    ` ORDER BY id FOR UPDATE`,
		begin:       &sql.TxOptions{Isolation: sql.LevelReadCommitted},
		timeout:     postgresTimeout,
		classify:    classifyPostgres,
		idleReaders: idlePostgresReaders,
		warned:      warned,
	}
	if err := inspect(ctx, write, &e, synchronous); err != nil {
		return nil, errors.Join(err, read.Close(), watch.Close(), write.Close())
	}
	return newDriver(ctx, read, watch, write, e)
}

// postgresPool returns a pool of connections. Statements are prepared once on
// each of them, by pgx itself.
func postgresPool(config *pgx.ConnConfig) *sql.DB {
	return stdlib.OpenDB(*config, stdlib.OptionResetSession(refuseStandby), stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		if config.RuntimeParams["idle_in_transaction_session_timeout"] != "" {
			return nil
		}
		_, err := c.Exec(ctx, abandoned)
		return err
	}))
}

// refuseStandby gives up a connection to a server that takes no writes any more,
// which goes on answering readings with what it once knew. Servers from
// PostgreSQL 14 on say so by themselves (55.2.7, Asynchronous Operations).
func refuseStandby(_ context.Context, c *pgx.Conn) error {
	for _, name := range []string{"in_hot_standby", "default_transaction_read_only"} {
		if c.PgConn().ParameterStatus(name) == "on" {
			return driver.ErrBadConn
		}
	}
	return nil
}

// inspect refuses a server that state would not be safe with, and finds out what
// it can do: where text does not compare by its bytes, columns have to be told
// to; where LISTEN works, nodes tell each other of changes.
func inspect(ctx context.Context, db *sql.DB, e *engine, synchronous bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*postgresTimeout)
	defer cancel()
	var encoding, commit, version string
	var byLanguage bool
	for _, ask := range []struct {
		query  string
		answer any
	}{
		{`SELECT version()`, &version}, {`SHOW server_encoding`, &encoding},
		{`SHOW synchronous_commit`, &commit}, {`SELECT 'a' < 'B'`, &byLanguage},
	} {
		if err := db.QueryRowContext(ctx, ask.query).Scan(ask.answer); err != nil {
			return err
		}
	}
	switch {
	case encoding != "UTF8":
		return fmt.Errorf("the database is encoded in %s: create it with ENCODING 'UTF8'", encoding)
	case commit == "off":
		return errors.New("synchronous_commit is off, so that a crash of the database would forget what was acknowledged: set it to on for this database or user")
	}
	// Others replicate by consensus, if they have such settings at all.
	plain := strings.HasPrefix(version, "PostgreSQL") && !strings.Contains(version, "-YB-")
	if plain && synchronous {
		if err := checkReplication(ctx, db, commit); err != nil {
			return err
		}
	}
	e.adapt = asIs
	if byLanguage {
		e.adapt = compareBytes
	}
	if _, err := db.ExecContext(ctx, `LISTEN `+channel); err == nil {
		_, err = db.ExecContext(ctx, `UNLISTEN `+channel)
		if err == nil {
			e.notify = `NOTIFY ` + channel
		}
	}
	return ctx.Err()
}

// checkReplication refuses a server whose standby may lack what was
// acknowledged (PostgreSQL 15, 20.5.1 and 20.6.2).
func checkReplication(ctx context.Context, db *sql.DB, commit string) error {
	var standbys string
	if err := db.QueryRowContext(ctx, `SHOW synchronous_standby_names`).Scan(&standbys); err != nil {
		return err
	}
	const otherwise = ", or accept that a failover forgets draws and revocations with daypass.asynchronous=1 in the connection string"
	switch {
	case standbys == "":
		return errors.New("the connection string names several hosts and the server replicates to none of them synchronously, so that a failover would forget draws that were acknowledged: set synchronous_standby_names" + otherwise)
	case commit != "on" && commit != "remote_apply":
		return fmt.Errorf("the connection string names several hosts and synchronous_commit is %s, so that a failover would forget draws that were acknowledged: set it to on"+otherwise, commit)
	}
	return nil
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
	if errors.Is(err, errWarned) || errors.Is(err, errSilent) {
		return unreachable
	}
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
	case "40001", "40P01", "55P03", // serialization failure, deadlock, lock not available
		"25P03": // idle in a transaction for too long, which was undone
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
