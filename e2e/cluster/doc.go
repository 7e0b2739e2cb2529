// Package cluster proves what Daypass promises beyond one machine. Three nodes
// run behind HAProxy, over a Ceph cluster with three OSDs and two gateways and
// a PostgreSQL primary with a synchronous standby, all on loopback. Real
// clients use them; then, under load, parts of it are killed, cut off and
// restarted, and what was acknowledged is compared with what is there.
//
// make test-cluster runs it; docs/cluster-tests.md says what is checked.
package cluster
