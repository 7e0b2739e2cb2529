// Measure prints the figures that the simulation is fed with and checked
// against: it starts nodes, sends them requests from clients that each wait for
// an answer, and tells what was served and what processor time it took.
//
//	make build
//	go run ./internal/scalesim/measure -mix get=1
//	go run ./internal/scalesim/measure -nodes 3 -quota 0.2 -mix get=0.9,counted=0.1
//
// Clients, nodes and whatever the nodes need share the machine. So it counts
// the processor time of processes, which others on the machine disturb little,
// and -quota keeps nodes to a part of a core each, so that they and not the
// clients are what is busy. Linux only.
package main
