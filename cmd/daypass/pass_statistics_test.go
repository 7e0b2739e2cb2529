package main

import (
	"testing"

	"github.com/daypass/daypass/state"
)

type sightings []string

func (s *sightings) Seen(p *state.Sighting) { *s = append(*s, p.ID) }

// TestLimitedPasses notes passes that have limits or a name, and no others.
func TestLimitedPasses(t *testing.T) {
	var seen sightings
	l := limitedPasses{&seen}
	for _, p := range []state.Sighting{{ID: "plain"}, {ID: "named", Name: "for Ann"}, {ID: "counted", Limits: "x-daypass-uses=1"}} {
		l.Seen(&p)
	}
	if len(seen) != 2 || seen[0] != "named" || seen[1] != "counted" {
		t.Errorf("noted %q", seen)
	}
}

// TestPassStatistics takes the words of the flag, and no others.
func TestPassStatistics(t *testing.T) {
	for _, which := range []string{"all", "limited", "off"} {
		if r, err := passStatistics(which, &state.State{}); err != nil || (r == nil) != (which == "off") {
			t.Errorf("%s: %v, %v", which, r, err)
		}
	}
	if _, err := passStatistics("none", nil); err == nil {
		t.Error("an unknown word is taken")
	}
}
