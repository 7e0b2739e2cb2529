package server

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// protected is what S3 says of a version that is locked.
const protected = "Access Denied because object protected by object lock."

// newVault is a realm whose bucket photos has object lock.
func newVault(t testing.TB, change ...func(*Config)) *realm {
	t.Helper()
	r := newRealm(t, change...)
	r.keepVersions()
	r.lockConfig("")
	return r
}

func (r *realm) keepVersions() {
	r.t.Helper()
	r.must("PUT", "/photos?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
}

// doc sends a document with its digest.
func (r *realm) doc(k sign.Key, target, body string, headers ...string) *reply {
	r.t.Helper()
	return r.as(k, "PUT", target, body, append(headers, "Content-Md5", md5Of(body))...)
}

const lockOpen = `<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled>`

// lockConfig sets the object lock of photos, with the default retention whose
// elements are given.
func (r *realm) lockConfig(def string) {
	r.t.Helper()
	if def != "" {
		def = "<Rule><DefaultRetention>" + def + "</DefaultRetention></Rule>"
	}
	r.want(r.doc(r.alice, "/photos?object-lock", lockOpen+def+"</ObjectLockConfiguration>"), 200, "")
}

// at writes a time some way from the realm's as object lock does.
func (r *realm) at(d time.Duration) string { return r.now.Add(d).UTC().Format(s3.TimeLayout) }

func retention(mode, until string) string {
	return "<Retention><Mode>" + mode + "</Mode><RetainUntilDate>" + until + "</RetainUntilDate></Retention>"
}

// putLocked stores a version and returns its id.
func (r *realm) putLocked(key string, headers ...string) string {
	r.t.Helper()
	a := r.must("PUT", "/photos/"+key, "content", append(headers, "Content-Md5", md5Of("content"))...)
	return a.header.Get("X-Amz-Version-Id")
}

// wantLock fails the test unless HEAD shows a lock.
func (r *realm) wantLock(k sign.Key, key, mode, until, hold string) {
	r.t.Helper()
	for _, method := range []string{"HEAD", "GET"} {
		h := r.as(k, method, "/photos/"+key, "").header
		got := [3]string{h.Get("X-Amz-Object-Lock-Mode"), h.Get("X-Amz-Object-Lock-Retain-Until-Date"), h.Get("X-Amz-Object-Lock-Legal-Hold")}
		if want := [3]string{mode, until, hold}; got != want {
			r.t.Errorf("%s %s shows the lock %q, want %q", method, key, got, want)
		}
	}
}

func (r *realm) wantMessage(a *reply, status int, code, message string) {
	r.t.Helper()
	r.want(a, status, code)
	if a.element("Message") != message {
		r.t.Errorf("want the message %q\n%s", message, a.body)
	}
}

func TestObjectLockConfiguration(t *testing.T) {
	r := newRealm(t)
	config := lockOpen + "<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>3</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
	a := r.as(r.alice, "GET", "/photos?object-lock", "")
	r.wantMessage(a, 404, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")
	if a.element("BucketName") != "photos" {
		t.Error(a.body)
	}
	r.wantMessage(r.doc(r.alice, "/photos?object-lock", config), 409, "InvalidBucketState",
		"Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
	r.keepVersions()
	r.want(r.as(r.alice, "PUT", "/photos?object-lock", config), 400, "InvalidRequest") // without a digest
	r.wantMessage(r.doc(r.alice, "/photos?object-lock", ""), 400, "MissingRequestBodyError", "Request Body is empty")
	r.want(r.doc(r.alice, "/photos?object-lock", config), 200, "")
	if a := r.must("GET", "/photos?object-lock", ""); !strings.HasSuffix(a.body, "?>\n"+config) {
		t.Errorf("put\n%s\ngot\n%s", config, a.body)
	}
	r.wantMessage(r.as(r.alice, "PUT", "/photos?versioning", "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"),
		409, "InvalidBucketState", "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
	r.keepVersions()
	r.lockConfig("<Mode>COMPLIANCE</Mode><Years>2</Years>")
	if a := r.must("GET", "/photos?object-lock", ""); a.element("Years") != "2" || a.element("Mode") != "COMPLIANCE" {
		t.Error(a.body)
	}
	r.lockConfig("")
	if a := r.must("GET", "/photos?object-lock", ""); !strings.HasSuffix(a.body, lockOpen+"</ObjectLockConfiguration>") {
		t.Error(a.body)
	}
	r.want(r.doc(r.alice, "/nowhere?object-lock", config), 404, "NoSuchBucket")
	r.want(r.as(r.alice, "GET", "/nowhere?object-lock", ""), 404, "NoSuchBucket")
}

func TestCreateLockedBucket(t *testing.T) {
	r := newRealm(t)
	for i, value := range []string{"true", "True", "false"} {
		bucket, enabled := fmt.Sprint("vault-", i), value != "false"
		r.must("PUT", "/"+bucket, "", "x-amz-bucket-object-lock-enabled", value)
		a := r.as(r.alice, "GET", "/"+bucket+"?object-lock", "")
		if enabled != (a.status == 200) || enabled != strings.HasSuffix(a.body, lockOpen+"</ObjectLockConfiguration>") {
			t.Errorf("%s: status %d\n%s", value, a.status, a.body)
		}
		if a := r.must("GET", "/"+bucket+"?versioning", ""); enabled != (a.element("Status") == "Enabled") {
			t.Errorf("%s: %s", value, a.body)
		}
	}
	// What is there already is not locked by creating it again.
	r.want(r.as(r.alice, "PUT", "/photos", "", "x-amz-bucket-object-lock-enabled", "true"), 409, "BucketAlreadyOwnedByYou")
	r.want(r.as(r.alice, "PUT", "/photos", ""), 200, "")
	r.want(r.as(r.alice, "PUT", "/vault-0", "", "x-amz-bucket-object-lock-enabled", "true"), 200, "")
	for _, c := range []struct {
		allowed string
		status  int
	}{
		{"s3:CreateBucket", 403}, {"s3:CreateBucket s3:PutBucketVersioning", 403}, {"s3:CreateBucket s3:PutBucketObjectLockConfiguration", 403},
		{"s3:CreateBucket s3:PutBucketVersioning s3:PutBucketObjectLockConfiguration", 200},
	} {
		k := r.user("user "+c.allowed, statement("Allow", "", c.allowed, "*"))
		if a := r.as(k, "PUT", "/vault-of-user", "", "x-amz-bucket-object-lock-enabled", "true"); a.status != c.status {
			t.Errorf("%s: status %d\n%s", c.allowed, a.status, a.body)
		}
	}
}

// TestLockHeaders checks what the headers of a write make of a version.
func TestLockHeaders(t *testing.T) {
	r := newVault(t)
	r.wantLock(r.alice, "key", "", "", "") // which was there before
	until := r.at(48 * time.Hour)
	r.putLocked("a", "x-amz-object-lock-mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", r.now.Add(48*time.Hour).Format("2006-01-02T15:04:05Z"))
	r.wantLock(r.alice, "a", "GOVERNANCE", until, "")
	r.putLocked("a", "x-amz-object-lock-legal-hold", "ON")
	r.wantLock(r.alice, "a", "", "", "ON")
	r.putLocked("a", "x-amz-object-lock-legal-hold", "OFF", "x-amz-object-lock-mode", "COMPLIANCE", "x-amz-object-lock-retain-until-date", until)
	r.wantLock(r.alice, "a", "COMPLIANCE", until, "OFF")
	r.putLocked("a")
	r.wantLock(r.alice, "a", "", "", "")

	r.lockConfig("<Mode>GOVERNANCE</Mode><Days>3</Days>")
	r.putLocked("b")
	r.wantLock(r.alice, "b", "GOVERNANCE", r.at(72*time.Hour), "")
	r.putLocked("b", "x-amz-object-lock-mode", "COMPLIANCE", "x-amz-object-lock-retain-until-date", until)
	r.wantLock(r.alice, "b", "COMPLIANCE", until, "")
	r.lockConfig("<Mode>COMPLIANCE</Mode><Years>1</Years>")
	r.must("PUT", "/photos/c", "", "x-amz-copy-source", "photos/b")
	r.wantLock(r.alice, "c", "COMPLIANCE", r.at(365*24*time.Hour), "")
	r.must("PUT", "/photos/c", "", "x-amz-copy-source", "photos/b", "x-amz-object-lock-mode", "GOVERNANCE",
		"x-amz-object-lock-retain-until-date", until, "x-amz-object-lock-legal-hold", "ON")
	r.wantLock(r.alice, "c", "GOVERNANCE", until, "ON")
}

func TestLockHeadersRefused(t *testing.T) {
	r := newVault(t)
	r.bucket("plain")
	const both = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
	const past = "The retain until date must be in the future!"
	for _, c := range []struct{ mode, until, hold, argument, message string }{
		{"GOVERNANCE", "", "", "x-amz-object-lock-retain-until-date", both},
		{"", r.at(time.Hour), "", "x-amz-object-lock-mode", both},
		{"governance", r.at(time.Hour), "", "x-amz-object-lock-mode", "Unknown wormMode directive."},
		{"GOVERNANCE", "tomorrow", "", "x-amz-object-lock-retain-until-date", "The retain until date must be provided in ISO 8601 format"},
		{"COMPLIANCE", r.at(0), "", "x-amz-object-lock-retain-until-date", past},
		{"COMPLIANCE", r.at(-time.Hour), "", "x-amz-object-lock-retain-until-date", past},
		{"", "", "on", "x-amz-object-lock-legal-hold", "Legal Hold must be either of 'ON' or 'OFF'"},
	} {
		var h []string
		for i, name := range []string{"x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"} {
			if v := [...]string{c.mode, c.until, c.hold}[i]; v != "" {
				h = append(h, name, v)
			}
		}
		for _, a := range []*reply{
			r.as(r.alice, "PUT", "/photos/key", "x", append(h, "Content-Md5", md5Of("x"))...),
			r.as(r.alice, "PUT", "/plain/key", "x", h...),
			r.as(r.alice, "PUT", "/photos/key", "", append(h, "x-amz-copy-source", "photos/key")...),
			r.as(r.alice, "POST", "/photos/key?uploads", "", h...),
		} {
			r.wantMessage(a, 400, "InvalidArgument", c.message)
			if a.element("ArgumentName") != c.argument {
				t.Errorf("want the argument %s\n%s", c.argument, a.body)
			}
		}
	}
	good := []string{"x-amz-object-lock-mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", r.at(time.Hour)}
	for _, h := range [][]string{good, {"x-amz-object-lock-legal-hold", "OFF"}} {
		const missing = "Bucket is missing Object Lock Configuration"
		r.wantMessage(r.as(r.alice, "PUT", "/plain/key", "x", append(h, "Content-Md5", md5Of("x"))...), 400, "InvalidRequest", missing)
		r.wantMessage(r.as(r.alice, "POST", "/plain/key?uploads", "", h...), 400, "InvalidRequest", missing)
	}
	r.want(r.as(r.alice, "PUT", "/photos/key", "x", append(good, "x-amz-object-lock-event-hold", "ON", "Content-Md5", md5Of("x"))...), 501, "NotImplemented")
}

// TestLockDigest checks that what will be locked needs a digest.
func TestLockDigest(t *testing.T) {
	r := newVault(t)
	const needed = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"
	const partNeeded = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Part requests with Object Lock parameters"
	r.must("PUT", "/photos/key", "x")
	hold := []string{"x-amz-object-lock-legal-hold", "ON"}
	r.wantMessage(r.as(r.alice, "PUT", "/photos/key", "x", hold...), 400, "InvalidRequest", needed)
	r.must("PUT", "/photos/key", "x", append(hold, "x-amz-checksum-crc32", sumOf(store.CRC32, "x"))...)
	part := func(headers []string, body string, more ...string) *reply {
		id := r.must("POST", "/photos/key?uploads", "", headers...).element("UploadId")
		return r.as(r.alice, "PUT", partTarget("key", id, 1), body, more...)
	}
	r.want(part(nil, "x"), 200, "")
	r.wantMessage(part(hold, "x"), 400, "InvalidRequest", partNeeded)
	r.want(part(hold, "x", "Content-Md5", md5Of("x")), 200, "")
	r.want(part(hold, "x", "x-amz-checksum-crc64nvme", sumOf(store.CRC64NVME, "x")), 200, "")

	r.lockConfig("<Mode>GOVERNANCE</Mode><Days>1</Days>")
	r.wantMessage(r.as(r.alice, "PUT", "/photos/key", "x"), 400, "InvalidRequest", needed)
	r.wantMessage(r.url(r.alice, "PUT", "key"), 400, "InvalidRequest", needed)
	r.wantMessage(part(nil, "x"), 400, "InvalidRequest", partNeeded)
	r.must("PUT", "/photos/key", "x", "Content-Md5", md5Of("x"))
	r.must("PUT", "/photos/copy", "", "x-amz-copy-source", "photos/key")
	r.want(r.as(r.alice, "PUT", "/photos/key", "x", "Content-Md5", md5Of("y")), 400, "BadDigest")
}

// TestLockSignature checks that nobody locks who has not signed with Version 4.
func TestLockSignature(t *testing.T) {
	r := newVault(t)
	r.policy(statement("Allow", "*", "s3:PutObject s3:PutObjectLegalHold s3:PutObjectRetention", allARN))
	const message = "Put Object requests with Object Lock parameters require AWS Signature Version 4"
	h := []string{"Content-Md5", md5Of("x"), "x-amz-object-lock-legal-hold", "ON"}
	r.wantMessage(r.as(nobody, "PUT", "/photos/key", "x", h...), 400, "InvalidArgument", message)
	old := r.presignFor("http://"+r.addr, r.alice, sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "key",
		Header: http.Header{"X-Amz-Object-Lock-Legal-Hold": {"ON"}}}, sign.PresignOptions{Version: sign.V2})
	r.wantMessage(r.send(old), 400, "InvalidArgument", message)
}

// TestRetention walks a version through retention and legal hold.
func TestRetention(t *testing.T) {
	r := newVault(t)
	id := r.putLocked("key")
	other := r.putLocked("key")
	version, hour := "&versionId="+id, r.at(time.Hour)
	const none = "The specified object does not have a ObjectLock configuration"
	r.wantMessage(r.as(r.alice, "GET", "/photos/key?retention"+version, ""), 404, "NoSuchObjectLockConfiguration", none)
	r.wantMessage(r.as(r.alice, "GET", "/photos/key?legal-hold"+version, ""), 404, "NoSuchObjectLockConfiguration", none)

	r.want(r.as(r.alice, "PUT", "/photos/key?retention"+version, retention("GOVERNANCE", hour)), 400, "InvalidRequest") // no digest
	r.want(r.doc(r.alice, "/photos/key?retention"+version, retention("GOVERNANCE", hour)), 200, "")
	if a := r.must("GET", "/photos/key?retention"+version, ""); !strings.HasSuffix(a.body,
		`<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Mode>GOVERNANCE</Mode><RetainUntilDate>`+hour+`</RetainUntilDate></Retention>`) {
		t.Error(a.body)
	}
	r.wantLock(r.alice, "key?versionId="+id, "GOVERNANCE", hour, "")
	r.wantLock(r.alice, "key?versionId="+other, "", "", "")

	bypass := []string{"x-amz-bypass-governance-retention", "true"}
	for _, c := range []struct {
		body   string
		bypass bool
		ok     bool
	}{
		{retention("GOVERNANCE", r.at(2*time.Hour)), false, true},
		{retention("GOVERNANCE", hour), false, false},
		{retention("COMPLIANCE", r.at(3*time.Hour)), false, false},
		{"<Retention/>", false, false},
		{retention("GOVERNANCE", hour), true, true},
		{"<Retention/>", true, true},
		{retention("COMPLIANCE", hour), false, true},
		{retention("COMPLIANCE", r.at(time.Minute)), true, false},
		{retention("GOVERNANCE", r.at(5*time.Hour)), true, false},
		{"<Retention></Retention>", true, false},
		{retention("COMPLIANCE", r.at(2*time.Hour)), false, true},
	} {
		var h []string
		if c.bypass {
			h = bypass
		}
		a := r.doc(r.alice, "/photos/key?retention"+version, c.body, h...)
		if c.ok {
			r.want(a, 200, "")
		} else {
			r.wantMessage(a, 403, "AccessDenied", protected)
		}
	}
	r.legalHold(id, hour)
	r.now = r.now.Add(3 * time.Hour)
	r.want(r.as(r.alice, "DELETE", "/photos/key?versionId="+id, ""), 204, "")
}

// legalHold puts a legal hold on a version of key and takes it off.
func (r *realm) legalHold(id, hour string) {
	r.t.Helper()
	hold := func(status string) string { return "<LegalHold><Status>" + status + "</Status></LegalHold>" }
	target := "/photos/key?legal-hold&versionId=" + id
	r.want(r.as(r.alice, "PUT", target, hold("ON")), 400, "InvalidRequest") // no digest
	for _, status := range []string{"ON", "OFF", "ON"} {
		r.want(r.doc(r.alice, target, hold(status)), 200, "")
		if a := r.must("GET", target, ""); a.element("Status") != status {
			r.t.Error(a.body)
		}
	}
	r.wantLock(r.alice, "key?versionId="+id, "COMPLIANCE", r.at(2*time.Hour), "ON")
	before := r.now
	r.now = r.now.Add(3 * time.Hour) // after the retention
	r.wantMessage(r.as(r.alice, "DELETE", "/photos/key?versionId="+id, "", "x-amz-bypass-governance-retention", "true"), 403, "AccessDenied", protected)
	r.want(r.doc(r.alice, target, hold("OFF")), 200, "")
	r.now = before
	for _, bad := range []string{"on", "", "MAYBE"} {
		r.want(r.doc(r.alice, target, hold(bad)), 400, "MalformedXML")
	}
	r.want(r.doc(r.alice, target, ""), 400, "MalformedXML")
	r.want(r.doc(r.alice, "/photos/key?retention&versionId="+id, retention("GOVERNANCE", hour)+"x"), 400, "MalformedXML")
}

func TestRetentionRefused(t *testing.T) {
	r := newVault(t)
	r.bucket("plain")
	r.must("PUT", "/plain/key", "x")
	marker := r.must("DELETE", "/photos/key", "").header.Get("X-Amz-Version-Id")
	good, hold := retention("GOVERNANCE", r.at(time.Hour)), "<LegalHold><Status>ON</Status></LegalHold>"
	for target, body := range map[string]string{"key?retention": good, "key?legal-hold": hold} {
		const missing = "Bucket is missing Object Lock Configuration"
		r.wantMessage(r.doc(r.alice, "/plain/"+target, body), 400, "InvalidRequest", missing)
		r.wantMessage(r.as(r.alice, "GET", "/plain/"+target, ""), 400, "InvalidRequest", missing)
		for _, a := range []*reply{
			r.doc(r.alice, "/photos/"+target+"&versionId="+marker, body),
			r.as(r.alice, "GET", "/photos/"+target+"&versionId="+marker, ""),
		} {
			r.want(a, 405, "MethodNotAllowed")
			if a.element("ResourceType") != "DeleteMarker" {
				t.Error(a.body)
			}
		}
		other := strings.Replace(target, "key", "other", 1)
		r.want(r.doc(r.alice, "/photos/"+other, body), 404, "NoSuchKey")
		r.want(r.as(r.alice, "GET", "/photos/"+other, ""), 404, "NoSuchKey")
		r.want(r.doc(r.alice, "/photos/"+target+"&versionId="+strings.Repeat("a", 32), body), 404, "NoSuchVersion")
		r.want(r.doc(r.alice, "/nowhere/"+target, body), 404, "NoSuchBucket")
	}
	id := r.putLocked("key")
	target := "/photos/key?retention&versionId=" + id
	a := r.doc(r.alice, target, retention("COMPLIANCE", r.at(0)))
	r.wantMessage(a, 400, "InvalidArgument", "The retain until date must be in the future!")
	if a.element("ArgumentName") != "RetainUntilDate" {
		t.Error(a.body)
	}
	for _, body := range []string{
		"", "<Retention>", "<Retention><Mode>GOVERNANCE</Mode></Retention>", "<Other/>",
		"<Retention><RetainUntilDate>" + r.at(time.Hour) + "</RetainUntilDate></Retention>",
		retention("governance", r.at(time.Hour)), retention("GOVERNANCE", "tomorrow"), retention("", ""),
		strings.ToLower(retention("GOVERNANCE", r.at(time.Hour))), "<Retention><mode>GOVERNANCE</mode></Retention>",
	} {
		r.want(r.doc(r.alice, target, body), 400, "MalformedXML")
	}
	r.want(r.doc(r.alice, target, "<Retention><EventHold>ON</EventHold></Retention>"), 501, "NotImplemented")
}

// TestLockedVersions checks that nothing removes a locked version, however one
// asks.
func TestLockedVersions(t *testing.T) {
	r := newVault(t)
	lock := func(mode string) []string {
		return []string{"x-amz-object-lock-mode", mode, "x-amz-object-lock-retain-until-date", r.at(time.Hour)}
	}
	kept := r.putLocked("kept", lock("COMPLIANCE")...)
	governed := r.putLocked("governed", lock("GOVERNANCE")...)
	bypass := []string{"x-amz-bypass-governance-retention", "true"}
	for _, id := range [][2]string{{"kept", kept}, {"governed", governed}} {
		target := "/photos/" + id[0] + "?versionId=" + id[1]
		r.wantMessage(r.as(r.alice, "DELETE", target, ""), 403, "AccessDenied", protected)
		r.wantMessage(r.as(r.root, "DELETE", target, ""), 403, "AccessDenied", protected)
		r.wantMessage(r.as(r.alice, "DELETE", target, "", bypass[0], "false"), 403, "AccessDenied", protected)
		r.wantMessage(r.url(r.alice, "DELETE", id[0], "versionId", id[1]), 403, "AccessDenied", protected)
		r.wantMessage(r.url(r.alice, "DELETE", id[0], "versionId", id[1], limits.Name, "pass"), 403, "AccessDenied", protected)
		// A header of which the pass says nothing does not help its holder.
		q := r.presignFor("http://"+r.addr, r.alice, sign.URLRequest{Method: "DELETE", Bucket: "photos", Key: id[0],
			Query: pairs([]string{"versionId", id[1]}), Time: r.now})
		r.want(r.send(q.with(bypass[0], "true")), 403, "AccessDenied")
		if a := r.must("DELETE", "/photos/"+id[0], ""); a.header.Get("X-Amz-Delete-Marker") != "true" {
			t.Error("no delete marker")
		}
		r.must("PUT", "/photos/"+id[0], "newer")
		r.want(r.as(r.alice, "GET", target, ""), 200, "")
	}
	r.want(r.as(r.alice, "DELETE", "/photos", ""), 409, "BucketNotEmpty")
	r.wantMessage(r.as(r.root, "DELETE", "/photos/kept?versionId="+kept, "", bypass...), 403, "AccessDenied", protected)

	body := "<Delete><Object><Key>kept</Key><VersionId>" + kept + "</VersionId></Object><Object><Key>governed</Key><VersionId>" + governed +
		"</VersionId></Object><Object><Key>key</Key></Object></Delete>"
	failed := func(key, id string) string {
		return "<Error><Key>" + key + "</Key><VersionId>" + id + "</VersionId><Code>AccessDenied</Code><Message>" + protected + "</Message></Error>"
	}
	a := r.must("POST", "/photos?delete", body, "Content-Md5", md5Of(body))
	if !strings.Contains(a.body, failed("kept", kept)+failed("governed", governed)+"<Deleted><Key>key</Key>") {
		t.Error(a.body)
	}
	a = r.must("POST", "/photos?delete", body, "Content-Md5", md5Of(body), bypass[0], bypass[1])
	if !strings.Contains(a.body, failed("kept", kept)+"<Deleted><Key>governed</Key>") {
		t.Error(a.body)
	}
	r.want(r.as(r.alice, "GET", "/photos/governed?versionId="+governed, ""), 404, "NoSuchVersion")
	r.now = r.now.Add(time.Hour)
	r.want(r.as(r.alice, "DELETE", "/photos/kept?versionId="+kept, ""), 204, "")
}

// TestPresignedLocks checks that a pass carries locks and their bypass.
func TestPresignedLocks(t *testing.T) {
	r := newVault(t)
	until := r.at(time.Hour)
	q := r.presignFor("http://"+r.addr, r.alice, sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "a", Time: r.now, Query: pairs([]string{
		"X-Amz-Object-Lock-Mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", until, "x-amz-object-lock-legal-hold", "OFF", limits.Uses, "1"})})
	q.body = "content"
	r.want(r.send(q), 400, "InvalidArgument") // this server counts no uses
	q = r.presignFor("http://"+r.addr, r.alice, sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "a", Time: r.now, Query: pairs([]string{
		"X-Amz-Object-Lock-Mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", until, "x-amz-object-lock-legal-hold", "OFF", limits.Name, "pass"})})
	q.body = "content"
	a := r.send(q.with("Content-Md5", md5Of("content")))
	r.want(a, 200, "")
	r.wantLock(r.alice, "a", "GOVERNANCE", until, "OFF")
	// A holder cannot lock what the pass does not lock.
	q = r.presignFor("http://"+r.addr, r.alice, sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "b", Time: r.now})
	r.want(r.send(q.with("x-amz-object-lock-legal-hold", "ON").with("Content-Md5", md5Of(""))), 403, "AccessDenied")

	id := a.header.Get("X-Amz-Version-Id")
	send := func(body string, params ...string) *reply {
		q := r.presignFor("http://"+r.addr, r.alice, sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "a", Time: r.now, Query: pairs(append(params, "versionId", id))})
		q.body = body
		return r.send(q.with("Content-Md5", md5Of(body)))
	}
	r.want(send("<LegalHold><Status>ON</Status></LegalHold>", "legal-hold", ""), 200, "")
	r.wantLock(r.alice, "a", "GOVERNANCE", until, "ON")
	r.want(send("<LegalHold><Status>OFF</Status></LegalHold>", "legal-hold", ""), 200, "")
	r.wantMessage(send(retention("GOVERNANCE", r.at(time.Minute)), "retention", ""), 403, "AccessDenied", protected)
	r.want(send(retention("GOVERNANCE", r.at(time.Minute)), "retention", "", "x-amz-bypass-governance-retention", "true"), 200, "")
	r.want(r.url(r.alice, "GET", "a", "retention", ""), 200, "")
	r.want(r.url(r.alice, "GET", "a", "legal-hold", ""), 200, "")
	r.want(r.url(r.alice, "DELETE", "a", "versionId", id, "x-amz-bypass-governance-retention", "true"), 204, "")
}

