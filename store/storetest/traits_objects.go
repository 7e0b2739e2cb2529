package storetest

// The traits of objects, listings and versions.
const (
	// NoEncryption: what Store has encrypted is NotImplemented.
	NoEncryption Trait = "no encryption"
	// NoStoredACLs: changing the ACL of a stored object is NotImplemented.
	NoStoredACLs Trait = "no stored ACLs"
	// NoConditionalRemoval: removing exactly what was seen is NotImplemented.
	NoConditionalRemoval Trait = "no conditional removal"
	// NotLatest: the look-up of a version does not tell whether it is the
	// latest; listings do.
	NotLatest Trait = "not latest"
	// PlainConditions: of a write, If-None-Match can only be "*" and If-Match only
	// an ETag, as in S3.
	PlainConditions Trait = "plain conditions"
	// LessMetadata: user-defined metadata is at most 2 KiB less what the driver
	// keeps there itself.
	LessMetadata Trait = "less metadata"
	// ShortKeys: the longest key is shorter than S3's by what goes before it.
	ShortKeys Trait = "short keys"
	// NoZeroInKeys: a key with a zero byte is NotImplemented.
	NoZeroInKeys Trait = "no zero bytes in keys"
	// OneStorageClass: there is no storage class but STANDARD.
	OneStorageClass Trait = "one storage class"
	// NoVersionedConditions: writes on conditions are NotImplemented in a bucket
	// that keeps versions.
	NoVersionedConditions Trait = "no versioned conditions"
	// NoDeleteConditions: deletions on conditions are NotImplemented, except
	// those of versions that never change.
	NoDeleteConditions Trait = "no delete conditions"
	// OneMarker: deleting what a delete marker stands over adds no other one;
	// while versioning is suspended it may.
	OneMarker Trait = "one marker"
	// UntoldMarkers: the answer to the deletion of a delete marker that is the
	// null version may not say that it was one.
	UntoldMarkers Trait = "untold markers"
	// ForeignVersionIDs: the ids of versions have other lengths.
	ForeignVersionIDs Trait = "foreign version ids"
)
