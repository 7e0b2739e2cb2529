package diskstore

import "fmt"

// recover clears away what a crash may have left: files that no object refers
// to, and garbage that had not been collected. Orphans have ids that were
// given out after the last durable watermark, so only their directories are
// looked through.
func (d *Driver) recover() error {
	if err := d.emptyTmp(); err != nil {
		return err
	}
	var saved sequenceRecord
	_, err := d.get(sequenceKey, func(value []byte) (err error) {
		saved, err = decodeSequence(value)
		return err
	})
	if err != nil {
		return err
	}
	if err := d.removeOrphans(saved.watermark, saved.limit); err != nil {
		return fmt.Errorf("look for orphans: %w", err)
	}
	d.ids = newSequence(saved, func(r sequenceRecord) error { return d.set(sequenceKey, r.encode()) })
	if saved.watermark < saved.limit {
		settled := sequenceRecord{limit: saved.limit, watermark: saved.limit}
		if err := d.set(sequenceKey, settled.encode()); err != nil {
			return err
		}
	}
	return d.garbage.load()
}

// emptyTmp removes uploads that were under way in named files.
func (d *Driver) emptyTmp() error {
	fs := d.opts.fs
	names, err := fs.List(d.path(tmpDir))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := fs.Remove(fs.PathJoin(d.path(tmpDir), name)); err != nil && !notExist(err) {
			return err
		}
	}
	return nil
}

// removeOrphans removes the files with ids from watermark to limit that the
// index does not know.
func (d *Driver) removeOrphans(watermark, limit uint64) error {
	for n := watermark / idsPerDir; n*idsPerDir < limit; n++ {
		ids, err := d.blobs.list(n)
		if err != nil {
			return err
		}
		var orphans []uint64
		for _, id := range ids {
			orphan, err := d.orphan(id)
			if err != nil {
				return err
			}
			if orphan {
				orphans = append(orphans, id)
			}
		}
		if len(orphans) > 0 {
			d.log.Info("removing blob files that a crash has left", "files", len(orphans))
		}
		if err := d.blobs.remove(orphans); err != nil {
			return err
		}
	}
	return nil
}

// orphan reports whether nothing in the index refers to a blob file. Garbage
// is left to the collector.
func (d *Driver) orphan(id uint64) (bool, error) {
	ignore := func([]byte) error { return nil }
	for _, space := range []byte{spaceFile, spaceGarbage} {
		if found, err := d.get(idKey(space, id), ignore); found || err != nil {
			return false, err
		}
	}
	return true, nil
}
