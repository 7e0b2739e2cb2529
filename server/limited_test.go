package server

import (
	"testing"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
)

// A limitedDriver can do no more than any driver must.
type limitedDriver struct{ store.Driver }

func (limitedDriver) Supports(store.Feature) error {
	return &daypass.Error{Code: daypass.NotImplemented, Message: "It cannot."}
}

// TestLimitedStore checks that settings are refused that could never be carried
// out.
func TestLimitedStore(t *testing.T) {
	r := newRealm(t, func(c *Config) {
		d, err := diskstore.Open(diskstore.Options{Dir: t.TempDir(), MinFree: 1})
		if err != nil {
			t.Fatal(err)
		}
		c.Store = store.New(limitedDriver{d})
		t.Cleanup(func() { c.Store.Close() })
		if _, err := c.Store.CreateBucket(t.Context(), store.Bucket{Name: "photos", Owner: "alice", Region: testRegion}, testTime); err != nil {
			t.Fatal(err)
		}
	})
	encryption := `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`
	for target, body := range map[string]string{"/photos?lifecycle": lifecycleBody, "/photos?encryption": encryption} {
		r.want(r.as(r.alice, "PUT", target, body, "Content-MD5", md5Of(body)), 501, "NotImplemented")
		if got := r.as(r.alice, "GET", target, ""); got.status != 404 {
			t.Errorf("%s: %d", target, got.status)
		}
	}
}
