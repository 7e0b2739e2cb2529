package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass/lifecycle"
	"github.com/daypass/daypass/store"
)

const lifecycleBody = `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ID>old logs</ID><Filter><Prefix>logs/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>`

func (r *realm) lifecycle(rules ...string) {
	r.t.Helper()
	r.must("PUT", "/photos?lifecycle", "<LifecycleConfiguration><Rule>"+strings.Join(rules, "</Rule><Rule>")+"</Rule></LifecycleConfiguration>")
}

func TestLifecycleSetting(t *testing.T) {
	r := newRealm(t)
	get := func(status int) *reply {
		t.Helper()
		got := r.as(r.alice, "GET", "/photos?lifecycle", "")
		if got.status != status {
			t.Fatalf("status %d\n%s", got.status, got.body)
		}
		return got
	}
	golden(t, "settings/lifecycle_missing.txt", get(404))
	for _, header := range []string{"", "varies_by_storage_class"} {
		want := "all_storage_classes_128K"
		var headers []string
		if header != "" {
			want, headers = header, []string{"x-amz-transition-default-minimum-object-size", header}
		}
		put := r.as(r.alice, "PUT", "/photos?lifecycle", lifecycleBody, append(headers, "Content-MD5", md5Of(lifecycleBody))...)
		r.want(put, 200, "")
		shown := get(200)
		for _, a := range []*reply{put, shown} {
			if got := a.header.Get("X-Amz-Transition-Default-Minimum-Object-Size"); got != want {
				t.Errorf("the minimum is %q, want %q", got, want)
			}
		}
		golden(t, "settings/lifecycle.txt", shown)
	}
	r.want(r.as(r.alice, "PUT", "/photos?lifecycle", lifecycleBody, "x-amz-transition-default-minimum-object-size", "1"), 400, "InvalidRequest")
	r.want(r.as(r.alice, "PUT", "/photos?lifecycle", lifecycleBody, "Content-MD5", md5Of("other")), 400, "BadDigest")
	r.want(r.as(r.bob, "GET", "/photos?lifecycle", ""), 403, "AccessDenied")
	r.want(r.as(r.bob, "PUT", "/photos?lifecycle", lifecycleBody), 403, "AccessDenied")
	r.want(r.as(r.alice, "DELETE", "/photos?lifecycle", ""), 204, "")
	r.want(r.as(r.alice, "DELETE", "/photos?lifecycle", ""), 204, "")
	get(404)

	// A rule without an ID gets one, each another.
	r.lifecycle("<Filter/><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>", "<Filter><Prefix>a</Prefix></Filter><Status>Disabled</Status><Expiration><Days>1</Days></Expiration>")
	body := get(200).body
	first := get(200).element("ID")
	if len(first) != 48 || strings.Count(body, first) != 1 || strings.Count(body, "<ID>") != 2 {
		t.Errorf("IDs: %s", body)
	}
	for name, rule := range map[string]string{
		"transition": "<Filter/><Status>Enabled</Status><Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>",
		"days":       "<Filter/><Status>Enabled</Status><Expiration><Days>0</Days></Expiration>",
		"mixed":      "<Filter/><Prefix>a</Prefix><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>",
	} {
		golden(t, "settings/lifecycle_"+name+".txt", r.as(r.alice, "PUT", "/photos?lifecycle", "<LifecycleConfiguration><Rule>"+rule+"</Rule></LifecycleConfiguration>"))
	}
	if got := get(200).body; got != body {
		t.Errorf("a refused configuration has changed something: %s", got)
	}
	r.want(r.as(r.alice, "PUT", "/photos?lifecycle", strings.Repeat(" ", 2<<20)), 400, "MaxMessageLengthExceeded")
}

