package s3

import "strings"

// BucketOwnerPays is the Payer of a bucket whose owner pays for requests.
const BucketOwnerPays = "BucketOwner"

// AppendNoConfigurations appends the XML body of a list of configurations that
// has none, under the name of its outermost element.
func AppendNoConfigurations(dst []byte, root string) []byte {
	w := writer{b: dst}
	w.root(root)
	w.bool("IsTruncated", false)
	w.close(root)
	return w.b
}

// AppendAccelerate appends the XML body of GetBucketAccelerateConfiguration; an
// empty status is that of a bucket that never had one.
func AppendAccelerate(dst []byte, status string) []byte {
	w := writer{b: dst}
	w.root("AccelerateConfiguration")
	w.optional("Status", status)
	w.close("AccelerateConfiguration")
	return w.b
}

// ParseAccelerate parses the body of PutBucketAccelerateConfiguration: Enabled
// or Suspended. MalformedXML.
func ParseAccelerate(body []byte) (status string, err error) {
	return parseOne(body, "AccelerateConfiguration", "Status", Enabled, Suspended)
}

// AppendRequestPayment appends the XML body of GetBucketRequestPayment: the
// owner of a bucket pays.
func AppendRequestPayment(dst []byte) []byte {
	w := writer{b: dst}
	w.root("RequestPaymentConfiguration")
	w.text("Payer", BucketOwnerPays)
	w.close("RequestPaymentConfiguration")
	return w.b
}

// ParseRequestPayment parses the body of PutBucketRequestPayment: BucketOwner or
// Requester. MalformedXML.
func ParseRequestPayment(body []byte) (payer string, err error) {
	return parseOne(body, "RequestPaymentConfiguration", "Payer", BucketOwnerPays, "Requester")
}

// parseOne parses a document of one element that has one of two values.
func parseOne(body []byte, root, name, a, b string) (string, error) {
	var doc element
	if err := unmarshal(body, root, &doc); err != nil {
		return "", err
	}
	var text *string
	if err := doc.each(map[string]func(*element) error{name: intoText(&text)}); err != nil {
		return "", err
	}
	if text == nil {
		return "", errMalformed()
	}
	if value := strings.TrimSpace(*text); value == a || value == b {
		return value, nil
	}
	return "", errMalformed()
}
