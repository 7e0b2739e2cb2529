package state

import (
	"context"
	"sync"
	"time"
)

// settingEntries is how many buckets' settings are cached. They are read with
// every request: a change made through this State shows at once, one by another
// process within cacheAge.
const settingEntries = 4096

// A settingCache keeps the settings of buckets. Only buckets that exist are
// asked for, so requests cannot fill it with inventions; past settingEntries
// it starts afresh.
type settingCache struct {
	mu      sync.RWMutex
	entries map[string]cachedSettings
	changes uint64
}

type cachedSettings struct {
	values map[string][]byte
	loaded time.Time
	// suspect is as that of a cachedKey.
	suspect time.Time
}

// get returns what is cached, and how many changes there had been.
func (c *settingCache) get(id string) (e cachedSettings, ok bool, changes uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok = c.entries[id]
	return e, ok, c.changes
}

// put adds what was read when there had been that many changes; a change in
// between may have made it old.
func (c *settingCache) put(id string, values map[string][]byte, now time.Time, changes uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != changes {
		return
	}
	if c.entries == nil || len(c.entries) >= settingEntries {
		c.entries = make(map[string]cachedSettings)
	}
	c.entries[id] = cachedSettings{values: values, loaded: now}
}

func (c *settingCache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	delete(c.entries, id)
}

// suspect notes that settings have changed since they were last known to be what
// state has.
func (c *settingCache) suspect(last time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	for id, e := range c.entries {
		if e.suspect.IsZero() {
			e.suspect = last
			c.entries[id] = e
		}
	}
}

// BucketSettings returns the settings of the bucket with a creation id, by
// name. The map and its values must not be changed. While state cannot be
// reached, settings that are known are returned for the grace.
func (s *State) BucketSettings(ctx context.Context, bucketID string) (map[string][]byte, error) {
	now := s.now()
	e, ok, changes := s.settings.get(bucketID)
	c := cached[map[string][]byte]{value: e.values, there: ok}
	c.suspect, c.age = s.known(now, e.suspect)
	c.current = !c.suspect && s.validity.current(now, e.loaded)
	values, err := readThrough(ctx, s, c, func(ctx context.Context) (map[string][]byte, error) {
		values, err := s.driver.BucketSettings(ctx, bucketID)
		if err == nil {
			s.settings.put(bucketID, values, now, changes)
		}
		return values, err
	})
	if err != nil {
		return nil, failed("state.BucketSettings", err)
	}
	return values, nil
}

// SetBucketSetting sets a setting of the bucket with a creation id; a nil
// value removes it.
func (s *State) SetBucketSetting(ctx context.Context, bucketID, name string, value []byte) error {
	err := s.driver.SetBucketSetting(ctx, bucketID, name, value)
	s.settings.drop(bucketID)
	if err != nil {
		return failed("state.SetBucketSetting", err)
	}
	return nil
}

// HasBucketSetting reports whether any bucket has a setting of a name. It asks
// the driver, so that a change by another process shows at once.
func (s *State) HasBucketSetting(ctx context.Context, name string) (bool, error) {
	has, err := s.driver.HasBucketSetting(ctx, name)
	if err != nil {
		return false, failed("state.HasBucketSetting", err)
	}
	return has, nil
}

// DeleteBucketSettings removes the settings of a bucket that is no more.
func (s *State) DeleteBucketSettings(ctx context.Context, bucketID string) error {
	err := s.driver.DeleteBucketSettings(ctx, bucketID)
	s.settings.drop(bucketID)
	if err != nil {
		return failed("state.DeleteBucketSettings", err)
	}
	return nil
}
