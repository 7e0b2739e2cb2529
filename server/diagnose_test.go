package server

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
)

// steady is a source of randomness that gives every request the same ids.
type steady struct{}

func (steady) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// diagnosedEnv is a server behind a public URL, whose answers differ by
// nothing but what they say.
func diagnosedEnv(t testing.TB) *env {
	return newEnv(t, func(c *Config) {
		c.Rand = steady{}
		c.BaseURLs = []string{"https://files.example.com/s3"}
	})
}

// bytes returns the answer as it comes over the wire, with its date masked.
func (e *env) bytes(q request) string {
	e.t.Helper()
	q.header = q.header.Clone()
	q.header.Set("Connection", "close")
	return datePattern.ReplaceAllString(e.raw(q), "Date:")
}

var datePattern = regexp.MustCompile("Date: [^\r]*")

// TestDiagnosis makes the usual mistakes on the way to a real server and looks
// for them in its log. The client is told the same, byte for byte, by a server
// that looks for no mistake.
func TestDiagnosis(t *testing.T) {
	mute := diagnosedEnv(t)
	s := mute.http.Config.Handler.(*Server)
	for name, c := range map[string]struct {
		want string
		make func(e *env) request
	}{
		"method": {"for the method PUT, not \\\"GET\\\"", func(e *env) request {
			q := e.query("PUT", "k")
			q.method = "GET"
			return q
		}},
		"head": {"for the method GET", func(e *env) request {
			q := e.query("GET", "k")
			q.method = "HEAD"
			return q
		}},
		"body": {"without \\\"fbclid\\\"", func(e *env) request {
			q := e.query("PUT", "k")
			q.target += "&fbclid=abc"
			q.body = strings.Repeat("x", 1000)
			return q
		}},
		"untrusted proxy": {"forwarding headers of 127.0.0.1:", func(e *env) request {
			q := e.presignFor("https://cdn.example.com", testKey, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "k"})
			q.host = e.addr
			q.header.Set("X-Forwarded-Host", "cdn.example.com")
			return q
		}},
		"public URL, encoded twice": {"encoded twice when it was sent", func(e *env) request {
			q := e.presignFor("https://files.example.com/s3", testKey, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "a b"})
			q.host = "10.0.0.1:9000"
			q.target = strings.Replace(q.target, "/s3/photos/a%20b", "/photos/a%2520b", 1)
			return q
		}},
		"header": {"without a value of \\\"content-type\\\"", func(e *env) request {
			q := e.signed(request{method: "PUT", target: "/photos/k", header: http.Header{"Content-Type": {""}}})
			q.header.Set("Content-Type", "text/x")
			return q
		}},
		"Version 2": {"became spaces", func(e *env) request {
			key := sign.PresignOptions{Version: sign.V2}
			for i := range 1000 {
				q := e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Key: "k", Lifetime: time.Duration(1000+i) * time.Second}, key)
				if spaced := strings.ReplaceAll(q.target, "%2B", "+"); spaced != q.target {
					q.target = spaced
					return q
				}
			}
			panic("no signature has a plus")
		}},
		"none": {"", func(e *env) request {
			q := e.query("GET", "k")
			q.target = strings.Replace(q.target, "X-Amz-Expires=900", "X-Amz-Expires=901", 1)
			return q
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e := diagnosedEnv(t)
			q := c.make(e)
			answer := e.bytes(q)
			if q.method != "HEAD" && !strings.Contains(answer, "<Code>SignatureDoesNotMatch</Code>") {
				t.Fatalf("answered %q", answer)
			}
			e.http.Close() // waits for the log
			log := e.log.String()
			if !strings.Contains(log, c.want) || c.want == "" && !strings.Contains(log, `signing method."`) {
				t.Errorf("logged %q, want %q", log, c.want)
			}
			s.diagnoses.mu.Lock()
			s.diagnoses.second, s.diagnoses.spent = time.Now().Unix(), maxDiagnosesTime
			s.diagnoses.mu.Unlock()
			if told := mute.bytes(q); told != answer {
				t.Errorf("answered\n%q, without a diagnosis\n%q", answer, told)
			}
		})
	}
}

// TestDiagnosisGate checks the bounds of all diagnoses together.
func TestDiagnosisGate(t *testing.T) {
	var g gate
	count := func(now time.Time) (n int) {
		for g.enter(now) {
			n++
		}
		return n
	}
	if n := count(testTime); n != maxDiagnoses {
		t.Errorf("%d diagnoses in a second", n)
	}
	later := testTime.Add(time.Second)
	if !g.enter(later) {
		t.Error("none in the next second")
	}
	g.leave(later, later.Add(maxDiagnosesTime))
	if g.enter(later) {
		t.Error("one more when the time is used up")
	}
	if !g.enter(later.Add(time.Second)) {
		t.Error("none in the second after that")
	}
}

// TestDiagnosisOthers checks that other refusals are left alone, and that a
// reason that is known already stays.
func TestDiagnosisOthers(t *testing.T) {
	e := diagnosedEnv(t)
	for _, q := range []request{
		{method: "GET", host: e.addr, target: "/photos/none", header: http.Header{}},
		e.signed(request{method: "GET", target: "/photos/none"}),
	} {
		e.send(q)
	}
	e.http.Close()
	if log := e.log.String(); strings.Contains(log, "the signature is for") || strings.Contains(log, "panic") {
		t.Errorf("logged %s", log)
	}
}

// BenchmarkRefusedSignature is one request with a signature that does not
// match: diagnosed, and beyond what is diagnosed in a second.
func BenchmarkRefusedSignature(b *testing.B) {
	e := newEnv(b)
	q := e.query("PUT", "key")
	for _, c := range []struct {
		name  string
		spent time.Duration
	}{{"diagnosed", 0}, {"flood", maxDiagnosesTime}} {
		s, err := New(testConfig(e.store))
		if err != nil {
			b.Fatal(err)
		}
		r, err := http.NewRequest("GET", "http://"+q.host+q.target, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.diagnoses = gate{second: time.Now().Unix(), spent: c.spent}
				s.ServeHTTP(&nowhere{header: make(http.Header, 16)}, r)
			}
		})
	}
}

// reasons is an EventSink that keeps the reasons.
type reasons chan string

func (r reasons) Append(e *daypass.Event) { r <- e.Reason }

// TestDiagnosisEvent checks that the event of a request tells the mistake.
func TestDiagnosisEvent(t *testing.T) {
	sink := make(reasons, 1)
	e := newEnv(t, func(c *Config) { c.Events = sink })
	q := e.query("PUT", "k")
	q.method = "GET"
	e.send(q)
	if got := <-sink; !strings.HasSuffix(got, `: the signature is for the method PUT, not "GET"`) {
		t.Errorf("reason %q", got)
	}
}

// TestDiagnosisWords checks that a mistake is told in one line without the
// signature, whatever the names in it.
func TestDiagnosisWords(t *testing.T) {
	e := diagnosedEnv(t)
	q := e.query("GET", "k")
	_, signature, _ := strings.Cut(q.target, "X-Amz-Signature=")
	q.target += "&" + strings.Repeat("%0A%22x", 100) + "=1"
	e.bytes(q)
	e.http.Close()
	log := e.log.String()
	if !strings.Contains(log, "which was added later") || strings.Contains(log, signature) || strings.Count(log, "\n") != 1 {
		t.Errorf("logged %q", log)
	}
}
