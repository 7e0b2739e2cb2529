package state_test

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

func TestCreateKeyRandom(t *testing.T) {
	f := open(t)
	id := regexp.MustCompile(`^DPAK[A-Z2-7]{16}$`)
	secret := regexp.MustCompile(`^[A-Za-z0-9]{40}$`)
	seen := map[string]bool{}
	for range 20 {
		k := f.create(t, state.NewKey{Name: "ci"})
		if !id.MatchString(k.ID) || !secret.MatchString(string(k.Secret)) {
			t.Errorf("made %q with a secret of %d characters", k.ID, len(k.Secret))
		}
		if seen[k.ID] || seen[string(k.Secret)] {
			t.Errorf("%s or its secret came twice", k.ID)
		}
		seen[k.ID], seen[string(k.Secret)] = true, true
		if k.DisabledAt, k.DisabledBy = (time.Time{}), ""; k.Disabled {
			k.DisabledAt, k.DisabledBy = f.clock.now().UTC(), "admin"
		}
		if k.DisabledAt, k.DisabledBy = (time.Time{}), ""; k.Disabled {
			k.DisabledAt, k.DisabledBy = f.clock.now().UTC(), "admin"
		}
		got, err := f.AccessKey(t.Context(), k.ID)
		if diff := cmp.Diff(k, got); err != nil || diff != "" {
			t.Errorf("AccessKey: %v (-made +got):\n%s", err, diff)
		}
	}
}

func TestCreateKeyFields(t *testing.T) {
	f := open(t)
	berlin := time.FixedZone("", 3600)
	expires := time.Date(2027, 1, 1, 0, 0, 0, 123_456_789, berlin)
	got := f.create(t, state.NewKey{Name: "Ümläut", Owner: "team-a", Expires: expires, ID: "AK+IA", Secret: "a secret"})
	want := daypass.AccessKey{
		ID: "AK+IA", Secret: "a secret", Name: "Ümläut", Owner: "team-a",
		Created: f.clock.now().UTC(), Expires: time.Date(2026, 12, 31, 23, 0, 0, 123_456_000, time.UTC),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("CreateKey (-want +got):\n%s", diff)
	}
	if k := f.create(t, state.NewKey{}); k.Owner != state.DefaultOwner || !k.Expires.IsZero() {
		t.Errorf("defaults: owner %q, expires %v", k.Owner, k.Expires)
	}
}

func TestCreateKeyRules(t *testing.T) {
	f := open(t)
	long := strings.Repeat("x", 257)
	for _, c := range []struct {
		what string
		key  state.NewKey
		want daypass.Code
	}{
		{"MinIO's shortest id", state.NewKey{ID: "abc", Secret: "12345678"}, ""},
		{"longest", state.NewKey{ID: long[:128], Secret: daypass.Secret(long[:256])}, ""},
		{"id with punctuation", state.NewKey{ID: "user:sub+key@host_-.~%", Secret: "12345678"}, ""},
		{"secret with punctuation", state.NewKey{ID: "id1", Secret: "wJalr/XUtn+FEMI=K7MDENG"}, ""},
		{"secret beyond ASCII", state.NewKey{ID: "id2", Secret: "schlüssel mit ß"}, ""},
		{"id of 2", state.NewKey{ID: "ab", Secret: "12345678"}, daypass.InvalidArgument},
		{"id of 129", state.NewKey{ID: long[:129], Secret: "12345678"}, daypass.InvalidArgument},
		{"id with slash", state.NewKey{ID: "a/bc", Secret: "12345678"}, daypass.InvalidArgument},
		{"id with comma", state.NewKey{ID: "a,bc", Secret: "12345678"}, daypass.InvalidArgument},
		{"id with equals", state.NewKey{ID: "a=bc", Secret: "12345678"}, daypass.InvalidArgument},
		{"id with space", state.NewKey{ID: "a bc", Secret: "12345678"}, daypass.InvalidArgument},
		{"id with newline", state.NewKey{ID: "abc\n", Secret: "12345678"}, daypass.InvalidArgument},
		{"id beyond ASCII", state.NewKey{ID: "schlüssel", Secret: "12345678"}, daypass.InvalidArgument},
		{"secret of 7", state.NewKey{ID: "id3", Secret: "1234567"}, daypass.InvalidArgument},
		{"secret of 257", state.NewKey{ID: "id3", Secret: daypass.Secret(long)}, daypass.InvalidArgument},
		{"secret with newline", state.NewKey{ID: "id3", Secret: "12345678\n"}, daypass.InvalidArgument},
		{"secret with space behind", state.NewKey{ID: "id3", Secret: "12345678 "}, daypass.InvalidArgument},
		{"id alone", state.NewKey{ID: "id3"}, daypass.InvalidArgument},
		{"secret alone", state.NewKey{Secret: "12345678"}, daypass.InvalidArgument},
		{"long name", state.NewKey{Name: strings.Repeat("ß", 129)}, daypass.InvalidArgument},
		{"name of 128 characters", state.NewKey{Name: strings.Repeat("ß", 128)}, ""},
		{"name with newline", state.NewKey{Name: "a\nb"}, daypass.InvalidArgument},
		{"name that is not UTF-8", state.NewKey{Name: "\xff"}, daypass.InvalidArgument},
		{"owner with space", state.NewKey{Owner: "a b"}, daypass.InvalidArgument},
		{"long owner", state.NewKey{Owner: long[:129]}, daypass.InvalidArgument},
		{"expired", state.NewKey{Expires: f.clock.now()}, daypass.InvalidArgument},
		{"taken", state.NewKey{ID: "abc", Secret: "another one"}, daypass.AccessKeyAlreadyExists},
	} {
		_, err := f.CreateKey(t.Context(), c.key)
		wantCode(t, c.what, err, c.want)
		if err != nil && c.key.Secret != "" && strings.Contains(err.Error(), string(c.key.Secret)) {
			t.Errorf("%s: the error repeats the secret", c.what)
		}
	}
}