// TestLockedForm checks that a form may lock what it uploads.
func TestLockedForm(t *testing.T) {
	e := newEnv(t)
	e.versioning("Enabled")
	if err := e.store.SetObjectLock(t.Context(), "photos", store.DefaultRetention{}); err != nil {
		t.Fatal(err)
	}
	until := testTime.Add(time.Hour).Format(s3.TimeLayout)
	fields := e.form(sign.FormRequest{Key: "key", Fields: sign.Query{
		{Name: "x-amz-object-lock-mode", Value: "COMPLIANCE"}, {Name: "x-amz-object-lock-retain-until-date", Value: until},
		{Name: "x-amz-object-lock-legal-hold", Value: "ON"},
	}})
	e.want(e.send(e.post(append(fields, textFile))), 204, "")
	h := e.do("HEAD", "/photos/key", "").header
	if h.Get("X-Amz-Object-Lock-Mode") != "COMPLIANCE" || h.Get("X-Amz-Object-Lock-Retain-Until-Date") != until || h.Get("X-Amz-Object-Lock-Legal-Hold") != "ON" {
		t.Errorf("headers %v", h)
	}
	// A field that the policy does not have.
	fields = append(e.form(sign.FormRequest{Key: "other"}), formField{name: "x-amz-object-lock-legal-hold", value: "ON"}, textFile)
	e.want(e.send(e.post(fields)), 403, "AccessDenied")
	if e.exists("other") {
		t.Error("the form was taken")
	}
}

