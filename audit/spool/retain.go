package spool

import (
	"os"
	"path/filepath"
	"time"
)

// A storedSegment is a segment as the disk has it.
type storedSegment struct {
	name  segmentName
	end   Position
	bytes int64
	wrote time.Time // the last time
}

func (s *Spool) storedSegments() ([]storedSegment, error) {
	names, err := listSegments(s.opts.Dir)
	if err != nil {
		return nil, err
	}
	var out []storedSegment
	for i, n := range names {
		st, err := os.Stat(filepath.Join(s.opts.Dir, n.String()))
		if err != nil {
			return nil, err
		}
		seg := storedSegment{name: n, end: s.log.end, bytes: st.Size(), wrote: st.ModTime()}
		if i+1 < len(names) {
			seg.end = names[i+1].start
		}
		out = append(out, seg)
	}
	return out, nil
}

// retain removes segments that are not to be kept any more. In need, when the
// disk takes nothing, all go that every consumer has.
func (s *Spool) retain(need bool) {
	segments, err := s.storedSegments()
	if err != nil {
		s.opts.Logger.Error("audit events cannot be listed", "err", err)
		return
	}
	var total int64
	for _, seg := range segments {
		total += seg.bytes
	}
	done := s.consumed()
	for i, seg := range segments {
		if i == len(segments)-1 {
			return // it is being written, or says where the spool ends
		}
		old := total > s.opts.RetainBytes || s.opts.Now().Sub(seg.wrote) > s.opts.RetainAge
		has := seg.end <= done
		if !(has && (old || need)) && total <= s.opts.MaxBytes {
			return
		}
		if err := os.Remove(filepath.Join(s.opts.Dir, seg.name.String())); err != nil {
			s.opts.Logger.Error("audit events cannot be removed", "err", err)
			return
		}
		total -= seg.bytes
		if !has {
			s.opts.Logger.Error("audit events were removed before every sink had them", "bytes", seg.bytes, "segment", seg.name.String())
		}
	}
}

// consumed returns up to where every consumer is.
func (s *Spool) consumed() Position {
	done := s.log.end
	for _, c := range s.consumers {
		done = min(done, c.position())
	}
	return done
}
