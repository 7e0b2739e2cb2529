package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// TestConditionalRaces lets many clients write the same key under conditions,
// as locks and counters on S3 are made.
func TestConditionalRaces(t *testing.T) {
	t.Parallel()
	s := serve(t)
	client, bucket := s.s3(), aws.String("e2e-races")
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	t.Run("one creates", func(t *testing.T) {
		for round := range 5 {
			key := aws.String(fmt.Sprint("lock-", round))
			oneWins(t, client, bucket, key, func(ctx context.Context, i int) error {
				_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader(strconv.Itoa(i)), IfNoneMatch: aws.String("*")})
				return err
			})
		}
	})
	t.Run("one completes", func(t *testing.T) {
		key := aws.String("uploads")
		var ends []*s3.CompleteMultipartUploadInput
		for i := range racers {
			end := beginUpload(t, client, bucket, key, strconv.Itoa(i))
			end.IfNoneMatch = aws.String("*")
			ends = append(ends, end)
		}
		oneWins(t, client, bucket, key, func(ctx context.Context, i int) error {
			_, err := client.CompleteMultipartUpload(ctx, ends[i])
			return err
		})
	})
	t.Run("counter", func(t *testing.T) {
		key := aws.String("counter")
		if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("0")}); err != nil {
			t.Fatal(err)
		}
		const each = 5
		var all sync.WaitGroup
		for range racers {
			all.Go(func() {
				for range each {
					increment(t, client, bucket, key)
				}
			})
		}
		all.Wait()
		if got, _ := text(t, client, bucket, key); got != strconv.Itoa(racers*each) {
			t.Errorf("the counter says %s, want %d", got, racers*each)
		}
	})
}

const racers = 8

// lost reports whether a write lost a race.
func lost(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "PreconditionFailed" || api.ErrorCode() == "ConditionalRequestConflict")
}

// oneWins runs a conditional write by all racers at once. The object must be
// that of the one who was told so.
func oneWins(t *testing.T, client *s3.Client, bucket, key *string, write func(context.Context, int) error) {
	t.Helper()
	var wins atomic.Int32
	var winner atomic.Int32
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() {
			switch err := write(t.Context(), i); {
			case err == nil:
				wins.Add(1)
				winner.Store(int32(i))
			case !lost(err):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got, _ := text(t, client, bucket, key); wins.Load() != 1 || got != strconv.Itoa(int(winner.Load())) {
		t.Errorf("%d writers were told that they won, the last was %d; the object is of %s", wins.Load(), winner.Load(), got)
	}
}

// beginUpload uploads a text as the one part of an upload and returns what
// completes it.
func beginUpload(t *testing.T, client *s3.Client, bucket, key *string, body string) *s3.CompleteMultipartUploadInput {
	t.Helper()
	begun, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	part, err := client.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: begun.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	return &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: begun.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1), ChecksumCRC32: part.ChecksumCRC32}}}}
}

// text returns a small object and its ETag.
func text(t *testing.T, client *s3.Client, bucket, key *string) (body string, etag *string) {
	t.Helper()
	get, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Error(err)
		return "", nil
	}
	defer get.Body.Close()
	b, err := io.ReadAll(get.Body)
	if err != nil {
		t.Error(err)
	}
	return string(b), get.ETag
}

// increment adds one to a counter by compare and swap.
func increment(t *testing.T, client *s3.Client, bucket, key *string) {
	for range 1000 {
		body, etag := text(t, client, bucket, key)
		n, err := strconv.Atoi(body)
		if err != nil {
			t.Error(err)
			return
		}
		_, err = client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader(strconv.Itoa(n + 1)), IfMatch: etag})
		if err == nil {
			return
		}
		if !lost(err) {
			t.Error(err)
			return
		}
	}
	t.Error("a thousand tries were lost")
}
