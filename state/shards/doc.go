// Package shards is a state.Driver over several others, so that what passes use
// up is spread over several databases.
//
// What belongs to one pass, its entries in the ledger and what was seen of it,
// lives in the shard that its id hashes to, and always there. Access keys,
// settings and links are few and live in the first shard. Revocations are in
// every shard: one counts as made when every shard has it, so that any one shard
// that answers tells a node all of them.
//
// # The shard map
//
// A pass that was looked for in another shard than the one that knows it would
// be new there and could be used again. So each shard keeps a random id of its
// own and the map, which is the ids of all shards in order, and Open refuses
// drivers that do not fit the map: others, fewer, more, or in another order.
//
// # Shards that fail
//
// A shard that cannot be reached takes down what lives there and nothing else:
// passes of other shards go on being used, and revocations go on being refreshed.
// Whoever asks it is refused at once until an attempt now and then succeeds.
package shards
