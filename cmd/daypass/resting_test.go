package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestResting(t *testing.T) {
	n := &node{}
	h := n.leaving(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for i, step := range []struct{ requests, rests bool }{
		{false, false}, // nothing has been done
		{true, false},
		{true, false},
		{false, true},
		{false, false}, // already
		{true, false},
		{false, true},
	} {
		if step.requests {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		}
		if got := n.resting(); got != step.rests {
			t.Errorf("look %d: %v", i, got)
		}
	}
}
