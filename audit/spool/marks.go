package spool

import "time"

// Marks remember when what was written, to the second, of the last minutes.
type marks struct{ list []mark }

type mark struct {
	end Position // everything before it was written by then
	at  time.Time
}

// mostMarks and markEvery bound what is remembered.
const (
	mostMarks = 600
	markEvery = time.Second
)

// add notes that everything before a position was written at a time.
func (m *marks) add(end Position, at time.Time) {
	if n := len(m.list); n > 1 && at.Sub(m.list[n-2].at) < markEvery {
		m.list[n-1] = mark{end, at} // it is the last of its second
		return
	}
	if len(m.list) >= mostMarks {
		m.list = append(m.list[:0], m.list[mostMarks/2:]...)
	}
	m.list = append(m.list, mark{end, at})
}

// since returns how long ago what is at a position was written: rather less,
// by a second or by what is no longer remembered; zero for what was not.
func (m *marks) since(p Position) time.Duration {
	for _, k := range m.list {
		if k.end > p {
			return time.Since(k.at)
		}
	}
	return 0
}
