package cluster

import "testing"

// TestCluster starts everything once and runs all parts over it, one after the
// other: they share two cores, and break each other's engines.
func TestCluster(t *testing.T) {
	r := startRig(t)
	t.Run("Conformance", r.conformance)
	t.Run("Clients", r.clients)
	t.Run("Chaos", r.chaos)
}
