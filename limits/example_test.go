package limits_test

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

// A URL for one download, from one network, until the end of January: later
// than plain S3 allows, so the server must allow it with --max-lifetime.
func ExampleSet() {
	key := sign.Key{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	p, err := sign.NewPresigner(key, "https://files.example.com", "us-east-1")
	if err != nil {
		panic(err)
	}
	set := limits.Set{
		Uses:  1,
		Until: time.Date(2030, 2, 1, 0, 0, 0, 0, time.UTC),
		IP:    []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
	}
	if err := set.Check(limits.Pass{Action: daypass.GetObject, Scheme: daypass.SchemeQuery, Version: string(sign.V4)}); err != nil {
		panic(err)
	}
	query, err := set.Query()
	if err != nil {
		panic(err)
	}
	url, err := p.Presign(sign.URLRequest{
		Method: "GET", Bucket: "photos", Key: "puppy.jpg", Query: query,
		Time: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Lifetime: sign.MaxLifetime,
	})
	if err != nil {
		panic(err)
	}
	_, added, _ := strings.Cut(url, "&X-Amz-SignedHeaders=host&")
	fmt.Println(strings.ReplaceAll(added, "&", "\n"))
	for _, sentence := range set.Words() {
		fmt.Println(sentence)
	}
	// Output:
	// x-daypass-ip=203.0.113.0%2F24
	// x-daypass-until=20300201T000000Z
	// x-daypass-uses=1
	// X-Amz-Signature=48e64aa92b29a796d02e64f96b2fafa6724cf631ee426e4180b14cbaa8af1e2c
	// Can be used once.
	// Ends at 2030-02-01 00:00:00 UTC.
	// Only from 203.0.113.0/24.
}

// A server reads the limits back and asks them about each request.
func ExampleParse() {
	query, err := sign.ParseQuery("X-Amz-Expires=3600&x-daypass-tls=required&x-daypass-uses=2")
	if err != nil {
		panic(err)
	}
	set, err := limits.Parse(query)
	fmt.Println(set.Uses, err)
	fmt.Println(set.Admit(limits.Use{Now: time.Now(), TLS: false}))

	query[2].Value = "two"
	_, err = limits.Parse(query)
	fmt.Println(err)
	// Output:
	// 2 <nil>
	// limits: AccessDenied: The limit x-daypass-tls does not allow this request.
	// limits: InvalidArgument: The limit x-daypass-uses must be a whole number from 1 to 1000000000.
}
