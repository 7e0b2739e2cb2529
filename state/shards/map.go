package shards

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

const (
	// settingID is the random id of a shard.
	settingID = "shard-id"
	// settingMap is the shard map in JSON.
	settingMap = "shard-map"
)

// ErrMap is the cause when the drivers are not those of the shard map, in its
// order.
var ErrMap = errors.New("the shards are not those of the shard map")

// A shardMap is the ids of all shards in order.
type shardMap struct {
	Shards []string `json:"shards"`
}

// checkMap compares the drivers with the shard map that each of them keeps, and
// makes them the map where there is none.
func checkMap(ctx context.Context, drivers []state.Driver, rand io.Reader) error {
	want := shardMap{Shards: make([]string, len(drivers))}
	for i, d := range drivers {
		id, err := shardID(ctx, d, rand)
		if err != nil {
			return fmt.Errorf("shard %d: %w", i+1, err)
		}
		if j := slices.Index(want.Shards, id); j >= 0 {
			return refused("shards %d and %d are the same database", j+1, i+1)
		}
		want.Shards[i] = id
	}
	for i, d := range drivers { // before anything is written
		if err := want.compare(ctx, i, d); err != nil {
			return err
		}
	}
	text, err := json.Marshal(want)
	if err != nil {
		return err
	}
	for i, d := range drivers {
		if _, err := d.InitSetting(ctx, settingMap, text); err != nil {
			return fmt.Errorf("shard %d: %w", i+1, err)
		}
	}
	for i, d := range drivers { // another node may have been quicker with another map
		if err := want.compare(ctx, i, d); err != nil {
			return err
		}
	}
	return nil
}

// shardID returns the id of a shard, which is made at its first start.
func shardID(ctx context.Context, d state.Driver, rand io.Reader) (string, error) {
	var random [16]byte
	if _, err := io.ReadFull(rand, random[:]); err != nil {
		return "", err
	}
	id, err := d.InitSetting(ctx, settingID, []byte(hex.EncodeToString(random[:])))
	return string(id), err
}

// compare refuses a shard that keeps another map.
func (m *shardMap) compare(ctx context.Context, i int, d state.Driver) error {
	text, err := d.Setting(ctx, settingMap)
	if err != nil {
		return fmt.Errorf("shard %d: %w", i+1, err)
	}
	if text == nil {
		if len(m.Shards) == 1 {
			return nil
		}
		used, err := state.Initialised(ctx, d)
		if err != nil {
			return fmt.Errorf("shard %d: %w", i+1, err)
		}
		if used {
			return refused("shard %d was used alone before there were shards, and knows passes that others would not", i+1)
		}
		return nil
	}
	var have shardMap
	if err := json.Unmarshal(text, &have); err != nil {
		return fmt.Errorf("shard %d: its shard map is damaged: %w", i+1, err)
	}
	if slices.Equal(have.Shards, m.Shards) {
		return nil
	}
	return refused("shard %d of %d %s", i+1, len(m.Shards), have.describe(m.Shards[i]))
}

// describe says which place a shard has in the map that it keeps.
func (m *shardMap) describe(id string) string {
	if len(m.Shards) == 1 {
		return "was set up to be alone"
	}
	return fmt.Sprintf("was set up as shard %d of %d", slices.Index(m.Shards, id)+1, len(m.Shards))
}

func refused(format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	return &daypass.Error{Op: "shards.Open", Code: daypass.InvalidRequest,
		Message: what + "; give every node the same shards in the order in which they were set up",
		Err:     fmt.Errorf("%w: %s", ErrMap, what)}
}