// TestLockedUpload checks that an upload in parts keeps its lock until it is
// complete, and takes the default of then.
func TestLockedUpload(t *testing.T) {
	r := newVault(t)
	complete := func(id string) *reply {
		etag := r.must("PUT", partTarget("big", id, 1), "part", "Content-Md5", md5Of("part")).header.Get("Etag")
		return r.must("POST", "/photos/big?uploadId="+id, completion("1", etag, ""))
	}
	until := r.at(48 * time.Hour)
	begun := r.must("POST", "/photos/big?uploads", "", "x-amz-object-lock-mode", "COMPLIANCE", "x-amz-object-lock-retain-until-date", until,
		"x-amz-object-lock-legal-hold", "ON").element("UploadId")
	plain := r.must("POST", "/photos/big?uploads", "").element("UploadId")
	r.lockConfig("<Mode>GOVERNANCE</Mode><Days>1</Days>")
	r.now = r.now.Add(time.Hour)
	version := complete(begun).header.Get("X-Amz-Version-Id")
	r.wantLock(r.alice, "big", "COMPLIANCE", until, "ON")
	r.wantMessage(r.as(r.alice, "DELETE", "/photos/big?versionId="+version, ""), 403, "AccessDenied", protected)
	complete(plain)
	r.wantLock(r.alice, "big", "GOVERNANCE", r.at(24*time.Hour), "")
}

