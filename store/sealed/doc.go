// Package sealed is the format in which bodies are encrypted at rest, and the
// keys that they are encrypted with. It does no I/O of its own and knows
// neither buckets nor drivers.
//
// A body is cut into segments of SegmentSize bytes, the last of which may be
// shorter, and each is encrypted and authenticated by itself with AES-256-GCM
// (NIST SP 800-38D), so that any range can be read at the cost of the segments
// that it touches. Every body has a key of its own, so a segment of another
// body does not open. A segment's nonce is its position and whether it is the
// last one, so segments cannot be put in another order and the end cannot be
// cut off (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár,
// "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance").
// Since no key encrypts two bodies, no nonce comes twice.
//
// An object's key is random and kept wrapped: encrypted under a wrapping key,
// and bound to the name of what it belongs to. The keys of bodies are derived
// from it, so that to wrap it anew is all that another wrapping key asks for.
package sealed
