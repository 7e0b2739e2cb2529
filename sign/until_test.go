package sign

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// verifyAt verifies a URL as if it came in at a time.
func verifyAt(t *testing.T, o Options, rawURL string, now time.Time) (*Result, error) {
	t.Helper()
	o.Region = "us-east-1"
	return NewVerifier(keysOf(docKey), o).Verify(wire(t, "GET", rawURL), now)
}

func untilURL(t *testing.T, v Version, lifetime time.Duration, params ...string) string {
	t.Helper()
	p := newPresigner(t, docKey, "https://s3.example.com", PresignOptions{Version: v})
	r := URLRequest{Method: "GET", Bucket: "b", Key: "k", Time: testNow, Lifetime: lifetime}
	for i := 0; i < len(params); i += 2 {
		r.Query = append(r.Query, Param{Name: params[i], Value: params[i+1]})
	}
	u, err := p.Presign(r)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func stamp(d time.Duration) string { return testNow.Add(d).Format(longLayout) }

// TestUntil lets x-daypass-until end a URL earlier and later than X-Amz-Expires
// does, within what the verifier allows.
func TestUntil(t *testing.T) {
	const day, week, year = 24 * time.Hour, 7 * 24 * time.Hour, 365 * 24 * time.Hour
	for _, c := range []struct {
		name     string
		opts     Options
		lifetime time.Duration
		until    time.Duration // zero: none
		at       time.Duration
		want     Code
	}{
		{"off", Options{}, time.Hour, day, 2 * time.Hour, CodeAccessDenied},
		{"longer", Options{Until: true}, time.Hour, day, 2 * time.Hour, ""},
		{"longer, last", Options{Until: true}, time.Hour, day, day - time.Second, ""},
		{"longer, over", Options{Until: true}, time.Hour, day, day, CodeAccessDenied},
		{"shorter", Options{Until: true}, day, time.Hour, time.Hour - time.Second, ""},
		{"shorter, over", Options{Until: true}, day, time.Hour, time.Hour, CodeAccessDenied},
		{"before the signing", Options{Until: true}, day, -time.Hour, 0, CodeAccessDenied},
		{"a week", Options{Until: true}, time.Hour, week, week - time.Second, ""},
		{"more than a week", Options{Until: true}, time.Hour, week + time.Second, 0, CodeInvalidArgument},
		{"a year", Options{Until: true, MaxLifetime: year}, time.Hour, year, year - time.Second, ""},
		{"more than a year", Options{Until: true, MaxLifetime: year}, time.Hour, year + time.Second, 0, CodeInvalidArgument},
		{"more than a short bound", Options{Until: true, MaxLifetime: time.Hour}, time.Minute, 2 * time.Hour, 0, CodeInvalidArgument},
		{"bound of X-Amz-Expires", Options{MaxLifetime: time.Hour}, day, 0, time.Hour - time.Second, ""},
		{"bound of X-Amz-Expires, over", Options{MaxLifetime: time.Hour}, day, 0, time.Hour, CodeAccessDenied},
		{"no bound beyond S3's", Options{MaxLifetime: year}, time.Hour, 0, time.Hour, CodeAccessDenied},
	} {
		for _, v := range []Version{V4, V4A} {
			var params []string
			if c.until != 0 {
				params = []string{paramUntil, stamp(c.until)}
			}
			result, err := verifyAt(t, c.opts, untilURL(t, v, c.lifetime, params...), testNow.Add(c.at))
			if got := codeOf(err); got != c.want || err != nil && got == "" {
				t.Errorf("%s, %s: %v, want %q", c.name, v, err, c.want)
			}
			if c.want != "" || !c.opts.Until || c.until == 0 {
				continue
			}
			if want := testNow.Add(c.until); !result.ExpiresAt.Equal(want) {
				t.Errorf("%s, %s: ends at %v, want %v", c.name, v, result.ExpiresAt, want)
			}
		}
	}
}

// TestUntilNeedsValidExpires checks that X-Amz-Expires, which governs plain S3,
// must be valid all the same.
func TestUntilNeedsValidExpires(t *testing.T) {
	u := untilURL(t, V4, time.Hour, paramUntil, stamp(24*time.Hour))
	for _, expires := range []string{"604801", "-1", "x", ""} {
		changed := strings.Replace(u, "X-Amz-Expires=3600", "X-Amz-Expires="+expires, 1)
		if _, err := verifyAt(t, Options{Until: true, MaxLifetime: 8760 * time.Hour}, changed, testNow); codeOf(err) != CodeAuthQueryParameters {
			t.Errorf("X-Amz-Expires=%s: %v", expires, err)
		}
	}
	if _, err := verifyAt(t, Options{Until: true}, strings.Replace(u, "&X-Amz-Expires=3600", "", 1), testNow); codeOf(err) != CodeAuthQueryParameters {
		t.Errorf("without X-Amz-Expires: %v", err)
	}
}

// TestUntilIsSigned changes the limit, takes it away and adds it.
func TestUntilIsSigned(t *testing.T) {
	o := Options{Until: true}
	u := untilURL(t, V4, time.Hour, paramUntil, stamp(2*time.Hour))
	plain := untilURL(t, V4, time.Hour)
	for what, c := range map[string]struct {
		url string
		at  time.Duration
	}{
		"later":     {strings.Replace(u, stamp(2*time.Hour), stamp(3*time.Hour), 1), 2*time.Hour + time.Minute},
		"away":      {strings.Replace(u, "&"+paramUntil+"="+stamp(2*time.Hour), "", 1), 0},
		"added":     {plain + "&" + paramUntil + "=" + stamp(3*time.Hour), 2 * time.Hour},
		"capital":   {strings.Replace(u, paramUntil, "X-Daypass-Until", 1), 0},
		"repeated":  {u + "&" + paramUntil + "=" + stamp(3*time.Hour), 0},
		"in front":  {strings.Replace(u, "?", "?"+paramUntil+"="+stamp(3*time.Hour)+"&", 1), 0},
		"malformed": {plain + "&" + paramUntil + "=tomorrow", 0},
	} {
		if _, err := verifyAt(t, o, c.url, testNow.Add(c.at)); codeOf(err) != CodeSignatureDoesNotMatch {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestUntilMalformed signs limits that nobody can read: they decide nothing,
// so that whoever checks limits gets to refuse them.
func TestUntilMalformed(t *testing.T) {
	for _, value := range []string{"", "tomorrow", "2026-11-24T00:00:00Z", "20261124T000000", "20261324T000000Z"} {
		u := untilURL(t, V4, time.Hour, paramUntil, value)
		if result, err := verifyAt(t, Options{Until: true}, u, testNow); err != nil || !result.ExpiresAt.Equal(testNow.Add(time.Hour)) {
			t.Errorf("%q: %v, %v", value, result, err)
		}
		if _, err := verifyAt(t, Options{Until: true}, u, testNow.Add(time.Hour)); codeOf(err) != CodeAccessDenied {
			t.Errorf("%q after an hour: %v", value, err)
		}
	}
	u := untilURL(t, V4, time.Hour, paramUntil, stamp(2*time.Hour), paramUntil, stamp(3*time.Hour))
	if result, err := verifyAt(t, Options{Until: true}, u, testNow); err != nil || !result.ExpiresAt.Equal(testNow.Add(time.Hour)) {
		t.Errorf("repeated: %v, %v", result, err)
	}
}

// TestUntilKeepsKeyLife checks that a temporary key ends its URLs.
func TestUntilKeepsKeyLife(t *testing.T) {
	key := docKey
	key.Expires = testNow.Add(2 * time.Hour)
	o := Options{Until: true, Region: "us-east-1"}
	r := wire(t, "GET", untilURL(t, V4, time.Hour, paramUntil, stamp(24*time.Hour)))
	if _, err := NewVerifier(keysOf(key), o).Verify(r, testNow.Add(2*time.Hour-time.Second)); err != nil {
		t.Error(err)
	}
	if _, err := NewVerifier(keysOf(key), o).Verify(r, testNow.Add(2*time.Hour)); err == nil {
		t.Error("the URL outlived its key")
	}
}

// TestMaxLifetimeOfOthers bounds V2 URLs and forms, and nothing that is signed
// in a header.
func TestMaxLifetimeOfOthers(t *testing.T) {
	o := Options{MaxLifetime: time.Hour, Until: true}
	u := untilURL(t, V2, time.Hour)
	if _, err := verifyAt(t, o, u, testNow); err != nil {
		t.Errorf("V2: %v", err)
	}
	if _, err := verifyAt(t, o, untilURL(t, V2, time.Hour+time.Second), testNow); codeOf(err) != CodeAccessDenied {
		t.Errorf("V2: %v", err)
	}
	// Before the day on which it ends is near, a long URL is refused.
	if _, err := verifyAt(t, o, untilURL(t, V2, 10*time.Hour), testNow.Add(9*time.Hour)); err != nil {
		t.Errorf("V2, near its end: %v", err)
	}
	for _, v := range []Version{V4, V4A, V2} {
		p := newPresigner(t, docKey, "https://s3.example.com", PresignOptions{Version: v})
		for lifetime, want := range map[time.Duration]Code{time.Hour: "", time.Hour + time.Second: CodeAccessDenied} {
			f, err := p.Form(FormRequest{Bucket: "b", Key: "k", Time: testNow, Lifetime: lifetime})
			if err != nil {
				t.Fatal(err)
			}
			o.Region = "us-east-1"
			if _, _, err := NewVerifier(keysOf(docKey), o).VerifyForm(t.Context(), Form(f.Fields), testNow); codeOf(err) != want {
				t.Errorf("%s form of %v: %v", v, lifetime, err)
			}
		}
	}
	r := wire(t, "GET", "https://s3.example.com/b/k")
	r.Header = http.Header{}
	if _, err := NewSigner(docKey, SignerOptions{Region: "us-east-1"}).Sign(r, UnsignedPayload, testNow); err != nil {
		t.Fatal(err)
	}
	if _, err := NewVerifier(keysOf(docKey), o).Verify(r, testNow.Add(time.Minute)); err != nil {
		t.Errorf("header: %v", err)
	}
}

// TestTokenBesideHeader refuses a token or region set in the query of a
// request that is signed in its header, where nothing would look at it.
func TestTokenBesideHeader(t *testing.T) {
	for _, q := range []string{"X-Amz-Security-Token=abc", "x-amz-security-token=", "X-Amz-Region-Set=*"} {
		r := wire(t, "GET", "http://h/b/k?"+q)
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x/20261123/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00")
		_, err := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"}).Verify(r, testNow)
		checkRefusal(t, err, CodeInvalidArgument,
			"Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified", "*")
	}
}
