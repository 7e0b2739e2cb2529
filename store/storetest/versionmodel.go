package storetest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A modelVersion is a version or delete marker in memory.
type modelVersion struct {
	key, id, tag string
	data         []byte
	marker       bool
}

// A versionModel is a bucket in memory: all versions of each key, the newest
// first.
type versionModel struct {
	*suite
	bucket string
	// keyNames are the keys that there may be.
	keyNames *rapid.Generator[string]
	state    store.Versioning
	keys     map[string][]*modelVersion
	n        int // counts bodies, so that each is another
}

func testVersionsModel(s *suite) {
	var round int
	rapid.Check(s.T, func(t *rapid.T) {
		round++
		m := &versionModel{suite: s, keyNames: s.modelKeys(), bucket: fmt.Sprintf("bucket-%d", round), keys: make(map[string][]*modelVersion)}
		s.createBucket(m.bucket)
		t.Repeat(map[string]func(*rapid.T){
			"put":            m.put,
			"delete":         m.delete,
			"delete version": m.deleteVersion,
			"update":         m.update,
			"versioning":     m.setVersioning,
			"list":           m.list,
			"":               m.check,
		})
	})
}

// modelKeys are few, and such that a wrong order or escape shows.
func (s *suite) modelKeys() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"a", s.keyAfter("a"), "a/b", "a/c", "b"})
}

func (m *versionModel) ref(key, id string) daypass.ObjectRef {
	return daypass.ObjectRef{Bucket: m.bucket, Key: key, VersionID: id}
}

func (m *versionModel) current(key string) *modelVersion {
	if vs := m.keys[key]; len(vs) > 0 && !vs[0].marker {
		return vs[0]
	}
	return nil
}

// add makes v the newest version; a null version replaces a null version.
func (m *versionModel) add(v *modelVersion) {
	vs := m.keys[v.key]
	if v.id == store.NullVersion {
		vs = slices.DeleteFunc(vs, func(old *modelVersion) bool { return old.id == store.NullVersion })
	}
	m.keys[v.key] = append([]*modelVersion{v}, vs...)
}

func (m *versionModel) put(t *rapid.T) {
	m.n++
	v := &modelVersion{key: m.keyNames.Draw(t, "key"), data: pattern(m.n, []int{0, 5, 2000}[m.n%3])}
	body, err := store.NewUpload(bytes.NewReader(v.data), store.UploadOptions{Size: -1})
	m.must(err)
	obj, err := m.store.PutObject(m.ctx, &store.PutRequest{Bucket: m.bucket, Key: v.key, Body: body})
	m.must(err)
	v.id = m.newID(t, obj.VersionID)
	m.add(v)
}

// newID checks the id of a version that was just written.
func (m *versionModel) newID(t *rapid.T, id string) string {
	switch {
	case m.state == store.VersioningOff && id == "", m.state == store.VersioningSuspended && id == store.NullVersion:
		return store.NullVersion
	case m.state == store.VersioningEnabled && m.isVersionID(id):
		return id
	}
	t.Fatalf("a version %q while versioning is %q", id, m.state)
	return ""
}

func (m *versionModel) delete(t *rapid.T) {
	key := m.keyNames.Draw(t, "key")
	d, err := m.store.DeleteObject(m.ctx, m.ref(key, ""), store.DeleteOptions{})
	m.must(err)
	if m.state == store.VersioningOff {
		if d != (store.Deleted{}) {
			t.Fatalf("DeleteObject without versioning: %+v", d)
		}
		delete(m.keys, key)
		return
	}
	if !d.DeleteMarker {
		t.Fatalf("DeleteObject: %+v", d)
	}
	if vs := m.keys[key]; m.has(OneMarker) && len(vs) > 0 && vs[0].marker && (m.state == store.VersioningEnabled || d.VersionID == vs[0].id) {
		if d.VersionID != vs[0].id {
			t.Fatalf("DeleteObject below the marker %q: %+v", vs[0].id, d)
		}
		return
	}
	m.add(&modelVersion{key: key, id: m.newID(t, d.VersionID), marker: true})
}

// anyVersion draws a version of a key, or one that is not there.
func (m *versionModel) anyVersion(t *rapid.T, key string) (v *modelVersion, id string) {
	ids := []string{store.NullVersion, strings.Repeat("z", 32), strings.Repeat("0", 32)}
	for _, v := range m.keys[key] {
		ids = append(ids, v.id, v.id)
	}
	id = rapid.SampledFrom(ids).Draw(t, "version")
	i := slices.IndexFunc(m.keys[key], func(v *modelVersion) bool { return v.id == id })
	if i < 0 {
		return nil, id
	}
	return m.keys[key][i], id
}

func (m *versionModel) deleteVersion(t *rapid.T) {
	key := m.keyNames.Draw(t, "key")
	v, id := m.anyVersion(t, key)
	d, err := m.store.DeleteObject(m.ctx, m.ref(key, id), store.DeleteOptions{})
	m.must(err)
	want := store.Deleted{VersionID: id, DeleteMarker: v != nil && v.marker}
	if m.has(UntoldMarkers) && id == store.NullVersion {
		d.DeleteMarker = want.DeleteMarker
	}
	if d != want {
		t.Fatalf("DeleteObject of version %q: %+v, want %+v", id, d, want)
	}
	m.keys[key] = slices.DeleteFunc(m.keys[key], func(old *modelVersion) bool { return old == v })
}

func (m *versionModel) update(t *rapid.T) {
	key := m.keyNames.Draw(t, "key")
	v, id := m.anyVersion(t, key)
	tags := []store.Tag{{Key: "n", Value: fmt.Sprint(m.n)}}
	_, err := m.store.UpdateObject(m.ctx, m.ref(key, id), store.Update{Tags: &tags})
	if want := wantedCode(v); daypass.CodeOf(err) != want {
		t.Fatalf("UpdateObject of version %q: %v, want %q", id, err, want)
	}
	if v != nil && !v.marker {
		v.tag = tags[0].Value
	}
}