// TestLockPermissions checks which permission each part of object lock needs.
func TestLockPermissions(t *testing.T) {
	r := newVault(t)
	until := r.at(time.Hour)
	governed := []string{"x-amz-object-lock-mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", until}
	held := []string{"x-amz-object-lock-legal-hold", "OFF"}
	bypass := []string{"x-amz-bypass-governance-retention", "true"}
	digest := func(body string, h ...string) []string { return append(h, "Content-Md5", md5Of(body)) }
	id := r.putLocked("locked", append(governed, held...)...)
	body := retention("GOVERNANCE", r.at(30*time.Minute))
	on := "<LegalHold><Status>OFF</Status></LegalHold>"
	for i, c := range []struct {
		allowed, missing     string
		method, target, body string
		headers              []string
		status               int
	}{
		{"s3:PutObject", "s3:PutObjectRetention", "PUT", "a", "x", digest("x", governed...), 200},
		{"s3:PutObject", "s3:PutObjectLegalHold", "PUT", "a", "x", digest("x", held...), 200},
		{"s3:PutObject s3:GetObject", "s3:PutObjectRetention", "PUT", "a", "", append(governed, "x-amz-copy-source", "photos/key"), 200},
		{"s3:PutObject", "s3:PutObjectLegalHold", "POST", "a?uploads", "", held, 200},
		{"s3:PutObject", "s3:PutObjectRetention", "POST", "a?uploads", "", governed, 200},
		{"", "s3:GetObjectRetention", "GET", "locked?retention", "", nil, 200},
		{"", "s3:GetObjectLegalHold", "GET", "locked?legal-hold", "", nil, 200},
		{"", "s3:PutObjectLegalHold", "PUT", "locked?legal-hold", on, digest(on), 200},
		{"s3:PutObjectRetention", "s3:BypassGovernanceRetention", "PUT", "locked?retention", body, digest(body, bypass...), 200},
		{"s3:BypassGovernanceRetention", "s3:PutObjectRetention", "PUT", "locked?retention", body, digest(body, bypass...), 200},
		{"", "s3:GetBucketObjectLockConfiguration", "GET", "?object-lock", "", nil, 200},
		{"", "s3:PutBucketObjectLockConfiguration", "PUT", "?object-lock", lockOpen + "</ObjectLockConfiguration>",
			digest(lockOpen + "</ObjectLockConfiguration>"), 200},
		{"s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "DELETE", "locked?versionId=" + id, "", bypass, 204},
	} {
		without := r.user(fmt.Sprint("without ", i), statement("Allow", "", strings.TrimSpace("s3:ListBucket "+c.allowed), "*"))
		with := r.user(fmt.Sprint("with ", i), statement("Allow", "", strings.TrimSpace("s3:ListBucket "+c.allowed)+" "+c.missing, "*"))
		target := "/photos/" + c.target
		if strings.HasPrefix(c.target, "?") {
			target = "/photos" + c.target
		}
		if a := r.as(without, c.method, target, c.body, c.headers...); a.status != 403 || !strings.Contains(a.body, c.missing) {
			t.Errorf("%s %s without %s: status %d\n%s", c.method, target, c.missing, a.status, a.body)
		}
		if a := r.as(with, c.method, target, c.body, c.headers...); a.status != c.status {
			t.Errorf("%s %s with %s: status %d\n%s", c.method, target, c.missing, a.status, a.body)
		}
	}
	id = r.putLocked("locked", governed...)
	batch := "<Delete><Object><Key>locked</Key><VersionId>" + id + "</VersionId></Object></Delete>"
	half := r.user("half", statement("Allow", "", "s3:DeleteObject s3:DeleteObjectVersion", "*"))
	both := r.user("both", statement("Allow", "", "s3:DeleteObject s3:DeleteObjectVersion s3:BypassGovernanceRetention", "*"))
	if a := r.as(half, "POST", "/photos?delete", batch, digest(batch, bypass...)...); !strings.Contains(a.body, "s3:BypassGovernanceRetention") || a.code() != "AccessDenied" {
		t.Errorf("status %d\n%s", a.status, a.body)
	}
	if a := r.as(both, "POST", "/photos?delete", batch, digest(batch, bypass...)...); a.status != 200 || a.code() != "" {
		t.Errorf("status %d\n%s", a.status, a.body)
	}
}

// TestLockShown checks that a lock is shown to who may know it only.
func TestLockShown(t *testing.T) {
	r := newVault(t)
	until := r.at(time.Hour)
	r.putLocked("a", "x-amz-object-lock-mode", "COMPLIANCE", "x-amz-object-lock-retain-until-date", until, "x-amz-object-lock-legal-hold", "ON")
	for allowed, want := range map[string][3]string{
		"s3:GetObject":                                             {},
		"s3:GetObject s3:GetObjectRetention":                       {"COMPLIANCE", until, ""},
		"s3:GetObject s3:GetObjectLegalHold":                       {"", "", "ON"},
		"s3:GetObject s3:GetObjectLegalHold s3:GetObjectRetention": {"COMPLIANCE", until, "ON"},
	} {
		r.wantLock(r.user(allowed, statement("Allow", "", allowed, "*")), "a", want[0], want[1], want[2])
	}
	r.policy(statement("Allow", "*", "s3:GetObject", allARN))
	r.wantLock(nobody, "a", "", "", "")
}

// TestLockConditions checks the condition keys of object lock.
func TestLockConditions(t *testing.T) {
	r := newVault(t)
	day := 24 * time.Hour
	write := func(k sign.Key, mode string, d time.Duration, hold string) (put, retain *reply) {
		h := []string{"Content-Md5", md5Of("x")}
		if mode != "" {
			h = append(h, "x-amz-object-lock-mode", mode, "x-amz-object-lock-retain-until-date", r.at(d))
		}
		if hold != "" {
			h = append(h, "x-amz-object-lock-legal-hold", hold)
			retain = r.doc(k, "/photos/held?legal-hold", "<LegalHold><Status>"+hold+"</Status></LegalHold>")
		} else {
			retain = r.doc(k, "/photos/fresh?retention", retention(mode, r.at(d)))
		}
		return r.as(k, "PUT", "/photos/a", "x", h...), retain
	}
	for i, c := range []struct {
		condition  string
		mode       string
		for_       time.Duration
		hold       string
		put, other int
	}{
		{`{"StringEquals":{"s3:object-lock-mode":"COMPLIANCE"}}`, "COMPLIANCE", day, "", 403, 403},
		{`{"StringEquals":{"s3:object-lock-mode":"COMPLIANCE"}}`, "GOVERNANCE", day, "", 200, 200},
		{`{"NumericGreaterThan":{"s3:object-lock-remaining-retention-days":"10"}}`, "GOVERNANCE", 10 * day, "", 200, 200},
		{`{"NumericGreaterThan":{"s3:object-lock-remaining-retention-days":"10"}}`, "GOVERNANCE", 10*day + time.Minute, "", 403, 403},
		{`{"NumericLessThan":{"s3:object-lock-remaining-retention-days":"10"}}`, "GOVERNANCE", 9 * day, "", 403, 403},
		{`{"DateGreaterThan":{"s3:object-lock-retain-until-date":"` + r.at(5*day) + `"}}`, "GOVERNANCE", 6 * day, "", 403, 403},
		{`{"DateGreaterThan":{"s3:object-lock-retain-until-date":"` + r.at(5*day) + `"}}`, "GOVERNANCE", 4 * day, "", 200, 200},
		{`{"StringEquals":{"s3:object-lock-legal-hold":"ON"}}`, "", 0, "ON", 403, 403},
		{`{"StringEquals":{"s3:object-lock-legal-hold":"ON"}}`, "", 0, "OFF", 200, 200},
	} {
		r.must("PUT", "/photos/fresh", "x")
		r.must("PUT", "/photos/held", "x")
		k := r.user(fmt.Sprint("user ", i), statement("Allow", "", "s3:*", "*"),
			statement("Deny", "", "s3:PutObject s3:PutObjectRetention s3:PutObjectLegalHold", "*", c.condition))
		put, other := write(k, c.mode, c.for_, c.hold)
		if put.status != c.put || other.status != c.other {
			t.Errorf("%s: %s for %v, hold %q: status %d and %d, want %d and %d\n%s\n%s",
				c.condition, c.mode, c.for_, c.hold, put.status, other.status, c.put, c.other, put.body, other.body)
		}
	}
	r.policy(statement("Deny", "*", "s3:PutObject", allARN, `{"StringNotEquals":{"s3:object-lock-mode":"COMPLIANCE"}}`))
	r.want(r.as(r.alice, "PUT", "/photos/a", "x"), 403, "AccessDenied")
}

// TestBypassWithoutLock checks the answer to a bypass where there is no lock.
func TestBypassWithoutLock(t *testing.T) {
	r := newRealm(t)
	body := "<Delete><Object><Key>key</Key></Object></Delete>"
	for _, v := range []string{"true", "false"} {
		for _, a := range []*reply{
			r.as(r.alice, "DELETE", "/photos/key", "", "x-amz-bypass-governance-retention", v),
			r.as(r.alice, "POST", "/photos?delete", body, "Content-Md5", md5Of(body), "x-amz-bypass-governance-retention", v),
		} {
			r.wantMessage(a, 400, "InvalidArgument", "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.")
		}
	}
	r.want(r.as(r.alice, "GET", "/photos/key", ""), 200, "")
}

// TestLockUnseen checks that a policy that asks what a body says of locks is not
// evaded by a body that it cannot see.
func TestLockUnseen(t *testing.T) {
	r := newVault(t, func(c *Config) { c.MinBodyRate, c.BodyGrace = 1<<20, 100*time.Millisecond })
	id := r.putLocked("locked", "x-amz-object-lock-mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", r.at(time.Hour))
	target, body := "/photos/locked?retention&versionId="+id, retention("GOVERNANCE", r.at(time.Minute))
	for permission, bypass := range map[string]string{"s3:PutObjectRetention": "", "s3:BypassGovernanceRetention": "true"} {
		k := r.user(permission, statement("Allow", "", "s3:*", "*"), statement("Deny", "", permission, "*",
			`{"NumericLessThan":{"s3:object-lock-remaining-retention-days":"30"}}`))
		req := &http.Request{Method: "PUT", URL: &url.URL{}, RequestURI: target, Host: r.addr, Header: http.Header{
			"X-Amz-Decoded-Content-Length": {strconv.Itoa(len(body))}, "X-Amz-Trailer": {"x-amz-checksum-crc32"}}}
		if bypass != "" {
			req.Header.Set("X-Amz-Bypass-Governance-Retention", bypass)
		}
		if _, err := sign.NewSigner(k, sign.SignerOptions{Region: testRegion}).Sign(req, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", r.now); err != nil {
			t.Fatal(err)
		}
		framed := fmt.Sprintf("%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n", len(body), body, sumOf(store.CRC32, body))
		r.want(r.send(request{method: "PUT", host: r.addr, target: target, header: req.Header, body: framed}), 400, "InvalidRequest")

		slow := r.signedBy(k, "PUT", target, "", "Content-Md5", md5Of(body), "x-amz-bypass-governance-retention", bypass)
		conn := r.dial()
		defer conn.Close()
		if err := slow.head(len(body)).write(conn); err != nil {
			t.Fatal(err)
		}
		r.want(r.read(bufio.NewReader(conn), "PUT"), 400, "RequestTimeout")
	}
	r.wantLock(r.alice, "locked", "GOVERNANCE", r.at(time.Hour), "")
}
