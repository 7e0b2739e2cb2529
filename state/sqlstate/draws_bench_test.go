package sqlstate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
)

// BenchmarkPostgresDraws measures whole downloads as state sees them, a draw
// before the first byte and its end, by nodes that share a database: each of
// another pass, and all of one.
func BenchmarkPostgresDraws(b *testing.B) {
	for _, nodes := range []int{1, 3} {
		for _, kind := range []string{"distinct", "hot"} {
			b.Run(fmt.Sprintf("nodes=%d/passes=%s", nodes, kind), func(b *testing.B) { benchDraws(b, nodes, kind == "hot") })
		}
	}
}

func benchDraws(b *testing.B, nodes int, hot bool) {
	dsn := newDatabase(b)
	syncs := syncsPerSecond(b, b.TempDir())
	var drivers []*sqlstate.Driver
	var states []*state.State
	for range nodes {
		d := openPostgres(b, dsn)
		s, err := state.Open(b.Context(), d, state.MasterKey{1}, state.Options{})
		if err != nil {
			b.Fatal(err)
		}
		drivers, states = append(drivers, d), append(states, s)
	}
	commits := func() (n int64) {
		for _, d := range drivers {
			n += sqlstate.Commits(d)
		}
		return n
	}
	before := commits()
	ends := time.Now().Add(time.Hour)
	b.ResetTimer()
	spread(b, benchCallers, b.N, func(i int) error {
		p := state.Budget{Pass: "hotpass", Uses: 1 << 30, Size: 1 << 20, ETag: "e", Ends: ends}
		if !hot {
			p.Pass, p.Uses = fmt.Sprintf("pass%022d", i*2654435761%(1<<40)), 1
		}
		s := states[i%nodes]
		token, err := s.NewToken()
		if err == nil {
			err = s.Draw(b.Context(), p, token, p.Size, p.Size)
		}
		if err == nil {
			err = s.Settle(b.Context(), p, token, p.Size, true)
		}
		return err
	})
	for _, s := range states {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "downloads/s")
	b.ReportMetric(float64(b.N)/float64(commits()-before), "downloads/commit")
	b.ReportMetric(syncs, "fsyncs/s")
}
