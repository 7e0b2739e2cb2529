// Package bench puts an S3 endpoint, or any HTTP server, under load and tells
// how fast it answered and what that cost it: it is the engine of
// `daypass bench` and of `make bench`.
//
// The client is made to be cheap, since it often shares a machine with the server
// that it measures: requests are built and signed before their time
// counts, go over raw keep-alive connections of HTTP/1.1, and answers are read
// by a small strict parser. Latencies go into HDR histograms; in open loop they
// count from when a request was meant to start, so that a server that stalls is
// not asked less while it does ("coordinated omission").
package bench
