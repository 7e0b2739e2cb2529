package server

import (
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// requestTags returns the tags that x-amz-tagging gives an object.
func (c *call) requestTags() ([]store.Tag, error) {
	header := c.head.get("X-Amz-Tagging")
	if header == "" {
		return nil, nil
	}
	tags, err := s3.ParseTagHeader(header)
	return storedTags(tags), err
}

func storedTags(tags []s3.Tag) []store.Tag {
	out := make([]store.Tag, len(tags))
	for i, t := range tags {
		out[i] = store.Tag(t)
	}
	return out
}

func shownTags(tags []store.Tag) []s3.Tag {
	out := make([]s3.Tag, len(tags))
	for i, t := range tags {
		out[i] = s3.Tag(t)
	}
	return out
}
