// Package s3 is the wire of the S3 API without any I/O: the table of actions,
// the table of errors, XML bodies, and the names and forms of headers.
//
// Names, messages and the order of elements are those of the S3 API reference
// and, where that is silent, of what S3 was seen to answer.
package s3
