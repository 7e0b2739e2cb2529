package notify

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
)

// marks are Marks in memory.
type marks struct {
	mu    sync.Mutex
	all   map[string]string
	asked int
	err   error
	spent func(e *daypass.Event) bool // nil: never
}

func (m *marks) PassSpent(_ context.Context, e *daypass.Event) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.spent != nil && m.spent(e), m.err
}

func newMarks() *marks { return &marks{all: map[string]string{}} }

func (m *marks) MarkPass(_ context.Context, pass, kind, claim string, _ time.Time) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	if m.err != nil {
		return "", m.err
	}
	if have, ok := m.all[pass+kind]; ok {
		return have, nil
	}
	m.all[pass+kind] = claim
	return claim, nil
}

func passPlanner(m Marks) *planner {
	return &planner{endpoint: &Endpoint{Name: "hook", Kinds: []Kind{PassFirstUse, PassExhausted, PassRefused, PassRevoked}}, marks: m}
}

// types lists what is sent, as "type pass".
func types(p *plan) (list []string) {
	for _, m := range p.messages {
		kind, _, _ := strings.Cut(strings.TrimPrefix(string(m.Body), `{"type":"`), `"`)
		list = append(list, kind+" "+strings.TrimPrefix(m.About, "pass "))
	}
	return list
}

func TestFirstUse(t *testing.T) {
	m := newMarks()
	head, pin, part := passUse("HEAD"), passUse("PIN"), passUse("PART")
	head.Action, pin.Action, part.Method = daypass.HeadObject, "EnterPIN", ""
	anonymous := passUse("")
	b := batchOf(t, passUse("A"), passUse("B"), passUse("A"), head, pin, part, anonymous)
	want := []string{"pass.first_use A", "pass.first_use B"}
	var ids []string
	for range 3 { // each time as after a crash
		out, err := passPlanner(m).plan(t.Context(), b, nil)
		if diff := cmp.Diff(want, types(out)); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		ids = append(ids, out.messages[0].ID)
	}
	if ids[0] != ids[1] || ids[0] != ids[2] || !strings.HasPrefix(ids[0], "msg_") {
		t.Error(ids)
	}
	p := passPlanner(m)
	for i := range 3 {
		b := batchOf(t, passUse("A"), passUse("B"), passUse("A"))
		out, err := p.plan(t.Context(), b, nil)
		b.Release() // nothing of it was kept
		if err != nil || len(out.messages) > 0 {
			t.Errorf("later: %v, %v", types(out), err)
		}
		if i == 0 {
			m.asked = 0
		}
	}
	if m.asked > 0 {
		t.Errorf("asked %d times for what is known", m.asked)
	}
	m.err = errors.New("state is away")
	if _, err := p.plan(t.Context(), batchOf(t, passUse("C")), nil); !errors.Is(err, m.err) {
		t.Error(err)
	}
	m.err = nil
	if out, err := p.plan(t.Context(), batchOf(t, passUse("C")), nil); err != nil || len(out.messages) != 1 {
		t.Errorf("state is back: %v", err)
	}
}

// TestKnownIsSmall has many passes used by requests that say much: what is
// remembered of them holds none of that.
func TestKnownIsSmall(t *testing.T) {
	const passes = 400
	events := make([]daypass.Event, passes)
	long := strings.Repeat("u", 7<<10)
	for i := range events {
		events[i] = passUse(fmt.Sprint("PASS", i))
		events[i].UserAgent, events[i].Referer, events[i].URI = long, long, "/"+long
	}
	p, m := passPlanner(nil), newMarks()
	p.marks = m
	before := heap()
	for i := 0; i < passes; i += 40 { // less than a batch
		if out, err := p.plan(t.Context(), batchOf(t, events[i:i+40]...), nil); err != nil || len(out.messages) != 40 {
			t.Fatalf("%d messages: %v", len(out.messages), err)
		}
	}
	m.all = nil
	if grown := heap() - before; len(p.known) != passes || grown > passes*2<<10 {
		t.Errorf("%d passes hold %d bytes", len(p.known), grown)
	}
}

