package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/daypass/daypass/state"
)

func TestTasks(t *testing.T) {
	s, _ := openMemory(t, newMemory(), state.Options{})
	errOwn := errors.New("own")
	update := func(name string, want, next []byte, fail error) {
		t.Helper()
		err := s.UpdateTask(t.Context(), name, func(old []byte) ([]byte, error) {
			if !bytes.Equal(old, want) {
				t.Errorf("%s is %q, want %q", name, old, want)
			}
			return next, fail
		})
		if !errors.Is(err, fail) {
			t.Errorf("UpdateTask: %v, want %v", err, fail)
		}
	}
	update("a", nil, nil, nil)
	update("a", nil, []byte("1"), nil)
	update("a", []byte("1"), nil, nil)
	update("a", []byte("1"), []byte("2"), errOwn)
	update("a", []byte("1"), []byte("3"), nil)
	update("a", []byte("3"), nil, nil)
	update("b", nil, nil, nil)
}

// TestTasksRace counts in one task from several goroutines.
func TestTasksRace(t *testing.T) {
	s, _ := openMemory(t, newMemory(), state.Options{})
	const writers, each = 4, 25
	add := func(old []byte) ([]byte, error) {
		n := 0
		fmt.Sscan(string(old), &n)
		return fmt.Append(nil, n+1), nil
	}
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				if err := s.UpdateTask(t.Context(), "count", add); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	err := s.UpdateTask(t.Context(), "count", func(old []byte) ([]byte, error) {
		if string(old) != fmt.Sprint(writers*each) {
			t.Errorf("counted %s, want %d", old, writers*each)
		}
		return nil, nil
	})
	if err != nil {
		t.Error(err)
	}
}
