package server

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/daypass/daypass/limits"
)

// A leavingWriter is of a client who goes away with the first bytes of the
// answer. It notes how what is written is bounded.
type leavingWriter struct {
	connWriter
	leave   context.CancelFunc
	bounded bool
}

func (w *leavingWriter) Write(p []byte) (int, error) {
	w.leave()
	return w.connWriter.Write(p)
}

func (w *leavingWriter) SetWriteDeadline(t time.Time) error {
	w.bounded = !t.IsZero()
	return nil
}

// A leavingTimer bounds by itself.
type leavingTimer struct{ leavingWriter }

func (w *leavingTimer) SetWriteTimeout(d time.Duration) { w.bounded = d > 0 }

// TestBrokenAnswersAreBounded checks that what an HTTP server still sends of an
// answer that breaks off waits for the client for so long only, although nothing
// was bounded while the answer waited for the rate of its pass.
func TestBrokenAnswersAreBounded(t *testing.T) {
	s := newHotServer(t)
	r := s.incoming(t, hotCase{method: "GET", params: []string{limits.Rate, "8000"}})
	serve := func(w http.ResponseWriter, ctx context.Context) {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("%v instead of a broken answer", v)
			}
		}()
		s.ServeHTTP(w, r.WithContext(ctx))
	}
	for name, timed := range map[string]bool{"by a timeout": true, "by a deadline": false} {
		ctx, leave := context.WithCancel(t.Context())
		w := leavingTimer{leavingWriter{connWriter: connWriter{header: http.Header{}}, leave: leave}}
		if timed {
			serve(&w, ctx)
		} else {
			serve(&w.leavingWriter, ctx)
		}
		if w.sent == 0 || w.sent >= hotSize || !w.bounded {
			t.Errorf("%s: %d bytes are sent, bounded %v", name, w.sent, w.bounded)
		}
	}
}