// TestExpirationHeader checks who is told when an object will go.
func TestExpirationHeader(t *testing.T) {
	r := newRealm(t)
	header := func(what string, a *reply, want string) {
		t.Helper()
		if a.status/100 != 2 {
			t.Fatalf("%s: status %d\n%s", what, a.status, a.body)
		}
		if got := a.header.Get("X-Amz-Expiration"); got != want {
			t.Errorf("%s: x-amz-expiration is %q, want %q", what, got, want)
		}
	}
	header("PUT without rules", r.must("PUT", "/photos/logs/a", "12345"), "")
	r.lifecycle("<ID>old logs é</ID><Filter><Prefix>logs/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration>",
		"<ID>tag</ID><Filter><And><Prefix>logs/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>",
		"<ID>big</ID><Filter><ObjectSizeGreaterThan>9</ObjectSizeGreaterThan></Filter><Status>Enabled</Status><Expiration><Date>2027-01-01T00:00:00Z</Date></Expiration>",
		"<ID>abort</ID><Filter><Prefix>logs/</Prefix></Filter><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>")
	// testTime is noon of 6 February 2026.
	logs := `expiry-date="Tue, 10 Feb 2026 00:00:00 GMT", rule-id="old%20logs%20%C3%A9"`
	tagged := `expiry-date="Sun, 08 Feb 2026 00:00:00 GMT", rule-id="tag"`
	big := `expiry-date="Fri, 01 Jan 2027 00:00:00 GMT", rule-id="big"`
	header("GET of what was there", r.must("GET", "/photos/logs/a", ""), logs)
	header("HEAD", r.as(r.alice, "HEAD", "/photos/logs/a", ""), logs)
	header("a range", r.must("GET", "/photos/logs/a", "", "Range", "bytes=1-2"), logs)
	header("PUT", r.must("PUT", "/photos/logs/b", "12345"), logs)
	header("PUT with a tag", r.must("PUT", "/photos/logs/c", "12345", "x-amz-tagging", "k=v"), tagged)
	header("PUT with another", r.must("PUT", "/photos/logs/d", "12345", "x-amz-tagging", "k=w"), logs)
	header("PUT beside the prefix", r.must("PUT", "/photos/log", "12345"), "")
	header("PUT of a large one", r.must("PUT", "/photos/log", "1234567890"), big)
	header("copy", r.must("PUT", "/photos/logs/e", "", "x-amz-copy-source", "/photos/log"), logs)
	header("GET with a tag", r.must("GET", "/photos/logs/c", ""), tagged)
	r.must("PUT", "/photos/logs/c?tagging", "<Tagging><TagSet/></Tagging>")
	header("GET without the tag", r.must("GET", "/photos/logs/c", ""), logs)

	begun := r.must("POST", "/photos/logs/m?uploads", "")
	id := begun.element("UploadId")
	for what, a := range map[string]*reply{"CreateMultipartUpload": begun, "ListParts": r.must("GET", "/photos/logs/m?uploadId="+id, "")} {
		if date, rule := a.header.Get("X-Amz-Abort-Date"), a.header.Get("X-Amz-Abort-Rule-Id"); date != "Mon, 09 Feb 2026 00:00:00 GMT" || rule != "abort" {
			t.Errorf("%s: x-amz-abort-date is %q, x-amz-abort-rule-id %q", what, date, rule)
		}
	}
	if a := r.must("POST", "/photos/other?uploads", ""); a.header.Get("X-Amz-Abort-Date") != "" || a.header.Get("X-Amz-Abort-Rule-Id") != "" {
		t.Errorf("an upload that stays: %v", a.header)
	}
	part := r.must("PUT", "/photos/logs/m?partNumber=1&uploadId="+id, "content")
	header("CompleteMultipartUpload", r.must("POST", "/photos/logs/m?uploadId="+id, fmt.Sprintf(
		"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>", part.header.Get("Etag"))), logs)

	r.must("PUT", "/photos?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
	old := r.must("PUT", "/photos/logs/v", "1").header.Get("X-Amz-Version-Id")
	now := r.must("PUT", "/photos/logs/v", "2").header.Get("X-Amz-Version-Id")
	header("GET of an old version", r.must("GET", "/photos/logs/v?versionId="+old, ""), "")
	header("GET of the current version", r.must("GET", "/photos/logs/v?versionId="+now, ""), logs)

	r.lifecycle("<ID>off</ID><Filter/><Status>Disabled</Status><Expiration><Days>1</Days></Expiration>")
	header("a rule that is off", r.must("GET", "/photos/logs/v", ""), "")
	r.lifecycle("<ID>late</ID><Filter/><Status>Enabled</Status><Expiration><Days>2147483647</Days></Expiration>")
	header("a date that no header can name", r.must("GET", "/photos/logs/v", ""), "")
}

// TestExpirationOfWritten checks what PUT and forms have in common.
func TestExpirationOfWritten(t *testing.T) {
	c := &call{target: &target{rules: &bucketRules{}}}
	h := http.Header{}
	w := &response{ResponseWriter: &nowhere{header: h}}
	obj := &store.Object{Key: "key", IsLatest: true, ModTime: testTime}
	c.setWritten(w, obj)
	if h.Get(expirationHeader) != "" {
		t.Error(h)
	}
	config := lifecycle.Configuration{TransitionMinimum: "x"}
	if _, err := lifecycle.Decode(config.Encode()); err == nil {
		t.Error("a configuration without rules is read")
	}
	rules, err := lifecycle.Decode([]byte("x\n" + lifecycleBody))
	if err != nil {
		t.Fatal(err)
	}
	obj.Key, c.rules.lifecycle = "logs/a", rules
	c.setWritten(w, obj)
	if want := testTime.Truncate(24*time.Hour).AddDate(0, 0, 31).Format(http.TimeFormat); !strings.Contains(h.Get(expirationHeader), want) {
		t.Errorf("%v, want %s", h, want)
	}
}

// TestUnsetSettings asks for settings that Daypass does not have.
func TestUnsetSettings(t *testing.T) {
	r := newRealm(t)
	for target, status := range map[string]int{
		"accelerate": 200, "requestPayment": 200, "website": 404, "replication": 404,
		"analytics": 200, "analytics&id=x": 404, "intelligent-tiering": 200, "intelligent-tiering&id=x": 404,
		"inventory": 200, "inventory&id=x": 404, "metrics": 200, "metrics&id=x": 404,
	} {
		got := r.as(r.alice, "GET", "/photos?"+target, "")
		if got.status != status {
			t.Errorf("%s: status %d\n%s", target, got.status, got.body)
		}
		golden(t, "settings/unset_"+strings.ReplaceAll(strings.ReplaceAll(target, "&", "_"), "=", "_")+".txt", got)
		r.want(r.as(r.bob, "GET", "/photos?"+target, ""), 403, "AccessDenied")
		r.want(r.as(r.alice, "GET", "/nowhere?"+target, ""), 404, "NoSuchBucket")
	}
	for target, status := range map[string]int{"website": 204, "replication": 204, "analytics&id=x": 404, "intelligent-tiering&id=x": 404, "inventory&id=x": 404, "metrics&id=x": 404} {
		if got := r.as(r.alice, "DELETE", "/photos?"+target, ""); got.status != status {
			t.Errorf("DELETE %s: status %d\n%s", target, got.status, got.body)
		}
	}
	accelerate := func(status string) string {
		return "<AccelerateConfiguration><Status>" + status + "</Status></AccelerateConfiguration>"
	}
	payer := func(who string) string {
		return "<RequestPaymentConfiguration><Payer>" + who + "</Payer></RequestPaymentConfiguration>"
	}
	for _, c := range []struct {
		target, body string
		status       int
		code         string
	}{
		{"accelerate", accelerate("Suspended"), 200, ""},
		{"accelerate", accelerate("Enabled"), 501, "NotImplemented"},
		{"accelerate", accelerate("On"), 400, "MalformedXML"},
		{"requestPayment", payer("BucketOwner"), 200, ""},
		{"requestPayment", payer("Requester"), 501, "NotImplemented"},
		{"requestPayment", payer("Bob"), 400, "MalformedXML"},
		{"website", "<WebsiteConfiguration/>", 501, "NotImplemented"},
		{"replication", "<ReplicationConfiguration/>", 501, "NotImplemented"},
		{"inventory&id=x", "<InventoryConfiguration/>", 501, "NotImplemented"},
		{"analytics&id=x", "<AnalyticsConfiguration/>", 501, "NotImplemented"},
		{"metrics&id=x", "<MetricsConfiguration/>", 501, "NotImplemented"},
		{"intelligent-tiering&id=x", "<IntelligentTieringConfiguration/>", 501, "NotImplemented"},
	} {
		r.want(r.as(r.alice, "PUT", "/photos?"+c.target, c.body), c.status, c.code)
	}
	if got := r.must("GET", "/photos?accelerate", "").element("Status"); got != "Suspended" {
		t.Errorf("the status is %q", got)
	}
}
