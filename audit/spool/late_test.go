package spool

import "testing"

// TestLate adds consumers to a spool that has events: one begins at the oldest,
// and one at the end, but only when it is new.
func TestLate(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	appendAll(t, s, 0, 5)
	closeSpool(t, s)
	late := func(o *Options) { o.Consumers, o.Late = []string{"a", "early", "late"}, []string{"late"} }
	s = open(t, dir, late)
	appendAll(t, s, 5, 8)
	wantIDs(t, "early", batchIDs(next(t, s.Consumer("early"), Limit{})), ids(0, 8))
	wantIDs(t, "late", batchIDs(next(t, s.Consumer("late"), Limit{})), ids(5, 8))
	closeSpool(t, s)
	s = open(t, dir, late)
	appendAll(t, s, 8, 9)
	b := next(t, s.Consumer("late"), Limit{})
	wantIDs(t, "late, again", batchIDs(b), ids(5, 8))
	commit(t, s.Consumer("late"), b)
	wantIDs(t, "late, then", batchIDs(next(t, s.Consumer("late"), Limit{})), ids(8, 9))
}

// TestLateInNothing is of a spool that has nothing yet.
func TestLateInNothing(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.Consumers, o.Late = []string{"late"}, []string{"late"} })
	appendAll(t, s, 0, 3)
	wantIDs(t, "all", batchIDs(next(t, s.Consumer("late"), Limit{})), ids(0, 3))
}

// TestEventID names each event alike for every consumer, however batches are
// cut.
func TestEventID(t *testing.T) {
	dir := t.TempDir()
	two := func(o *Options) { o.Consumers = []string{"a", "b"} }
	s := open(t, dir, two)
	appendAll(t, s, 0, 5)
	whole := next(t, s.Consumer("a"), Limit{})
	seen := map[string]bool{}
	for i := range 5 {
		one := next(t, s.Consumer("b"), Limit{Bytes: 1})
		id := one.EventID(0, "x")
		if id != whole.EventID(i, "x") || len(id) != 26 || id == one.EventID(0, "y") || id == one.EventID(0) || seen[id] {
			t.Errorf("event %d is %s, %s", i, id, whole.EventID(i, "x"))
		}
		seen[id] = true
		commit(t, s.Consumer("b"), one)
	}
	closeSpool(t, s)
	s = open(t, dir, two)
	if again := next(t, s.Consumer("a"), Limit{}); again.EventID(3) != whole.EventID(3) {
		t.Error("another id after a restart")
	}
	other := open(t, t.TempDir(), two)
	appendAll(t, other, 0, 5)
	if next(t, other.Consumer("a"), Limit{}).EventID(3) == whole.EventID(3) {
		t.Error("two spools have the same id")
	}
}
