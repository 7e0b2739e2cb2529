// Package lifecycle carries out the lifecycle rules of buckets: it finds out
// what the rules say of an object, version or upload (Rules, which is pure), and
// removes in the background what has had its day (Worker).
package lifecycle
