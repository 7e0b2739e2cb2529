package s3store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
	"github.com/daypass/daypass/store/storetest"
)

// testLease is short, since every deletion of a bucket waits for it.
const testLease = 50 * time.Millisecond

// upstreamKey is the key of the upstream that runs in the test.
var upstreamKey = daypass.AccessKey{ID: "AKIDUPSTREAM", Secret: "a secret of the upstream", Owner: "upstream"}

type oneKey struct{}

func (oneKey) AccessKey(_ context.Context, id string) (daypass.AccessKey, error) {
	if id != upstreamKey.ID {
		return daypass.AccessKey{}, &daypass.Error{Code: daypass.NoSuchAccessKey}
	}
	return upstreamKey, nil
}

// upstreamHandler returns Daypass with the embedded store.
func upstreamHandler(t testing.TB) http.Handler {
	t.Helper()
	d, err := diskstore.Open(diskstore.Options{Dir: t.TempDir(), MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(d)
	t.Cleanup(func() { s.Close() })
	h, err := server.New(server.Config{Store: s, Keys: oneKey{}, Region: defaultRegion})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// upstreamConfig says how to reach Daypass at an address.
func upstreamConfig(url string) Config {
	return Config{
		Endpoints: []string{url}, PathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(upstreamKey.ID, string(upstreamKey.Secret), ""),
		// A machine that does much else answers late.
		ConnectTimeout: time.Minute, Timeout: time.Minute,
	}
}

// patient makes a driver wait for the upstream's word before it sends a large
// body, however long that takes.
func patient(d *Driver) {
	d.client.Options().HTTPClient.(*sender).transport.(*http.Transport).ExpectContinueTimeout = time.Minute
}

// newUpstream starts Daypass and returns how to reach it.
func newUpstream(t testing.TB) Config {
	t.Helper()
	upstream := httptest.NewServer(upstreamHandler(t))
	t.Cleanup(upstream.Close)
	return upstreamConfig(upstream.URL)
}

// inOneBucket maps all buckets into one upstream bucket, which it makes.
func inOneBucket(t testing.TB, c Config) Config {
	t.Helper()
	c.Bucket, c.Prefix = "one-"+suffix(t), "pre/fix/"
	client, _, err := newClient(t.Context(), c.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &c.Bucket}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeBucket(t, client, c.Bucket) })
	return c
}

func suffix(t testing.TB) string {
	var b [5]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b[:])
}

// openTest connects a driver that has not probed yet.
func openTest(t *testing.T, c Config) *Driver {
	t.Helper()
	d, err := connect(t.Context(), c, testLease)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	patient(d)
	return d
}

// A probed remembers what the upstream of several tests was found to do.
type probed struct {
	once sync.Once
	can  Capabilities
}

// open opens a driver that a test case has to itself.
func (p *probed) open(t *testing.T, c Config) *Driver {
	t.Helper()
	d := openTest(t, c)
	p.once.Do(func() {
		var err error
		if p.can, err = d.probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("the upstream can: %+v", p.can)
	})
	d.can = p.can
	if err := d.checkProbed(); err != nil {
		t.Fatal(err)
	}
	return d
}

// daypassTraits are what objects are like that an upstream Daypass keeps.
func daypassTraits() []storetest.Trait {
	return []storetest.Trait{
		storetest.StoreTimes, storetest.BodyEnds, storetest.LargeParts, storetest.RepeatedCompletion,
		storetest.NoEncryption, storetest.NoStoredACLs, storetest.NoConditionalRemoval,
		storetest.NotLatest, storetest.PlainConditions, storetest.LessMetadata, storetest.LocksNotListed, storetest.NearRetention,
	}
}

// TestDaypassUpstream runs the conformance suite over Daypass with the embedded
// store, one bucket for each.
func TestDaypassUpstream(t *testing.T) {
	t.Parallel()
	var p probed
	storetest.Run(t, func(t *testing.T) store.Driver { return p.open(t, newUpstream(t)) }, daypassTraits()...)
}