// heap returns how many bytes are held.
func heap() int64 {
	var s runtime.MemStats
	for range 3 { // pools let go of what they have
		runtime.GC()
	}
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// TestEndsBeyondDates has a pass that ends after the last year that a date can be
// written of, as a form's policy with a time zone can: it holds up no message.
func TestEndsBeyondDates(t *testing.T) {
	e := passUse("A")
	e.Grant.ExpiresAt = time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -23*3600)).UTC()
	out, err := passPlanner(newMarks()).plan(t.Context(), batchOf(t, e), nil)
	if err != nil || len(out.messages) != 1 || !strings.Contains(string(out.messages[0].Body), `"expiresAt":"9999-12-31T23:59:59Z"`) {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestRefusals(t *testing.T) {
	m, p := newMarks(), (*planner)(nil)
	var counts []counted
	var got []string
	for n := 1; n <= 3*refusalsTold; n++ {
		p = passPlanner(m)
		b := batchOf(t, refused("A"))
		out, err := p.plan(t.Context(), b, counts)
		if err != nil {
			t.Fatal(err)
		}
		again, err := p.plan(t.Context(), b, counts)
		if diff := cmp.Diff(out.messages, again.messages); err != nil || diff != "" {
			t.Errorf("%v (-first +again):\n%s", err, diff)
		}
		b.Release() // nothing of it was kept
		for _, what := range types(out) {
			got = append(got, fmt.Sprint(n, " ", what))
		}
		counts = out.refused
	}
	if diff := cmp.Diff([]string{"1 pass.exhausted A", "10 pass.refused A"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestExhausted tells at the last use where state knows that it was, and at the
// first refusal otherwise, once.
func TestExhausted(t *testing.T) {
	use := func(n int64) daypass.Event {
		e := passUse("A")
		e.Sent = n
		return e
	}
	for _, c := range []struct {
		what    string
		batches [][]daypass.Event
		spent   int64 // at which use
		want    string
	}{
		{"last use", [][]daypass.Event{{use(1)}, {use(2)}, {use(3), refused("A")}, {refused("A")}}, 2, "1 0"},
		{"last use of a batch", [][]daypass.Event{{use(1), use(2)}, {refused("A")}}, 2, "0 1"},
		{"refusal in the same batch", [][]daypass.Event{{use(1), use(2), refused("A"), refused("A")}, {refused("A")}}, 2, "0 2"},
		{"refusal", [][]daypass.Event{{use(1)}, {use(2)}, {refused("A")}, {refused("A")}}, 9, "2 0"},
		{"never", [][]daypass.Event{{use(1)}, {use(2)}}, 9, ""},
	} {
		m := newMarks()
		m.spent = func(e *daypass.Event) bool { return e.Sent >= c.spent }
		p := &planner{endpoint: &Endpoint{Name: "hook", Kinds: []Kind{PassExhausted}}, marks: m}
		got := ""
		for i, events := range c.batches {
			b := batchOf(t, events...)
			out, err := p.plan(t.Context(), b, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, message := range out.messages {
				for j := range events {
					if message.ID == "msg_"+b.EventID(j, string(PassExhausted)) {
						got += fmt.Sprint(i, " ", j)
					}
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: told at %q, want %q", c.what, got, c.want)
		}
	}
}

// TestRefusalsAreBounded refuses far more passes than are remembered.
func TestRefusalsAreBounded(t *testing.T) {
	var counts []counted
	n := 0
	for i := range 5 * maxCounted {
		counts, _ = count(counts, fmt.Sprint(i))
		if counts, n = count(counts, "often"); i == refusalsTold-1 && n != refusalsTold {
			t.Errorf("refused %d times: counted %d", i+1, n)
		}
	}
	if len(counts) > maxCounted || counts[0].Pass == "0" {
		t.Errorf("%d are counted, %v first", len(counts), counts[0])
	}
	p := passPlanner(newMarks())
	for range 3 {
		var events []daypass.Event
		for i := range maxMarks / 2 {
			events = append(events, passUse(fmt.Sprint(len(p.known), " ", i)))
		}
		if err := p.decide(t.Context(), batchOf(t, events...), candidatesOf(events)); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.known) > 2*maxMarks {
		t.Errorf("%d marks are remembered", len(p.known))
	}
}

func candidatesOf(events []daypass.Event) (list []candidate) {
	for i := range events {
		list = append(list, candidate{event: i, kind: PassFirstUse, claim: fmt.Sprint(i)})
	}
	return list
}

func TestFilter(t *testing.T) {
	at := func(e daypass.Event, bucket, key string) daypass.Event {
		e.Object = daypass.ObjectRef{Bucket: bucket, Key: key}
		return e
	}
	failed := revoked()
	failed.Status, failed.Code = 403, daypass.AccessDenied
	p := planner{endpoint: &Endpoint{Name: "hook", Kinds: Kinds(), Bucket: "photos", Prefix: "in/"}, marks: newMarks()}
	out, err := p.plan(t.Context(), batchOf(t, at(created(), "photos", "in/a"), at(created(), "photos", "a"), at(created(), "docs", "in/a"),
		at(passUse("A"), "photos", "out/a"), at(passUse("B"), "photos", "in/"), at(revoked(), "docs", ""), at(revoked(), "photos", ""), revoked(), failed), nil)
	want := []string{"{\"Records\":[{\"eventVersion\":\"2.1\" photos/in/a"}
	var about []string
	for _, m := range out.messages {
		about = append(about, m.About)
	}
	subject := revoked().Subject
	if diff := cmp.Diff([]string{"photos/in/a", "pass B", subject, subject}, about); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	_ = want
}

// TestNotOpen has a bucket name endpoints that are not open to it.
func TestNotOpen(t *testing.T) {
	e := created()
	b := batchOf(t, e, configured())
	for open, n := range map[string]int{"": 0, "docs": 0, "photos": 1, "*": 1} {
		p := planner{endpoint: &Endpoint{Name: "hook", OpenTo: strings.Fields(open)}, region: "r", marks: newMarks(),
			buckets: fixedBuckets{"photos": {{ID: "i", Kind: "Queue", ARN: "arn:aws:sqs:r:1:hook", Events: []string{"s3:ObjectCreated:*"}},
				{ID: "j", Kind: "Queue", ARN: "arn:aws:sqs:r:1:hook", Events: []string{"s3:ObjectRemoved:*"}}}}}
		out, err := p.plan(t.Context(), b, nil)
		if err != nil || len(out.messages) != 2*n {
			t.Errorf("open to %q: %d messages, %v", open, len(out.messages), err)
		}
	}
}

// TestOwner has events of a bucket that was another account's before.
func TestOwner(t *testing.T) {
	before, now := created(), created()
	before.BucketOwner = "bob"
	p := planner{endpoint: &Endpoint{Name: "hook", OpenTo: []string{"*"}}, region: "r", marks: newMarks(),
		buckets: fixedBuckets{"photos": {{ID: "i", Kind: "Queue", ARN: "arn:aws:sqs:r:1:hook", Events: []string{"s3:ObjectCreated:*"}}}}}
	for _, events := range [][]daypass.Event{{before, now}, {now, before}} {
		if out, err := p.plan(t.Context(), batchOf(t, events...), nil); err != nil || len(out.messages) != 1 {
			t.Errorf("%d messages, %v", len(out.messages), err)
		}
	}
}

func TestEndpointCheck(t *testing.T) {
	good := func() Endpoint {
		return Endpoint{Name: "a-B_9", URL: mustURL(t, "https://h/x?y"), Secrets: []Secret{mustSecret(t, vectorSecret)}, Kinds: []Kind{PassRevoked}}
	}
	if e := good(); e.Check() != nil {
		t.Error(e.Check())
	}
	for what, change := range map[string]func(*Endpoint){
		"name":   func(e *Endpoint) { e.Name = "" },
		"long":   func(e *Endpoint) { e.Name = strings.Repeat("n", 65) },
		"colon":  func(e *Endpoint) { e.Name = "a:b" },
		"url":    func(e *Endpoint) { e.URL = nil },
		"scheme": func(e *Endpoint) { e.URL = mustURL(t, "ftp://h/") },
		"host":   func(e *Endpoint) { e.URL = mustURL(t, "https:///x") },
		"opaque": func(e *Endpoint) { e.URL = mustURL(t, "https:h") },
		"#":      func(e *Endpoint) { e.URL = mustURL(t, "https://h/#x") },
		"secret": func(e *Endpoint) { e.Secrets = nil },
		"events": func(e *Endpoint) { e.Kinds = nil },
		"kind":   func(e *Endpoint) { e.Kinds = []Kind{"object-eaten"} },
		"prefix": func(e *Endpoint) { e.Prefix = "x" },
	} {
		e := good()
		change(&e)
		if e.Check() == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	all := Endpoints{{Name: "a", OpenTo: []string{"photos"}}, {Name: "b", OpenTo: []string{"*"}}, {Name: "c"}}
	for question, want := range map[string]bool{"a photos": true, "a docs": false, "b docs": true, "c photos": false, "d photos": false} {
		name, bucket, _ := strings.Cut(question, " ")
		if all.OpenTo(name, bucket) != want {
			t.Error(question)
		}
	}
}
