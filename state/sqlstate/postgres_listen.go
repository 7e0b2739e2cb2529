package sqlstate

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// channel is where nodes tell each other of changes.
	channel = `daypass_state`
	// listenAgain is the pause before a listener that was cut off connects
	// again. Nodes ask meanwhile, as they do all the time.
	listenAgain = 2 * time.Second
)

// A listener hears of changes that any node makes, on a connection of its own.
type listener struct {
	changed chan struct{}
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

// listen returns a listener.
func listen(config *pgx.ConnConfig) *listener {
	ctx, stop := context.WithCancel(context.Background())
	l := &listener{changed: make(chan struct{}, 1), stop: stop}
	l.wg.Go(func() {
		for ctx.Err() == nil {
			l.follow(ctx, config)
			select {
			case <-ctx.Done():
			case <-time.After(listenAgain/2 + rand.N(listenAgain)): // not all nodes at once
			}
		}
	})
	return l
}

func (l *listener) close() {
	l.stop()
	l.wg.Wait()
}

// follow hears of changes until the connection fails. What was changed before it
// listens counts as one.
func (l *listener) follow(ctx context.Context, config *pgx.ConnConfig) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, `LISTEN `+channel); err != nil {
		return
	}
	for err == nil {
		select {
		case l.changed <- struct{}{}:
		default: // the last one is still to be seen to
		}
		_, err = conn.WaitForNotification(ctx)
	}
}
