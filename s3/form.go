package s3

// A PostResponse is the answer to a form that asks for success_action_status
// 201.
type PostResponse struct {
	// Location is the URL of the object.
	Location, Bucket, Key string
	// ETag is without quotes.
	ETag string
}

// Append appends the XML body, which has no namespace.
func (r *PostResponse) Append(dst []byte) []byte {
	w := writer{b: dst}
	w.declare()
	w.open("PostResponse")
	w.text("Location", r.Location)
	w.text("Bucket", r.Bucket)
	w.text("Key", r.Key)
	w.text("ETag", QuoteETag(r.ETag))
	w.close("PostResponse")
	return w.b
}
