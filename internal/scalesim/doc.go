// Scalesim predicts what a Daypass deployment of many nodes carries. It is a
// discrete-event simulation of clients, a load balancer, nodes with their
// caches, the shards of state and the upstream store, and it is fed with
// figures that were measured (measurements.json).
//
//	go run ./internal/scalesim -plan -rate 100000
//	go run ./internal/scalesim -nodes 3 -clients 64 -mix get=1
//	go run ./internal/scalesim -help
//
// Times are seconds everywhere, as float64. The same seed gives the same
// output. What it models, and how far it can be trusted, is in docs/scale.md.
package main
