package sqlstate_test

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
)

// benchCallers is how many requests are under way at a time.
const benchCallers = 256

// syncsPerSecond measures how often the disk below dir syncs an appended
// page, which bounds what a transaction per call can reach.
func syncsPerSecond(b *testing.B, dir string) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "syncs"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	start, n := time.Now(), 0
	for ; time.Since(start) < time.Second; n++ {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(start).Seconds()
}

// spread calls f with 0 to n-1 from that many callers.
func spread(b *testing.B, callers, n int, f func(i int) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// increment is a change that counts in the entry of an id.
func increment(id string) func(*state.EntryRecord) (*state.EntryRecord, error) {
	return func(old *state.EntryRecord) (*state.EntryRecord, error) {
		e := &state.EntryRecord{ID: id, Pass: id, Data: make([]byte, 64), Expires: time.Unix(1<<31, 0)}
		if old != nil {
			copy(e.Data, old.Data)
		}
		binary.BigEndian.PutUint64(e.Data, binary.BigEndian.Uint64(e.Data)+1)
		return e, nil
	}
}

// BenchmarkSQLiteUpdateEntry counts durable updates of the ledger: of passes
// that are used for the first time, of 10,000 passes in turn, and of one.
func BenchmarkSQLiteUpdateEntry(b *testing.B) {
	for _, passes := range []int{0, 10_000, 1} {
		name := fmt.Sprintf("passes=%d", passes)
		if passes == 0 {
			name = "passes=new"
		}
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			d := open(b, filepath.Join(dir, "state.db"))
			syncs := syncsPerSecond(b, dir)
			benchUpdates(b, d, passes)
			b.ReportMetric(syncs, "fsyncs/s")
		})
	}
}

func benchUpdates(b *testing.B, d *sqlstate.Driver, passes int) {
	before := sqlstate.Commits(d)
	b.ReportAllocs()
	b.ResetTimer()
	spread(b, benchCallers, b.N, func(i int) error {
		if passes > 0 {
			i %= passes
		}
		id := fmt.Sprintf("pass%022d", i*2654435761%(1<<40))
		return d.UpdateEntry(b.Context(), id, increment(id))
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
	b.ReportMetric(float64(b.N)/float64(sqlstate.Commits(d)-before), "updates/commit")
}

// BenchmarkSQLiteTransactionPerCall is the yardstick: what the same callers
// reach when each has a transaction of its own.
func BenchmarkSQLiteTransactionPerCall(b *testing.B) {
	dir := b.TempDir()
	path := filepath.Join(dir, "state.db")
	open(b, path)
	db := openRaw(b, path)
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`PRAGMA synchronous = FULL`); err != nil {
		b.Fatal(err)
	}
	syncs := syncsPerSecond(b, dir)
	b.ResetTimer()
	spread(b, benchCallers, b.N, func(i int) error {
		id := fmt.Sprintf("pass%022d", i%10_000)
		return updateAlone(b, db, id)
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
	b.ReportMetric(syncs, "fsyncs/s")
}

// updateAlone increments the entry of an id in a transaction of its own.
func updateAlone(b *testing.B, db *sql.DB, id string) error {
	tx, err := db.BeginTx(b.Context(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var old *state.EntryRecord
	e := state.EntryRecord{ID: id}
	switch err := tx.QueryRow(`SELECT data FROM entries WHERE id = $1`, id).Scan(&e.Data); err {
	case nil:
		old = &e
	case sql.ErrNoRows:
	default:
		return err
	}
	changed, err := increment(id)(old)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO entries (id, pass, data) VALUES ($1, $1, $2)
		ON CONFLICT (id) DO UPDATE SET data = excluded.data`, id, changed.Data); err != nil {
		return err
	}
	return tx.Commit()
}
