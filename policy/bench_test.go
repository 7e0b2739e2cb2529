package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass/policy"
)

// twenty is a bucket policy of twenty statements, of which the last allows.
func twenty() string {
	var statements []string
	for i := range 18 {
		statements = append(statements, fmt.Sprintf(`{"Sid":"s%d","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:user/u%d","444455556666"]},
			"Action":["s3:GetObject","s3:PutObject*"],"Resource":["arn:aws:s3:::b/home/u%d/*"],"Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8"]}}}`, i, i, i))
	}
	statements = append(statements,
		`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}`,
		`{"Effect":"Allow","Principal":{"AWS":"`+userARN+`"},"Action":"s3:Get*","Resource":"arn:aws:s3:::b/public/*.jpg","Condition":{"NumericLessThan":{"s3:signatureAge":"900000"},"StringLike":{"aws:UserAgent":"*curl*"}}}`)
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func BenchmarkEvaluate(b *testing.B) {
	p := parse(b, twenty(), policy.Bucket)
	keys := map[string][]string{"aws:securetransport": {"true"}, "s3:signatureage": {"1500"}, "aws:useragent": {"curl/8.5.0"}}
	r := &policy.Request{Principal: alice, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/public/2026/puppy.jpg", Context: context(keys)}
	s := &policy.Set{Resource: p, SameAccount: true}
	b.ReportAllocs()
	for b.Loop() {
		if v := policy.Evaluate(r, s); v.Decision != policy.Allowed || v.Statement.Index != 20 {
			b.Fatal(v)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	document := []byte(twenty())
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		parse(b, string(document), policy.Bucket)
	}
}

// hostile are documents of nearly the largest size that make the most work for
// hostileRequest.
func hostile() map[string]string {
	fill := func(format, unit string) string {
		n := (policy.MaxSize - len(format)) / len(unit)
		return fmt.Sprintf(format, strings.TrimSuffix(strings.Repeat(unit, n), ","))
	}
	statement := func(rest string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*",` + rest + `}}`
	}
	resource := statement(`"Action":"s3:GetObject","Resource":["arn:aws:s3:::b/%s*x"]`)
	resources := statement(`"Action":"s3:GetObject","Resource":[%s]`)
	agents := statement(`"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringLike":{"aws:UserAgent":[%s]}}`)
	return map[string]string{
		"stars":      fill(resource, "*a"),
		"ones":       fill(resource, "*a?"),
		"variables":  fill(resource, "${aws:Referer}"),
		"resources":  fill(resources, `"arn:aws:s3:::b/*`+strings.Repeat("a", 500)+`?b*x",`),
		"actions":    fill(statement(`"Action":[%s],"Resource":"arn:aws:s3:::b/*"`), `"s3:*e*e*e?",`),
		"agents":     fill(agents, `"*`+strings.Repeat("a", 4000)+`?b*x",`),
		"conditions": fill(agents, `"*a?a?a?b*x",`),
	}
}

// hostileRequest has a key and headers as long as they may be.
func hostileRequest() *policy.Request {
	long := strings.Repeat("a", 8<<10) + "x"
	return &policy.Request{Principal: alice, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/" + long[len(long)-1024:],
		Context: func(string) ([]string, bool) { return []string{long}, true }}
}

func BenchmarkHostile(b *testing.B) {
	for name, document := range hostile() {
		if strings.Count(document, "?") > 100 {
			continue // refused
		}
		p := parse(b, document, policy.Bucket)
		r, s := hostileRequest(), &policy.Set{Resource: p}
		b.Run("parse "+name, func(b *testing.B) {
			for b.Loop() {
				parse(b, document, policy.Bucket)
			}
		})
		b.Run("evaluate "+name, func(b *testing.B) {
			for b.Loop() {
				policy.Evaluate(r, s)
			}
		})
	}
}

func TestHostileDocumentsAreBounded(t *testing.T) {
	for name, document := range hostile() {
		start := time.Now()
		p, err := policy.Parse([]byte(document), policy.Bucket)
		if refused := strings.Count(document, "?") > 100; refused != (err != nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue // refused for its many wildcards: it costs nothing
		}
		policy.Evaluate(hostileRequest(), &policy.Set{Resource: p})
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("%s: %v", name, d)
		}
	}
}
