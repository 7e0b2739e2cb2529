// Package audit turns events into what people and tools read: lines in the
// format of S3 server access logs, JSON, and (in audit/trail) records in the
// shape of CloudTrail. Package audit/spool keeps events on disk until every
// sink has them, and audit/bucketlog delivers the lines of buckets to buckets.
//
// # What is never recorded
//
// A whole signature, a session token, a PIN or a secret. Redact takes them out
// of anything that a client sends, keeping nothing of the value: a prefix would
// help nobody, since a pass is known by its id. Clean applies that to every
// text of an event and bounds its length; the spool does so before an event
// reaches the disk, so whatever reads a spool reads clean events.
//
// # Where the id of a pass is
//
// The id of a pass is a hash of its signature (sign.Result.PassID), so it
// cannot be found from a redacted URI, and the 27 fields of an access log have
// no place for it. Therefore the spool, whose records are whole events with
// Grant.PassID and Grant.Name, is what Daypass itself reads; access-log lines
// are an export for other tools, exactly as AWS writes them. A line still shows
// the name of a pass, as the parameter x-daypass-name of its Request-URI.
package audit
