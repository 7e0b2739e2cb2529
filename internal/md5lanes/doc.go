// Package md5lanes computes the MD5 (RFC 1321) of many streams at a time.
//
// Each step of MD5 waits for the one before, so that one stream leaves most of
// a processor idle. With SIMD the same steps take up to 16 streams along: four
// cost about a third more than one. A [Pool] brings together whatever streams
// are under way. There is no goroutine of its own and nobody waits for company:
// a [Hash] takes a piece of its stream on credit (Start), and whoever needs its
// result (Wait) hashes it, with what the others have started meanwhile in the
// other lanes. So a stream that stalls costs the others nothing.
//
// One stream alone, and a processor without a kernel, is hashed by crypto/md5.
package md5lanes

//go:generate sh -c "go run ./gen > kernel_amd64.s"