// wantedCode returns what naming a version yields.
func wantedCode(v *modelVersion) daypass.Code {
	switch {
	case v == nil:
		return daypass.NoSuchVersion
	case v.marker:
		return daypass.MethodNotAllowed
	}
	return ""
}

func (m *versionModel) setVersioning(t *rapid.T) {
	m.state = rapid.SampledFrom([]store.Versioning{store.VersioningEnabled, store.VersioningSuspended}).Draw(t, "state")
	m.must(m.store.SetVersioning(m.ctx, m.bucket, m.state))
}

// check compares every key and version with the model.
func (m *versionModel) check(t *rapid.T) {
	for key, vs := range m.keys {
		obj, err := m.store.Object(m.ctx, m.ref(key, ""))
		switch cur := m.current(key); {
		case cur != nil:
			m.compare(t, cur, obj, err, true)
		case daypass.CodeOf(err) != daypass.NoSuchKey, (obj != nil) != (len(vs) > 0):
			t.Fatalf("Object of the deleted %q: %+v, %v", key, obj, err)
		}
		for i, v := range vs {
			obj, data, err := m.getRef(m.ref(key, v.id))
			if code := wantedCode(v); code != "" {
				if daypass.CodeOf(err) != code {
					t.Fatalf("version %q of %q: %v, want %s", v.id, key, err, code)
				}
				continue
			}
			m.compare(t, v, obj, err, i == 0)
			if !bytes.Equal(data, v.data) {
				t.Fatalf("version %q of %q holds other bytes", v.id, key)
			}
		}
	}
}

func (m *versionModel) compare(t *rapid.T, v *modelVersion, obj *store.Object, err error, latest bool) {
	m.must(err)
	var tag string
	if len(obj.Tags) > 0 {
		tag = obj.Tags[0].Value
	}
	if cmp.Or(obj.VersionID, store.NullVersion) != v.id || obj.IsLatest != latest && !m.has(NotLatest) || tag != v.tag ||
		obj.Size != int64(len(v.data)) {
		t.Fatalf("version %q of %q, latest %v: got %+v", v.id, v.key, latest, obj)
	}
}

// list compares a listing, whole and page by page, with the model.
func (m *versionModel) list(t *rapid.T) {
	req := store.VersionsRequest{
		Bucket:    m.bucket,
		Prefix:    rapid.SampledFrom([]string{"", "", "a", "a/", "b"}).Draw(t, "prefix"),
		Delimiter: rapid.SampledFrom([]string{"", "/", "\x00"}).Draw(t, "delimiter"),
		KeyMarker: rapid.SampledFrom([]string{"", "", "a", "a/", "a/b", "c"}).Draw(t, "key marker"),
		Max:       rapid.IntRange(1, 6).Draw(t, "max"),
	}
	want := m.modelPage(req)
	got := &store.VersionsPage{}
	for pages := 0; ; pages++ {
		page, err := m.store.ListVersions(m.ctx, req)
		m.must(err)
		got.Versions = append(got.Versions, page.Versions...)
		got.CommonPrefixes = append(got.CommonPrefixes, page.CommonPrefixes...)
		if n := len(page.Versions) + len(page.CommonPrefixes); n > req.Max || page.Truncated && n < req.Max || pages > 100 {
			t.Fatalf("page %d of %+v holds %d entries, truncated %v", pages, req, n, page.Truncated)
		}
		if !page.Truncated {
			break
		}
		req.KeyMarker, req.VersionMarker = page.NextKey, page.NextVersion
	}
	if diff := gocmp.Diff(identify(want), identify(got)); diff != "" {
		t.Fatalf("all pages of %+v (-want +got):\n%s", req, diff)
	}
	m.listObjects(t)
}

// identify writes a page with the ids of its versions.
func identify(p *store.VersionsPage) []string {
	words := showVersions(p)
	for i, v := range p.Versions {
		words[i] += " " + cmp.Or(v.VersionID, store.NullVersion)
	}
	return words
}

// modelPage is all that a listing must return, on one page.
func (m *versionModel) modelPage(req store.VersionsRequest) *store.VersionsPage {
	page := &store.VersionsPage{}
	keys := make([]string, 0, len(m.keys))
	for key := range m.keys {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, req.Prefix)
		if !ok || key <= req.KeyMarker || len(m.keys[key]) == 0 {
			continue
		}
		if i := strings.Index(rest, req.Delimiter); req.Delimiter != "" && i >= 0 {
			cp := key[:len(req.Prefix)+i+len(req.Delimiter)]
			if !slices.Contains(page.CommonPrefixes, cp) && !strings.HasPrefix(req.KeyMarker, cp) {
				page.CommonPrefixes = append(page.CommonPrefixes, cp)
			}
			continue
		}
		for i, v := range m.keys[key] {
			page.Versions = append(page.Versions, &store.Object{
				Key: key, VersionID: v.id, Size: int64(len(v.data)), DeleteMarker: v.marker, IsLatest: i == 0,
			})
		}
	}
	return page
}

// listObjects compares the listing of objects with the model.
func (m *versionModel) listObjects(t *rapid.T) {
	var want, got []string
	for key := range m.keys {
		if m.current(key) != nil {
			want = append(want, key)
		}
	}
	slices.Sort(want)
	page, err := m.store.ListObjects(m.ctx, store.ListRequest{Bucket: m.bucket, Max: 100})
	m.must(err)
	for _, o := range page.Objects {
		got = append(got, o.Key)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("ListObjects (-want +got):\n%s", diff)
	}
}
