package store

// WriteConditions must hold at the moment of a write. Empty fields are not
// checked. (S3 User Guide, "Conditional writes".)
type WriteConditions struct {
	// IfMatch is the ETag, without quotes, that the existing object must
	// have; "*" asks only that one exists.
	IfMatch string
	// IfNoneMatch "*" asks that no object exists. An ETag asks that the
	// existing object, if any, has another one.
	IfNoneMatch string
}
