package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// testMultipartRace lets an upload be completed twice and aborted while parts
// come in: it ends once, and a completed object holds the parts that were
// named.
func testMultipartRace(s *suite) {
	s.createBucket(bucketName)
	for round := range s.rounds(30) {
		key := fmt.Sprint(round)
		u := s.begin(key)
		first, other := pattern(round, s.partSize(100_000)), pattern(round, 5_000)
		p1, p2 := s.mustPutPart(u, 1, first), s.mustPutPart(u, 2, other)
		var completed, aborted atomic.Int64
		together(6, func(i int) {
			var err error
			switch i {
			case 0, 1:
				if _, err = s.completeSmall(u, p1, p2); err == nil {
					completed.Add(1)
				}
			case 2:
				if err = s.store.AbortUpload(s.ctx, bucketName, key, u.ID); err == nil {
					aborted.Add(1)
				}
			default:
				number, data := 1+i, pattern(i, 80_000)
				if i == 3 || s.has(AllParts) {
					number, data = 2, other
				}
				_, err = s.putPart(u, number, data)
			}
			if err != nil && daypass.CodeOf(err) != store.NoSuchUpload {
				s.Errorf("racer %d: %v", i, err)
			}
		})
		if s.has(RepeatedCompletion) && completed.Load() == 2 {
			completed.Store(1)
		}
		if n := completed.Load() + aborted.Load(); n != 1 {
			s.Fatalf("round %d: completed %d times, aborted %d times", round, completed.Load(), aborted.Load())
		}
		if completed.Load() == 1 {
			s.wantBody(key, append(slices.Clone(first), other...))
		} else {
			s.wantMissing(key)
		}
		_, err := s.store.Parts(s.ctx, bucketName, key, u.ID, 0, 10)
		s.wantCode("Parts afterwards", err, store.NoSuchUpload)
	}
}

// testPartsRace puts parts into an upload without a pause until it ends:
// nothing of them may be left afterwards.
func testPartsRace(s *suite) {
	s.createBucket(bucketName)
	for round := range s.rounds(40) {
		u := s.begin("key")
		p := s.mustPutPart(u, 1, []byte("x"))
		together(8, func(i int) {
			if i == 0 {
				time.Sleep(time.Duration(round%8) * 200 * time.Microsecond)
				var err error
				if round%2 == 0 || s.has(AllParts) {
					err = s.store.AbortUpload(s.ctx, bucketName, "key", u.ID)
				} else {
					_, err = s.completeSmall(u, p)
				}
				if err != nil {
					s.Error(err)
				}
				return
			}
			for number := 1 + i; ; number += 8 {
				if _, err := s.putPart(u, number, pattern(number, 100)); err != nil {
					s.wantCode("PutPart after the end", err, store.NoSuchUpload)
					return
				}
			}
		})
	}
	s.remove("key")
}

// testCopyPartRace copies parts from an object that others overwrite and
// delete: each part holds one body, whole.
func testCopyPartRace(s *suite) {
	s.createBucket(bucketName)
	sizes := []int{100, 50, 60, 100_000}
	bodies := make(map[string][]byte) // by ETag
	for i := range 30 {
		data := pattern(i, sizes[i%len(sizes)])
		bodies[etag(string(data))] = data
	}
	s.mustPut("source", pattern(0, sizes[0]))
	uploads := make([]*store.MultipartUpload, 4)
	parts := make([][]*store.Part, 4)
	for i := range uploads {
		uploads[i] = s.begin(fmt.Sprint(i))
	}
	together(3*len(uploads), func(worker int) {
		for i := range s.rounds(60) {
			if worker >= len(uploads) {
				s.mustPut("source", pattern(i%30, sizes[i%30%len(sizes)]))
				continue
			}
			if s.has(LargeParts) {
				parts[worker] = nil // each part takes the place of the one before
			}
			p, err := s.copyPart(uploads[worker], len(parts[worker])+1, "source", 0, -1)
			if err != nil {
				s.Error(err)
				return
			}
			parts[worker] = append(parts[worker], p)
		}
	})
	s.remove("source")
	for i, u := range uploads {
		var want []byte
		for _, p := range parts[i] {
			want = append(want, bodies[p.ETag]...)
		}
		_, err := s.completeSmall(u, parts[i]...)
		s.must(err)
		_, got, err := s.get(u.Key)
		s.must(err)
		if !bytes.Equal(got, want) {
			s.Errorf("upload %d: %d bytes of %d that were copied", i, len(got), len(want))
		}
	}
}