func TestAccessKeyCached(t *testing.T) {
	f := open(t)
	k := f.create(t, state.NewKey{})
	look := func(want int64, why string) {
		t.Helper()
		if _, err := f.AccessKey(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		if got := f.driver.lookups.Swap(0); got != want {
			t.Errorf("%s: %d look-ups, want %d", why, got, want)
		}
	}
	look(1, "first")
	look(0, "second")
	f.clock.advance(999 * time.Millisecond)
	look(0, "just before a second")
	f.clock.advance(time.Millisecond)
	look(1, "after a second")
	if err := f.SetKeyDisabled(t.Context(), k.ID, true, "admin"); err != nil {
		t.Fatal(err)
	}
	f.driver.lookups.Store(0)
	look(1, "after a change")
}

func TestAccessKeySeesChangesAtOnce(t *testing.T) {
	f := open(t)
	k := f.create(t, state.NewKey{})
	for _, k.Disabled = range []bool{false, true, false} {
		if err := f.SetKeyDisabled(t.Context(), k.ID, k.Disabled, "admin"); err != nil {
			t.Fatal(err)
		}
		if k.DisabledAt, k.DisabledBy = (time.Time{}), ""; k.Disabled {
			k.DisabledAt, k.DisabledBy = f.clock.now().UTC(), "admin"
		}
		got, err := f.AccessKey(t.Context(), k.ID)
		if diff := cmp.Diff(k, got); err != nil || diff != "" {
			t.Errorf("AccessKey: %v (-want +got):\n%s", err, diff)
		}
	}
	if err := f.DeleteKey(t.Context(), k.ID); err != nil {
		t.Fatal(err)
	}
	_, err := f.AccessKey(t.Context(), k.ID)
	wantCode(t, "AccessKey", err, daypass.NoSuchAccessKey)
}

// A key that was read before a change must not enter the cache after it.
func TestAccessKeyRacingChange(t *testing.T) {
	f := open(t)
	k := f.create(t, state.NewKey{})
	f.driver.afterRead = func() {
		// straight to the driver's copy, then through the State
		if err := f.DeleteKey(t.Context(), k.ID); err != nil {
			t.Error(err)
		}
	}
	if _, err := f.AccessKey(t.Context(), k.ID); err != nil {
		t.Fatal(err)
	}
	_, err := f.AccessKey(t.Context(), k.ID)
	wantCode(t, "AccessKey after the deletion", err, daypass.NoSuchAccessKey)
}

// Expired keys are returned: the caller knows what to say about them.
func TestAccessKeyExpired(t *testing.T) {
	f := open(t)
	k := f.create(t, state.NewKey{Expires: f.clock.now().Add(time.Minute)})
	f.clock.advance(time.Hour)
	got, err := f.AccessKey(t.Context(), k.ID)
	if err != nil || !got.Expires.Equal(k.Expires) {
		t.Errorf("AccessKey: %v, %v", got, err)
	}
}

func TestAccessKeyUnknown(t *testing.T) {
	f := open(t)
	for id, lookups := range map[string]int64{"DPAKUNKNOWN": 1, "": 0, "ab": 0, "a/b/c": 0, "nul\x00": 0, strings.Repeat("x", 129): 0} {
		f.driver.lookups.Store(0)
		_, err := f.AccessKey(t.Context(), id)
		wantCode(t, fmt.Sprintf("AccessKey(%q)", id), err, daypass.NoSuchAccessKey)
		if got := f.driver.lookups.Load(); got != lookups {
			t.Errorf("AccessKey(%q) asked the driver %d times, want %d", id, got, lookups)
		}
	}
}

func TestListKeys(t *testing.T) {
	f := open(t)
	for i := range 5 {
		f.create(t, state.NewKey{ID: fmt.Sprint("key", i), Secret: "a long secret"})
	}
	var got []string
	after, more := "", true
	for more {
		var page []daypass.AccessKey
		var err error
		page, more, err = f.ListKeys(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range page {
			got = append(got, k.ID)
			if k.Secret != "" {
				t.Errorf("%s was listed with its secret", k.ID)
			}
		}
		after = got[len(got)-1]
		got = append(got, "|")
	}
	want := []string{"key0", "key1", "|", "key2", "key3", "|", "key4", "|"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	if all, more, err := f.ListKeys(t.Context(), "", 0); len(all) != 5 || more || err != nil {
		t.Errorf("without a maximum: %d keys, more %v, %v", len(all), more, err)
	}
	if _, more, _ := f.ListKeys(t.Context(), "", 5); more {
		t.Error("more after a page that just fits")
	}
}

func TestChangeUnknownKey(t *testing.T) {
	f := open(t)
	wantCode(t, "DeleteKey", f.DeleteKey(t.Context(), "unknown"), daypass.NoSuchAccessKey)
	wantCode(t, "disable", f.SetKeyDisabled(t.Context(), "unknown", true, "admin"), daypass.NoSuchAccessKey)
	wantCode(t, "enable", f.SetKeyDisabled(t.Context(), "unknown", false, "admin"), daypass.NoSuchAccessKey)
}

// TestAccessKeyAbsent: the driver is asked once for an id that no key has, and
// again as soon as keys have changed here.
func TestAccessKeyAbsent(t *testing.T) {
	f := open(t)
	const id = "AKIALATECOMER"
	other := f.create(t, state.NewKey{})
	ask := func(want daypass.Code, lookups int64) {
		t.Helper()
		f.driver.lookups.Store(0)
		_, err := f.AccessKey(t.Context(), id)
		wantCode(t, "AccessKey", err, want)
		if got := f.driver.lookups.Load(); got != lookups {
			t.Errorf("the driver was asked %d times, want %d", got, lookups)
		}
	}
	ask(daypass.NoSuchAccessKey, 1)
	ask(daypass.NoSuchAccessKey, 0)
	if err := f.DeleteKey(t.Context(), other.ID); err != nil {
		t.Fatal(err)
	}
	ask(daypass.NoSuchAccessKey, 1)
	f.create(t, state.NewKey{ID: id, Secret: "late secret"})
	ask("", 1)
	ask("", 0)
	if err := f.DeleteKey(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	ask(daypass.NoSuchAccessKey, 1)
	ask(daypass.NoSuchAccessKey, 0)
}

func TestErrorsNameOperationAndCause(t *testing.T) {
	f := open(t)
	f.driver.insertErr = errors.New("disk on fire")
	_, err := f.CreateKey(t.Context(), state.NewKey{})
	var e *daypass.Error
	if !errors.As(err, &e) || e.Op != "state.CreateKey" || e.Code != daypass.InternalError || !errors.Is(err, f.driver.insertErr) {
		t.Errorf("CreateKey: %#v", err)
	}
	_, err = f.AccessKey(t.Context(), "unknown")
	if got, want := err.Error(), "state.AccessKey: sqlstate.Key: NoSuchAccessKey"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

func TestLogsHoldNoSecret(t *testing.T) {
	f := open(t)
	k := f.create(t, state.NewKey{})
	var log strings.Builder
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		l := slog.New(h)
		l.Info("key", "key", k, "new", state.NewKey{Secret: k.Secret}, "master", masterKey)
		l.Info("nested", "keys", []any{k, &k, masterKey})
	}
	fmt.Fprintf(&log, "%v %+v %#v %s %x %d", masterKey, masterKey, masterKey, masterKey, masterKey, masterKey)
	if strings.Contains(log.String(), string(k.Secret)) {
		t.Errorf("the secret was logged:\n%s", log.String())
	}
	for _, form := range []string{string(masterKey[:]), "[77 65", "4d4153544552", "4D4153544552", "TUFTVEVS"} {
		if strings.Contains(log.String(), form) {
			t.Errorf("the master key was logged as %s:\n%s", form, log.String())
		}
	}
}

func BenchmarkAccessKeyHit(b *testing.B) {
	f := open(b)
	s, err := state.Open(b.Context(), f.driver, masterKey, state.Options{}) // the real clock
	if err != nil {
		b.Fatal(err)
	}
	id := f.create(b, state.NewKey{}).ID
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.AccessKey(b.Context(), id); err != nil {
				b.Error(err)
			}
		}
	})
}

func TestAccessKeyHitAllocates(t *testing.T) {
	f := open(t)
	id := f.create(t, state.NewKey{}).ID
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { f.AccessKey(ctx, id) }); n != 0 {
		t.Errorf("a hit allocates %v times", n)
	}
}

// TestDisabledSince checks that what is known of a disabled key is when it was
// disabled first, and by whom.
func TestDisabledSince(t *testing.T) {
	f := open(t)
	k, first := f.create(t, state.NewKey{}), f.clock.now()
	for _, c := range []struct {
		disabled bool
		by       string
		at       time.Time
		wantBy   string
	}{{true, "one", first, "one"}, {true, "two", first, "one"}, {false, "two", time.Time{}, ""}} {
		if err := f.SetKeyDisabled(t.Context(), k.ID, c.disabled, c.by); err != nil {
			t.Fatal(err)
		}
		got, err := f.AccessKey(t.Context(), k.ID)
		if err != nil || !got.DisabledAt.Equal(c.at) || got.DisabledBy != c.wantBy || got.Disabled != c.disabled {
			t.Errorf("%+v, %v", got, err)
		}
		f.clock.advance(time.Minute)
	}
}
