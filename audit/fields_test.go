package audit

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/daypass/daypass"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// when is the time of the examples in S3's documentation.
var when = time.Date(2026, 2, 6, 0, 0, 38, 250e6, time.UTC)

// example is a download with a pass.
func example() *daypass.Event {
	return &daypass.Event{
		Time: when, RequestID: "3E57427F3EXAMPLE", HostID: "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234=",
		Action: daypass.GetObject, Operation: "REST.GET.OBJECT",
		Object:      daypass.ObjectRef{Bucket: "my-bucket", Key: "photos/puppy.jpg"},
		BucketOwner: "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
		Grant: daypass.Grant{
			AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Owner: "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
			Scheme: daypass.SchemeQuery, SignatureVersion: "SigV4",
			SignedAt: when.Add(-38 * time.Second).Truncate(time.Second), ExpiresAt: when.Add(262 * time.Second).Truncate(time.Second),
			PassID: "MFRGGZDFMZTWQ2LKNNWG23TPOB", Name: "for Joe",
		},
		Principal: "arn:aws:iam::111122223333:root",
		Limits:    "x-daypass-name=for%20Joe&x-daypass-uses=3",
		Source:    "192.0.2.3", Peer: "10.0.0.7", Method: "GET",
		URI: "/my-bucket/photos/puppy.jpg?x-user=johndoe&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
			"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260206%2Fus-west-1%2Fs3%2Faws4_request&X-Amz-Date=20260206T000000Z" +
			"&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=REDACTED",
		Protocol: "HTTP/1.1", Host: "my-bucket.s3.us-west-1.amazonaws.com", UserAgent: "curl/8.5.0",
		Status: 200, Sent: 2662992, ObjectSize: 2662992, Total: 70 * time.Millisecond, TurnAround: 10 * time.Millisecond,
		TLSVersion: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256",
	}
}

// refusal is an anonymous request that was refused.
func refusal() *daypass.Event {
	return &daypass.Event{
		Time: when, RequestID: "891CE47D2EXAMPLE", HostID: "9vKBE6vMhrNiWHZmb2L0", Action: daypass.PutObject, Operation: "REST.PUT.OBJECT",
		Object: daypass.ObjectRef{Bucket: "my-bucket", Key: `it's 100% "new" ü.txt`, VersionID: "3HL4kqtJvjVBH40Nrjfkd"}, BucketOwner: "alice",
		Grant: daypass.Grant{Scheme: daypass.SchemeAnonymous}, Source: "2001:db8::1", Peer: "2001:db8::1",
		Method: "PUT", URI: "/my-bucket/it's%20100%25%20%22new%22%20%C3%BC.txt?Signature=" + textSignature, Protocol: "HTTP/2.0", Host: "localhost:9000",
		Referer: "https://app.example/?next=https%3A%2F%2Fh%2Fk%3FX-Amz-Signature%3D" + hexSignature, UserAgent: "\"x\"\n\t\\",
		Status: 403, Code: daypass.AccessDenied, Message: "Access Denied", Reason: "authorize: AccessDenied: no policy allows it",
		Sent: 243, Received: 17, ObjectSize: -1, Total: 1500 * time.Microsecond, ACLRequired: true,
	}
}

// drawEvent returns an event with anything in every field.
func drawEvent(t *rapid.T) *daypass.Event {
	text := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"-", "\"", "a b", "%", "\x00", "\n", "X-Amz-Signature=" + hexSignature}))
	e := new(daypass.Event)
	for i := range textFields {
		*textFields[i].at(e) = text.Draw(t, textFields[i].name)
	}
	for i := range timeFields {
		if rapid.Bool().Draw(t, "set") {
			*timeFields[i].at(e) = time.UnixMicro(rapid.Int64Range(-1e15, 2e17).Draw(t, timeFields[i].name)).UTC()
		}
	}
	for i := range numberFields {
		numberFields[i].set(e, rapid.Int64().Draw(t, numberFields[i].name))
	}
	return e
}

// TestBoundSharesNoMemory bounds an event whose texts are parts of a long one.
func TestBoundSharesNoMemory(t *testing.T) {
	target := "/bucket/key?" + strings.Repeat("a", 60<<10)
	e := daypass.Event{URI: target, Object: daypass.ObjectRef{Bucket: target[1:7], Key: target[8:11]}}
	Bound(&e)
	if e.Object.Bucket != "bucket" || e.Object.Key != "key" || len(e.URI) != longText {
		t.Fatalf("%q, %q, %d bytes", e.Object.Bucket, e.Object.Key, len(e.URI))
	}
	if unsafe.StringData(e.Object.Bucket) == unsafe.StringData(target[1:]) || unsafe.StringData(e.Object.Key) == unsafe.StringData(target[8:]) {
		t.Error("the event still holds the whole target")
	}
}

