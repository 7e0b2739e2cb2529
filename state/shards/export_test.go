package shards

// Place and PlaceEntry return which of n shards something belongs to.
var (
	Place      = place
	PlaceEntry = placeEntry
)
