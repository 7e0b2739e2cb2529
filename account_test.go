package daypass_test

import (
	"strings"
	"testing"

	"github.com/daypass/daypass"
)

// The names of accounts stand in policies and access control lists that
// people keep, so they must never change.
func TestAccountNames(t *testing.T) {
	for owner, want := range map[string][2]string{
		"daypass":                {"", ""},
		"123456789012":           {"123456789012", ""},
		strings.Repeat("a1", 32): {"", strings.Repeat("a1", 32)},
	} {
		id, canonical := daypass.AccountID(owner), daypass.CanonicalID(owner)
		if len(id) != 12 || !daypass.IsCanonicalID(canonical) {
			t.Errorf("%s: %s, %s", owner, id, canonical)
		}
		if want[0] != "" && id != want[0] || want[1] != "" && canonical != want[1] {
			t.Errorf("%s: %s, %s, want %v", owner, id, canonical, want)
		}
		for _, name := range []string{owner, id, canonical} {
			if !daypass.NamesAccount(owner, name) {
				t.Errorf("%s does not name %s", name, owner)
			}
		}
		if daypass.NamesAccount(owner, "") || daypass.NamesAccount(owner, "other") {
			t.Errorf("%s is named by others", owner)
		}
	}
	if daypass.AccountID("daypass") != "696484413096" || daypass.CanonicalID("daypass") != "e016cf3b89a9d84c778caddc8638c004e88139bceae177ee4c47fd74fe44a41a" {
		t.Errorf("the names of the account daypass changed: %s, %s", daypass.AccountID("daypass"), daypass.CanonicalID("daypass"))
	}
}
