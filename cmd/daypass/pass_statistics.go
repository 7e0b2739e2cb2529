package main

import (
	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/state"
)

// passStatistics returns what notes which passes were seen: all of them, which is
// the default, those with limits or a name, or none. Each pass that is noted is a row in state, also
// one that never asks state otherwise.
func passStatistics(which string, s *state.State) (server.PassRecorder, error) {
	switch which {
	case "all", "":
		return s, nil
	case "limited":
		return limitedPasses{s}, nil
	case "off":
		return nil, nil
	}
	return nil, usagef("--pass-statistics is all, limited or off, not %q", which)
}

// limitedPasses notes passes with limits or a name.
type limitedPasses struct{ next server.PassRecorder }

// Seen implements server.PassRecorder.
func (l limitedPasses) Seen(p *state.Sighting) {
	if p.Limits != "" || p.Name != "" {
		l.next.Seen(p)
	}
}