// TestFieldsAreAll sets every field of an event by reflection and finds each in
// the stored form, so that no new field is forgotten.
func TestFieldsAreAll(t *testing.T) {
	var e daypass.Event
	fill(reflect.ValueOf(&e).Elem())
	var got daypass.Event
	if err := DecodeEvent(string(AppendEvent(nil, &e)), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, got); diff != "" {
		t.Error(diff)
	}
}

func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case time.Time:
			f.Set(reflect.ValueOf(when))
		default:
			switch f.Kind() {
			case reflect.String:
				f.SetString("text of " + v.Type().Field(i).Name)
			case reflect.Struct:
				fill(f)
			case reflect.Bool:
				f.SetBool(true)
			default:
				f.SetInt(int64(1000 + i))
			}
		}
	}
}

func TestFieldTables(t *testing.T) {
	numbers, names := make(map[uint64]bool), make(map[string]bool)
	add := func(number uint64, name string) {
		if numbers[number] || names[name] {
			t.Errorf("%d %q is there twice", number, name)
		}
		numbers[number], names[name] = true, true
	}
	most := 0
	for i, f := range textFields {
		add(f.number, f.name)
		most += f.most + 8
		if f.number != uint64(i+1) {
			t.Errorf("%q is not in its place", f.name)
		}
	}
	for i, f := range timeFields {
		add(f.number, f.name)
		if f.number != timeFields[0].number+uint64(i) {
			t.Errorf("%q is not in its place", f.name)
		}
	}
	for i, f := range numberFields {
		add(f.number, f.name)
		if f.number != numberFields[0].number+uint64(i) {
			t.Errorf("%q is not in its place", f.name)
		}
	}
	if most+16*20 > MaxEncoded {
		t.Errorf("an event may take %d bytes", most)
	}
}

func TestEncodeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, got := drawEvent(t), new(daypass.Event)
		if err := DecodeEvent(string(AppendEvent(nil, e)), got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestDecodeUnknown(t *testing.T) {
	b := AppendEvent(nil, example())
	b = appendNumber(b, 999, math.MinInt64)
	b = append(b, 0xcf, 0x0f, 3, 'n', 'e', 'w') // text 999
	var got daypass.Event
	if err := DecodeEvent(string(b), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), &got); diff != "" {
		t.Error(diff)
	}
	if err := DecodeEvent(string(append([]byte{9}, b[1:]...)), &got); err == nil {
		t.Error("another version was decoded")
	}
}

func FuzzDecodeEvent(f *testing.F) {
	f.Add(AppendEvent(nil, example()))
	f.Add(AppendEvent(nil, refusal()))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, again daypass.Event
		if DecodeEvent(string(b), &e) != nil {
			return
		}
		if err := DecodeEvent(string(AppendEvent(nil, &e)), &again); err != nil || e != again {
			t.Errorf("%v: %s", err, cmp.Diff(e, again))
		}
	})
}

// TestStoredForm compares the stored form of events with that of the first version:
// what servers have on their disks is read after an update.
func TestStoredForm(t *testing.T) {
	r := refusal()
	r.UserAgent = strings.Repeat("long", 100) // whose length takes two bytes
	Clean(r)
	var out []byte
	for _, e := range []*daypass.Event{example(), r, {Time: when.Add(time.Microsecond), Total: -1, DeleteMarker: true, Sequencer: "0055AED6DCD90281"}} {
		out = append(hex.AppendEncode(out, AppendEvent(nil, e)), '\n')
	}
	golden(t, "stored.hex", out)
}

// FuzzAppendClean cleans what looks like a stored event: what comes out is one
// where what came in was one, and holds nothing that Redact replaces.
func FuzzAppendClean(f *testing.F) {
	f.Add(AppendEvent(nil, example()))
	f.Add(AppendEvent(nil, refusal()))
	f.Add([]byte("\x01\x2b\x0bsignature=x\x2b\x7f"))
	f.Add([]byte("\x01\xcf\x0f\x0csignature=xy\x83\x00\x0bsignature=x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		stored := string(b)
		var e, clean daypass.Event
		if (DecodeEvent(stored, &e) == nil) != IsEvent(stored) {
			t.Fatal("it is an event, or not")
		}
		out := string(AppendClean(nil, stored))
		if again := string(AppendClean(nil, out)); again != out {
			t.Fatalf("cleaned twice: %q, once: %q", again, out)
		}
		if !IsEvent(stored) {
			return
		}
		if err := DecodeEvent(out, &clean); err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		for i, text := range textsOf(&e) {
			got := *textsOf(&clean)[i]
			if want := Redact(*text); len(want) <= textFields[i].most && got != want {
				t.Errorf("%s: %q, want %q", textFields[i].name, got, want)
			}
		}
	})
}

