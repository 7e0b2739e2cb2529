package s3

import (
	"testing"

	"github.com/daypass/daypass"
)

func TestParseEncryption(t *testing.T) {
	const head, tail = `<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>`, "</Rule></ServerSideEncryptionConfiguration>"
	const aes = "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>"
	for _, c := range []struct {
		rule string
		want EncryptionRule
		code daypass.Code
	}{
		{aes, EncryptionRule{Algorithm: AES256}, ""},
		{aes + "<BucketKeyEnabled> TRUE </BucketKeyEnabled>", EncryptionRule{Algorithm: AES256, BucketKey: true}, ""},
		{"<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes>", EncryptionRule{Unblocks: true}, ""},
		{aes + "<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>", EncryptionRule{Algorithm: AES256, BlockSSEC: true}, ""},
		{"", EncryptionRule{}, daypass.MalformedXML},
		{aes + "<BlockedEncryptionType><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionType>", EncryptionRule{}, daypass.MalformedXML},
		{"<BlockedEncryptionTypes/>", EncryptionRule{}, daypass.MalformedXML},
		{"<BucketKeyEnabled>true</BucketKeyEnabled>", EncryptionRule{}, daypass.MalformedXML},
		{"<ApplyServerSideEncryptionByDefault/>", EncryptionRule{}, daypass.MalformedXML},
		{aes + "<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>", EncryptionRule{}, daypass.MalformedXML},
	} {
		got, err := ParseEncryption([]byte(head + c.rule + tail))
		if daypass.CodeOf(err) != c.code || err == nil && got != c.want {
			t.Errorf("%s: %+v, %v; want %+v, %q", c.rule, got, err, c.want, c.code)
		}
	}
}

// FuzzParseEncryption checks that what is accepted can be read again: the
// settings of a bucket are kept as they are shown.
func FuzzParseEncryption(f *testing.F) {
	f.Add(EncryptionRule{Algorithm: AES256, BucketKey: true, BlockSSEC: true}.Append(nil))
	f.Add(EncryptionRule{Unblocks: true}.Append(nil))
	f.Fuzz(func(t *testing.T, body []byte) {
		rule, err := ParseEncryption(body)
		if err != nil {
			return
		}
		if again, err := ParseEncryption(rule.Append(nil)); err != nil || again != rule {
			t.Errorf("%+v became %+v, %v", rule, again, err)
		}
	})
}
