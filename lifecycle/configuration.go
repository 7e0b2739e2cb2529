package lifecycle

import (
	"bytes"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
)

// Setting is the name of the bucket setting that holds a Configuration.
const Setting = "lifecycle"

// A Configuration is the lifecycle configuration of a bucket.
type Configuration struct {
	Rules []s3.LifecycleRule
	// TransitionMinimum is the value of
	// x-amz-transition-default-minimum-object-size. It is kept and shown.
	TransitionMinimum string
}

// Encode returns the configuration as it is kept: a line with
// TransitionMinimum, and the XML of GetBucketLifecycleConfiguration.
func (c *Configuration) Encode() []byte {
	return s3.AppendLifecycle(append([]byte(c.TransitionMinimum), '\n'), c.Rules)
}

// Split returns the two parts of what Encode has made. InternalError.
func Split(text []byte) (minimum string, xml []byte, err error) {
	first, xml, ok := bytes.Cut(text, []byte("\n"))
	if !ok {
		return "", nil, &daypass.Error{Op: "lifecycle.Split", Code: daypass.InternalError}
	}
	return string(first), xml, nil
}

// Decode returns the rules of what Encode has made, ready to be applied. Its
// errors are those of Split and s3.ParseLifecycle.
func Decode(text []byte) (*Rules, error) {
	_, xml, err := Split(text)
	if err != nil {
		return nil, err
	}
	rules, err := s3.ParseLifecycle(xml)
	if err != nil {
		return nil, err
	}
	return Compile(rules), nil
}
