// Command growth measures how the cost of a server grows with what it holds:
// listing, reading, writing and starting over stores of thousands to millions
// of objects, connections by the thousand, small reads beside large ones, and
// an object of a tebibyte.
//
// It builds the program, makes the stores with diskstore.Loader, starts the
// program over each and speaks to it over HTTP, through pre-signed URLs. It
// prints a table in Markdown and writes it, and the same as JSON, to
// .build/bench/growth.md and .build/bench/growth.json.
//
//	go run ./internal/bench/growth -objects 1000000
//
// A store of ten million objects takes many minutes to make and 5 GiB of disk;
// -stores keeps it for the next run.
package main
