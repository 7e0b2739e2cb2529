package server

import (
	"strconv"
	"strings"
	"sync"

	"github.com/daypass/daypass"
)

const (
	// maxCountedTree is how many objects an archive may have whose pass has a
	// number of uses.
	maxCountedTree = 10_000
	// drawers is how many of them are drawn at once, so that state can write
	// many draws together.
	drawers = 64
)

// drawAll draws every object of a counted archive before its first byte, so
// that the archive is sent whole or not at all: one that broke off in the
// middle would have used up what is in it for nothing.
func (z *zipStream) drawAll(keys *keyList) error {
	if !z.call.counted() {
		return nil
	}
	var objects []string
	for key := range keys.all() {
		if strings.HasSuffix(key, "/") {
			continue
		}
		if len(objects) == maxCountedTree {
			return invalidRequest("An archive of a pass with a number of uses has at most " + strconv.Itoa(maxCountedTree) + " objects.")
		}
		objects = append(objects, key)
	}
	z.draws = make(map[string]*drawing, len(objects))
	next := make(chan string)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range min(drawers, len(objects)) {
		wg.Go(func() {
			for key := range next {
				d, err := z.drawOne(key)
				mu.Lock()
				if d != nil {
					z.draws[key] = d
				}
				if failed == nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	for _, key := range objects {
		mu.Lock()
		stop := failed != nil
		mu.Unlock()
		if stop {
			break
		}
		next <- key
	}
	close(next)
	wg.Wait()
	return failed
}

func (z *zipStream) drawOne(key string) (*drawing, error) {
	obj, err := z.server.store.Object(z.call.r.Context(), z.ref(key))
	if err != nil {
		return nil, err
	}
	return z.server.draw(z.call, obj, obj.Size, false)
}

// drawn returns what was drawn for an object, which must still be the one.
func (z *zipStream) drawn(m *member, key string) error {
	if z.draws == nil {
		return nil
	}
	m.draw = z.draws[key]
	delete(z.draws, key)
	if m.draw == nil || m.draw.budget.ETag != m.obj.ETag || m.draw.budget.Size != m.obj.Size {
		return &daypass.Error{Op: "server.zip", Code: daypass.ServiceUnavailable, Message: "An object changed while the archive was made."}
	}
	return nil
}

// giveBack settles what was drawn for objects that were not begun.
func (z *zipStream) giveBack() {
	var wg sync.WaitGroup
	slots := make(chan struct{}, drawers)
	for _, d := range z.draws {
		slots <- struct{}{}
		wg.Go(func() {
			z.server.settle(z.call, d, 0, false)
			<-slots
		})
	}
	wg.Wait()
	z.draws = nil
}
