package state

import (
	"context"
	"time"
)

// taskPrefix begins the ids of the entries of tasks, which no pass has.
const taskPrefix = "task/"

// taskMaxAge is for how long the entry of a task is kept that nobody updates.
const taskMaxAge = 90 * 24 * time.Hour

// UpdateTask reads, changes and writes in one step what is known of work that
// nodes share, such as who does it and how far it is. change is given nil where
// nothing is known; it returns what is to be kept, or nil to leave things as
// they are. It must not block, must not change what it is given, and may be
// called again with other values; its error is returned and changes nothing.
// What nobody updates for 90 days is forgotten.
func (s *State) UpdateTask(ctx context.Context, name string, change func(old []byte) ([]byte, error)) error {
	const op = "state.UpdateTask"
	if err := ctx.Err(); err != nil {
		return failed(op, err)
	}
	if s.revocations.lost() {
		return failed(op, unreachable())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	var own error
	err := s.driver.UpdateEntry(ctx, taskPrefix+name, func(old *EntryRecord) (*EntryRecord, error) {
		var data, next []byte
		if old != nil {
			data = old.Data
		}
		if next, own = change(data); own != nil || next == nil {
			return old, own
		}
		return &EntryRecord{ID: taskPrefix + name, Data: next, Expires: stamp(s.now().Add(taskMaxAge))}, nil
	})
	switch {
	case own != nil:
		return own
	case err != nil:
		return failed(op, err)
	}
	return nil
}
