// Package trail writes events as CloudTrail does, so that what reads
// CloudTrail's files reads these: gzipped JSON records, and every hour a digest
// that holds the hash of each file and of the digest before, and is signed. It
// also verifies them: a record or file that was removed, changed, added or put
// elsewhere is found by anybody who has the public key.
//
// Formats are those of the CloudTrail user guide: "CloudTrail record contents",
// "CloudTrail digest file structure", and "Custom implementations of CloudTrail
// log file integrity validation".
//
// # What a digest proves
//
// Files are hashed when they are written, and the hashes wait in the state of
// the Writer, not in the storage, for the next digest; so whoever can write to
// the storage, but not to the machine, cannot have a change signed. What cannot
// be seen in the storage alone is that the newest digests were removed together
// with all of their files: VerifyOptions.Until and VerifyOptions.State find
// that.
//
// Each node of Daypass has a chain of its own, named by Config.Name, over files
// in common directories.
package trail