func TestClean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		huge := &textFields[rapid.IntRange(0, len(textFields)-1).Draw(t, "huge")]
		*huge.at(e) = rapid.StringMatching(`.*`).Draw(t, "start") + strings.Repeat("%25Signature=\n", 1<<16) + hexSignature
		stored := string(AppendEvent(nil, e)) // not yet cleaned
		Clean(e)
		b := AppendEvent(nil, e)
		if late := AppendClean([]byte("x"), stored); string(late) != "x"+string(b) {
			t.Fatalf("cleaned when it was stored: %q, before: %q", late, b)
		}
		if again := AppendClean(nil, string(b)); string(again) != string(b) {
			t.Fatalf("cleaned twice: %q, once: %q", again, b)
		}
		if len(b) > MaxEncoded {
			t.Fatalf("%d bytes", len(b))
		}
		if strings.Contains(string(b), hexSignature) {
			t.Fatal("a signature is left")
		}
		again := *e
		Clean(&again)
		if diff := cmp.Diff(*e, again); diff != "" {
			t.Fatalf("cleaned twice: %s", diff)
		}
		if n := Bound(&again); n > len(b) || again != *e {
			t.Fatalf("bounded: %d bytes of %d", n, len(b))
		}
	})
}

// TestCleanNoEvent cleans what is cut off: nothing comes through unseen.
func TestCleanNoEvent(t *testing.T) {
	e := example()
	e.URI, e.UserAgent = "/k?X-Amz-Signature="+hexSignature, "Signature="+hexSignature
	stored := string(AppendEvent(nil, e))
	for n := range len(stored) {
		got := AppendClean(nil, stored[:n])
		if strings.Contains(string(got), hexSignature[:8]) {
			t.Fatalf("%d bytes: %q", n, got)
		}
		if n > 0 && !IsEvent(string(got)) {
			t.Fatalf("%d bytes: %q is no event", n, got)
		}
	}
}

func TestBound(t *testing.T) {
	e := example()
	want := 0
	for i := range textFields {
		want += len(*textFields[i].at(e))
	}
	if got := Bound(e); got != want || *e != *example() {
		t.Errorf("%d bytes, want %d", got, want)
	}
	e.UserAgent = strings.Repeat("x", 1<<20)
	Bound(e)
	if len(e.UserAgent) != longText || !strings.HasSuffix(e.UserAgent, "x"+cut) {
		t.Errorf("%d bytes", len(e.UserAgent))
	}
	if n := testing.AllocsPerRun(100, func() { Bound(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestJSON(t *testing.T) {
	r := refusal()
	Clean(r)
	r.Object.Key += "\xff\U0001F600\u2028"
	out := AppendJSON(append(AppendJSON(nil, example()), 10), r)
	golden(t, "events.json", append(out, '\n'))
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		b := AppendJSON(nil, e)
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		for _, c := range b {
			if c < ' ' || c > '~' {
				t.Fatalf("%q holds %q", b, c)
			}
		}
		if got, _ := m["key"].(string); got != strings.ToValidUTF8(perRune(e.Object.Key), "") {
			t.Fatalf("key %q, want %q", got, e.Object.Key)
		}
	})
}

// perRune replaces each byte that is not UTF-8.
func perRune(s string) string { return string([]rune(s)) }

// TestPlainRun looks at every byte in every place of eight.
func TestPlainRun(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			b := []byte("abcdefghijklmnopqrst")
			b[at] = byte(c)
			want := len(b)
			if !quotedByte[c] {
				want = at
			}
			if got := plainRun(string(b)); got != want {
				t.Errorf("%q: %d, want %d", b, got, want)
			}
		}
	}
}

// TestTimes compares times with those of the standard library.
func TestTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-1<<31, 1<<35).Draw(t, "seconds"), 0).In(time.FixedZone("", 3600))
		if got, want := string(AppendTime(nil, at)), at.UTC().Format("2006-01-02T15:04:05Z"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got, want := string(appendLogTime(nil, at)), at.UTC().Format(logTime); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
