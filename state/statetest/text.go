package statetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

func textCases() []testCase {
	return []testCase{
		{"TextRefused", testTextRefused},
		{"TextNotFound", testTextNotFound},
	}
}

// badTexts are what PostgreSQL cannot keep as text, so that no driver does.
func badTexts() []string { return []string{"a\x00b", "\x00", "a\xffb", "\xed\xa0\x80"} }

// testTextRefused writes bad text to every field.
func testTextRefused(t *testing.T, d state.Driver) {
	insert(t, d, key("good"))
	for _, bad := range badTexts() {
		for name, err := range badWrites(t, d, bad) {
			wantCode(t, fmt.Sprintf("%s of %q", name, bad), err, daypass.InvalidArgument)
		}
	}
	wantKey(t, d, key("good"))
	wantVersions(t, d, 0)
	if keys, err := d.ListKeys(t.Context(), "", 10); len(keys) != 1 || err != nil {
		t.Errorf("%d keys, %v; want 1", len(keys), err)
	}
	if list, err := d.ListPasses(t.Context(), state.PassFilter{}, "", 10); len(list) != 0 || err != nil {
		t.Errorf("passes %v, %v", list, err)
	}
}

func badWrites(t *testing.T, d state.Driver, bad string) map[string]error {
	ctx := t.Context()
	errs := map[string]error{
		"SetKeyPolicy":          d.SetKeyPolicy(ctx, "good", bad),
		"SetBucketSetting id":   d.SetBucketSetting(ctx, bad, "n", []byte{}),
		"SetBucketSetting name": d.SetBucketSetting(ctx, "b", bad, []byte{}),
		"UpdateEntry": d.UpdateEntry(ctx, bad, func(*state.EntryRecord) (*state.EntryRecord, error) {
			return &state.EntryRecord{ID: bad}, nil
		}),
	}
	errs["SetSetting"] = d.SetSetting(ctx, bad, []byte{})
	_, errs["InitSetting"] = d.InitSetting(ctx, bad, []byte{})
	for i, k := range []state.KeyRecord{{ID: bad}, {Owner: bad}, {Name: bad}, {Policy: bad}} {
		k.Root = true
		errs[fmt.Sprint("InsertKey ", i)] = d.InsertKey(ctx, k)
		errs[fmt.Sprint("ReplaceRoot ", i)] = d.ReplaceRoot(ctx, k)
	}
	for i, r := range []state.RevocationRecord{{ID: bad}, {Pass: bad}, {Name: bad}, {Owner: bad}, {Key: bad}, {Bucket: bad}, {Prefix: bad}, {Creator: bad}} {
		_, errs[fmt.Sprint("InsertRevocation ", i)] = d.InsertRevocation(ctx, r)
	}
	for i, p := range []state.PassRecord{{ID: bad}, {Name: bad}, {Key: bad}, {Owner: bad}, {Action: bad}, {Bucket: bad}, {Object: bad}, {Limits: bad}} {
		errs[fmt.Sprint("AddPasses ", i)] = d.AddPasses(ctx, []state.PassRecord{pass("fine"), p})
	}
	for i, l := range []state.LinkRecord{{ID: bad}, {Key: bad}, {Owner: bad}} {
		errs[fmt.Sprint("InsertLink ", i)] = d.InsertLink(ctx, l)
	}
	return errs
}

// testTextNotFound asks for what cannot exist: clients may.
func testTextNotFound(t *testing.T, d state.Driver) {
	ctx := t.Context()
	for _, bad := range badTexts() {
		_, err := d.Key(ctx, bad)
		wantCode(t, "Key", err, daypass.NoSuchAccessKey)
		wantCode(t, "DeleteKey", d.DeleteKey(ctx, bad), daypass.NoSuchAccessKey)
		wantCode(t, "SetKeyDisabled", d.SetKeyDisabled(ctx, bad, true, time.Unix(1, 0), "x"), daypass.NoSuchAccessKey)
		_, err = d.Link(ctx, bad)
		wantCode(t, "Link", err, daypass.NoSuchLink)
		wantCode(t, "DeleteLink", d.DeleteLink(ctx, bad), daypass.NoSuchLink)
		wantPass(t, d, bad, nil)
		if e, err := d.Entry(ctx, bad); e != nil || err != nil {
			t.Errorf("Entry: %v, %v", e, err)
		}
		if v, err := d.Setting(ctx, bad); v != nil || err != nil {
			t.Errorf("Setting: %v, %v", v, err)
		}
		if m, err := d.BucketSettings(ctx, bad); len(m) != 0 || err != nil {
			t.Errorf("BucketSettings: %v, %v", m, err)
		}
		if has, err := d.HasBucketSetting(ctx, bad); has || err != nil {
			t.Errorf("HasBucketSetting: %v, %v", has, err)
		}
		if n, err := d.LiftRevocations(ctx, []string{bad}, moment(0)); n != 0 || err != nil {
			t.Errorf("LiftRevocations: %d, %v", n, err)
		}
	}
}
