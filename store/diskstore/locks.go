package diskstore

import (
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
)

// Locks are taken in this order: bucket.mu, uploadLocks, key stripes, blob
// stripes; those of one kind all at once.

// stripes are locks that many things share by hash.
type stripes [512]sync.Mutex

// lock locks some of the stripes, which may repeat, in the one order that
// everybody keeps.
func (s *stripes) lock(indexes ...int) (unlock func()) {
	slices.Sort(indexes)
	indexes = slices.Compact(indexes)
	for _, i := range indexes {
		s[i].Lock()
	}
	return func() {
		for _, i := range indexes {
			s[i].Unlock()
		}
	}
}

var keySeed = maphash.MakeSeed()

// keyStripe returns which stripe serializes the commits of one key.
func keyStripe(bucket uint64, key string) int {
	return int((maphash.String(keySeed, key) + bucket) % uint64(len(stripes{})))
}

// partStripe returns which stripe serializes the commits of one part.
func partStripe(upload uint64, number int) int {
	return keyStripe(upload, strconv.Itoa(number))
}

// blobStripe returns which stripe serializes changes of how many refer to a
// blob or manifest.
func blobStripe(id uint64) int { return int(id % uint64(len(stripes{}))) }

// uploadLocks are held for reading while a part is committed, and for writing
// while its upload ends, so that one sees the other.
type uploadLocks [128]sync.RWMutex

func (l *uploadLocks) of(upload uint64) *sync.RWMutex { return &l[upload%uint64(len(l))] }
