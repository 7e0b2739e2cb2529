package notify

import (
	"fmt"
	"testing"

	"github.com/daypass/daypass"
)

// BenchmarkPlan goes through events of which few lead to messages, as a busy
// server has them. One operation is one event.
func BenchmarkPlan(b *testing.B) {
	var events []daypass.Event
	for i := range 1000 {
		e := passUse(fmt.Sprint("pass ", i%50))
		if i%100 == 0 {
			e = created()
		}
		events = append(events, e)
	}
	batch := batchOf(b, events...)
	for what, endpoint := range map[string]*Endpoint{
		"objects": {Name: "hook", Kinds: []Kind{ObjectCreated}},
		"buckets": {Name: "hook", OpenTo: []string{"*"}},
		"passes":  {Name: "hook", Kinds: []Kind{PassFirstUse, PassRefused}},
	} {
		b.Run(what, func(b *testing.B) {
			p := planner{endpoint: endpoint, marks: newMarks(), buckets: fixedBuckets{}}
			b.ReportAllocs()
			for n := 0; n < b.N; n += len(events) {
				if _, err := p.plan(b.Context(), batch, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
