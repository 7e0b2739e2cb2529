// Package s3store is a store.Driver over an upstream S3: Ceph's gateway, AWS S3,
// Daypass itself or any other engine that has conditional writes. A node keeps
// nothing of its own, so that any number of nodes work over one upstream.
//
// # Where things lie
//
// Every bucket of Daypass is an upstream bucket of its own (one to one), or all
// lie in one upstream bucket, the objects of bucket NAME below PREFIX NAME "/".
// In one bucket there are no versions and no object lock, and keys are shorter
// by what goes before them.
//
// What belongs to Daypass alone lies in control objects: in a bucket of their
// own, or below PREFIX ".daypass/" of the one bucket.
//
//	buckets/NAME   the record of a bucket: its id, owner, region, creation and
//	               phase. It is changed only by compare and swap (If-None-Match,
//	               If-Match), and stays after the bucket's deletion.
//	uploads/...    what the upstream does not keep of multipart uploads.
//
// An upstream bucket without a record gets one when it is first asked for.
//
// What S3 has no header for (owner, ACL, checksums that the upstream does not
// keep, and header values that are not plain ASCII) goes with the object in the
// user-defined metadata "daypass". Clients never see it, and are refused when
// they send it.
//
// # What is acknowledged
//
// A write is acknowledged once the upstream has acknowledged it and its bucket is
// known not to have been deleted meanwhile (see settle in record.go). A request
// whose body breaks off or fails its verification never has its last byte sent,
// so that nothing is stored. A write on a condition is passed on, never emulated
// by looking first; where an upstream does not honour the condition it is
// NotImplemented. Whether an answer was lost on the way is found out from what
// the metadata of the object says of who wrote it.
//
// ETags, versions and modification times are the upstream's; times are whole
// seconds. Bodies pass with bounded memory: at most 1 MiB is read before it is
// sent, larger ones stream, and one of an unknown size is sent as a multipart
// upload in parts of 5 MiB. Requests are signed with UNSIGNED-PAYLOAD: the
// node verifies what clients declare as the body passes, and does not hash it
// again for the upstream, so that the way there should have TLS.
package s3store
