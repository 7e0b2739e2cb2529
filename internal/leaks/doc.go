// Package leaks finds pre-signed URLs of any S3 in text and other bytes, also
// where they are escaped for JSON, HTML, a shell, e-mail or the query of
// another URL. It reads a stream once, in bounded memory, with lines of any
// length.
package leaks
