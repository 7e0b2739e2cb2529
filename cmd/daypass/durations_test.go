package main

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/daypass/daypass/internal/instrument"
	"github.com/daypass/daypass/store"
)

// idleDriver is a store driver that does nothing.
type idleDriver struct{ store.Driver }

func (idleDriver) Bucket(context.Context, string) (store.Bucket, error) { return store.Bucket{}, nil }

func TestDurations(t *testing.T) {
	times := newOperationTimes()
	d := instrument.Store(idleDriver{}, times.store, nil)
	for range 3 {
		if _, err := d.Bucket(t.Context(), "bucket"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range instrument.StateOperations() {
		times.state.Observe(i, 2*time.Second)
	}
	r := prometheus.NewRegistry()
	r.MustRegister(times)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text := w.Body.String()
	for _, want := range []string{
		`daypass_store_duration_seconds_count{operation="Bucket"} 3`,
		`daypass_state_duration_seconds_bucket{operation="UpdateEntry",le="1"} 0`,
		`daypass_state_duration_seconds_bucket{operation="UpdateEntry",le="5"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, `operation="PutObject"`) {
		t.Error("a series of an operation that was never called")
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = d.Bucket(t.Context(), "bucket") }); n != 0 {
		t.Errorf("an observation makes %v allocations", n)
	}
}

// BenchmarkStoreCall is what measuring adds to a call of the store.
func BenchmarkStoreCall(b *testing.B) {
	d := instrument.Store(idleDriver{}, newOperationTimes().store, nil)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = d.Bucket(ctx, "bucket")
	}
}