// TestDaypassUpstreamOneBucket does so with one bucket for all.
func TestDaypassUpstreamOneBucket(t *testing.T) {
	t.Parallel()
	var p probed
	storetest.Run(t, func(t *testing.T) store.Driver {
		return p.open(t, inOneBucket(t, newUpstream(t)))
	}, append(daypassTraits(), storetest.ShortKeys)...)
}

// realUpstream returns the upstream that the environment names.
func realUpstream(t *testing.T) Config {
	t.Helper()
	text := os.Getenv("DAYPASS_TEST_S3")
	if text == "" {
		t.Skip("DAYPASS_TEST_S3 is not set: a store URL, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY beside it")
	}
	c, err := ParseURL(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// realTraits are those of the engine that DAYPASS_TEST_S3_ENGINE names: "ceph16"
// for the gateway of Ceph 16, "" for one that is like Daypass.
func realTraits() []storetest.Trait {
	traits := daypassTraits()
	if os.Getenv("DAYPASS_TEST_S3_ENGINE") == "ceph16" {
		traits = append(traits, storetest.AllParts, storetest.NoUploadTags, storetest.NoUploadLock,
			storetest.NoCompleteConditions, storetest.PartsForgotten, storetest.NoZeroInKeys, storetest.OneStorageClass,
			storetest.NoVersionedConditions, storetest.NoDeleteConditions, storetest.ForeignVersionIDs, storetest.OneMarker, storetest.UntoldMarkers,
			storetest.LockAtCreation, storetest.RetentionStays, storetest.LockRaces)
	}
	return traits
}

// TestRealUpstream runs the conformance suite over a real engine.
func TestRealUpstream(t *testing.T) {
	c := realUpstream(t)
	var p probed
	storetest.Run(t, func(t *testing.T) store.Driver {
		c := c
		c.NamePrefix, c.Control = "t"+suffix(t)+"-", "control-"+suffix(t)
		d := p.open(t, c)
		t.Cleanup(func() { d.removeAll(t) })
		return d
	}, realTraits()...)
}

func TestRealUpstreamOneBucket(t *testing.T) {
	c := realUpstream(t)
	var p probed
	storetest.Run(t, func(t *testing.T) store.Driver {
		return p.open(t, inOneBucket(t, c))
	}, append(realTraits(), storetest.ShortKeys)...)
}

// removeAll removes what a test has left in an upstream.
func (d *Driver) removeAll(t testing.TB) {
	out, err := d.client.ListBuckets(context.Background(), &s3.ListBucketsInput{})
	if err != nil {
		t.Error(err)
		return
	}
	for _, b := range out.Buckets {
		if strings.HasPrefix(*b.Name, d.config.NamePrefix) || *b.Name == d.config.Control {
			removeBucket(t, d.client, *b.Name)
		}
	}
}

// removeBucket removes a bucket with all that is in it, as far as locks let it.
func removeBucket(t testing.TB, client *s3.Client, bucket string) {
	ctx := context.Background()
	for {
		out, err := client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &bucket, EncodingType: types.EncodingTypeUrl})
		if err != nil {
			t.Logf("cleaning up %s: %v", bucket, err)
			return
		}
		var ids []types.ObjectIdentifier
		for _, v := range out.Versions {
			key, _ := decodeKey(v.Key)
			ids = append(ids, types.ObjectIdentifier{Key: &key, VersionId: v.VersionId})
		}
		for _, v := range out.DeleteMarkers {
			key, _ := decodeKey(v.Key)
			ids = append(ids, types.ObjectIdentifier{Key: &key, VersionId: v.VersionId})
		}
		removed := 0
		for _, id := range ids {
			in := &s3.DeleteObjectInput{Bucket: &bucket, Key: id.Key, VersionId: id.VersionId, BypassGovernanceRetention: aws.Bool(true)}
			if _, err := client.DeleteObject(ctx, in); err == nil {
				removed++
			}
		}
		if removed == 0 {
			break
		}
	}
	_, _ = client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
}
