package sign

import (
	"testing"
	"time"

	"github.com/daypass/daypass/internal/allocbudget"
)

// TestAllocationBudget counts the allocations of making and of checking a URL.
func TestAllocationBudget(t *testing.T) {
	p, r := benchRequest(t)
	v := NewVerifier(benchKeys(), Options{Region: "us-east-1"})
	t.Run("presign", func(t *testing.T) {
		allocbudget.Check(t, "sign/presign", func() {
			if _, err := p.URL(benchTime, "GET", "my-bucket", "photos/2026/puppy.jpg", 15*time.Minute); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("verify", func(t *testing.T) {
		allocbudget.Check(t, "sign/verify", func() {
			if _, err := v.Verify(r, benchTime.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		})
	})
}
