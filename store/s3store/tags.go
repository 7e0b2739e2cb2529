package s3store

import (
	"context"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// encodeTags returns the header x-amz-tagging for tags, nil for none.
func encodeTags(tags []store.Tag) *string {
	if len(tags) == 0 {
		return nil
	}
	pairs := make([]string, len(tags))
	for i, t := range tags {
		pairs[i] = url.QueryEscape(t.Key) + "=" + url.QueryEscape(t.Value)
	}
	return aws.String(strings.Join(pairs, "&"))
}

// readTags returns the tags of an object.
func (d *Driver) readTags(ctx context.Context, ref daypass.ObjectRef, version string) ([]store.Tag, error) {
	at, err := d.place(ref.Bucket, ref.Key)
	if err != nil {
		return nil, err
	}
	in := &s3.GetObjectTaggingInput{Bucket: &at.bucket, Key: &at.key}
	if d.names.bucket == "" {
		in.VersionId = str(version)
	}
	out, err := d.client.GetObjectTagging(ctx, in)
	if err != nil {
		// An object that is gone since has no tags any more.
		if code := daypass.CodeOf(d.fail("read tags", err)); isMissing(err) || code == "NoSuchTagSet" {
			return nil, nil
		}
		return nil, d.fail("read tags", err)
	}
	var tags []store.Tag
	for _, t := range out.TagSet {
		tags = append(tags, store.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)})
	}
	return tags, nil
}

// UpdateObject implements store.Updater. An ACL cannot be changed without
// writing the object anew: NotImplemented.
func (d *Driver) UpdateObject(ctx context.Context, ref daypass.ObjectRef, u store.Update) (*store.Object, error) {
	f, err := d.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	if u.ACL != nil {
		if _, err := d.head(ctx, f, ref); err != nil {
			return nil, err
		}
		return nil, d.Supports(store.FeatureStoredACLs)
	}
	if u.Tags == nil {
		return d.head(ctx, f, ref)
	}
	if err := d.writeTags(ctx, f, *u.Tags); err != nil {
		if isMissing(err) || statusOf(err) == 405 {
			_, err := d.notFound(ctx, f, ref, "change tags", err)
			return nil, err
		}
		return nil, d.fail("change tags", err)
	}
	if err := d.settle(ctx, f.hold); err != nil {
		return nil, err
	}
	return d.head(ctx, f, ref)
}

func (d *Driver) writeTags(ctx context.Context, f found, tags []store.Tag) error {
	if len(tags) == 0 {
		_, err := d.client.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: &f.bucket, Key: &f.key, VersionId: f.version})
		return err
	}
	set := make([]types.Tag, len(tags))
	for i := range tags {
		set[i] = types.Tag{Key: &tags[i].Key, Value: &tags[i].Value}
	}
	_, err := d.client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{
		Bucket: &f.bucket, Key: &f.key, VersionId: f.version, Tagging: &types.Tagging{TagSet: set},
	})
	return err
}
