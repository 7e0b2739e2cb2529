package server

import (
	"context"
	"net/http"
	"strconv"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// maxBuckets is how many buckets a page has at most, and unless max-buckets
// says otherwise.
const maxBuckets = 10000

// bucketPage is how many buckets are asked of the store at a time.
const bucketPage = 1000

// bucketTokens is the kind of continuation token that ListBuckets has.
const bucketTokens = "buckets"

// listBuckets answers with the buckets of the signer (S3 API reference,
// ListBuckets).
func (s *Server) listBuckets(w *response, c *call) error {
	q, err := c.bucketQuery()
	if err != nil {
		return err
	}
	buckets, err := s.ownBuckets(c.r.Context(), q)
	if err != nil {
		return err
	}
	result := s3.ListBucketsResult{Owner: c.grant.Owner, Prefix: q.prefix}
	if len(buckets) > q.max {
		buckets = buckets[:q.max]
		result.ContinuationToken = newToken(bucketTokens, buckets[q.max-1].Name)
	}
	for _, b := range buckets {
		entry := s3.Bucket{Name: b.Name, Created: b.Created}
		if q.refined {
			entry.Region = s.regionOf(b)
		}
		result.Buckets = append(result.Buckets, entry)
	}
	return w.xml(http.StatusOK, result.Append(nil))
}

// A bucketQuery is what a request asks of the list of buckets.
type bucketQuery struct {
	owner, prefix, region, after string
	max                          int
	refined                      bool // any parameter was given
}

func (c *call) bucketQuery() (bucketQuery, error) {
	q := bucketQuery{owner: c.grant.Owner, prefix: c.query.Get("prefix"), region: c.query.Get("bucket-region"), max: maxBuckets}
	q.refined = q.prefix != "" || q.region != ""
	if v, given := c.query.Lookup("max-buckets"); given {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxBuckets {
			return q, invalidArgument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", v)
		}
		q.max, q.refined = n, true
	}
	if token := c.query.Get("continuation-token"); token != "" {
		var ok bool
		if q.after, ok = parseToken(bucketTokens, token); !ok {
			return q, badToken(token)
		}
		q.refined = true
	}
	return q, nil
}

// ownBuckets returns up to one bucket more than the page holds.
func (s *Server) ownBuckets(ctx context.Context, q bucketQuery) (own []store.Bucket, err error) {
	for after := q.after; len(own) <= q.max; {
		page, err := s.store.ListBuckets(ctx, q.prefix, after, bucketPage)
		if err != nil {
			return nil, err
		}
		for _, b := range page {
			if b.Owner == q.owner && (q.region == "" || q.region == s.regionOf(b)) {
				own = append(own, b)
			}
		}
		if len(page) < bucketPage {
			break
		}
		after = page[len(page)-1].Name
	}
	return own, nil
}

// regionOf returns the region of a bucket.
func (s *Server) regionOf(b store.Bucket) string {
	if b.Region != "" {
		return b.Region
	}
	return s.cfg.Region
}
