package state

import "sync"

// promises are how much the responses of this node that were admitted as a
// whole will have drawn in the end. What of that is not drawn yet is kept for
// them, so that of several downloads each is complete or refused; after a
// crash, only what was drawn is gone. Other nodes know nothing of it: there, a
// response may have to break off.
type promises struct {
	mu sync.Mutex
	of map[string]map[Token]int64 // by id of the entry
}

func (p *promises) make(id string, t Token, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = make(map[string]map[Token]int64)
	}
	if p.of[id] == nil {
		p.of[id] = make(map[Token]int64)
	}
	p.of[id][t] = total
}

func (p *promises) drop(id string, t Token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.of[id], t)
	if len(p.of[id]) == 0 {
		delete(p.of, id)
	}
}

// others returns how many bytes responses other than that of a token will
// still draw; none where the token was promised its own.
func (p *promises) others(id string, t Token, l *ledger) (bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.of[id]
	if _, own := of[t]; own {
		return 0
	}
	for other, total := range of {
		if i := l.find(other); i >= 0 {
			bytes += max(total-l.draws[i].bytes, 0)
		}
	}
	return bytes
}
