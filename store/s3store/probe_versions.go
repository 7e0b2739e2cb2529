package s3store

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// versions finds out what buckets with versions and object lock do, on a bucket
// of its own. An upstream that lets the node make none counts as one without.
func (p *prober) versions(bucket string) error {
	p.scratch = bucket
	locked, err := p.createScratch(true)
	if err != nil {
		return err
	}
	made := locked
	if !locked {
		if made, err = p.createScratch(false); err != nil {
			return err
		}
	}
	if !made {
		p.d.log.Warn("the upstream lets this node make no buckets, so versions and object lock are taken as missing")
		return nil
	}
	defer p.removeScratch()
	if !locked {
		_, err := p.d.client.PutBucketVersioning(p.ctx, &s3.PutBucketVersioningInput{
			Bucket: &bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		})
		if done, _, err := answered(err); !done {
			return err
		}
	}
	first, err := p.version()
	if err != nil || first == "" {
		return err
	}
	p.can.Versioning = true
	if err := p.versionedConditions(); err != nil {
		return err
	}
	if locked {
		if err := p.holds(first); err != nil {
			return err
		}
		if err := p.uploadLock(); err != nil {
			return err
		}
	}
	return p.marker()
}

// createScratch makes the scratch bucket, with object lock or without, and
// reports whether the upstream did.
func (p *prober) createScratch(lock bool) (bool, error) {
	in := &s3.CreateBucketInput{Bucket: &p.scratch, CreateBucketConfiguration: p.d.location()}
	if lock {
		in.ObjectLockEnabledForBucket = &lock
	}
	_, err := p.d.client.CreateBucket(p.ctx, in)
	done, _, err := answered(err)
	if !done || !lock {
		return done, err
	}
	out, err := p.d.client.GetObjectLockConfiguration(p.ctx, &s3.GetObjectLockConfigurationInput{Bucket: &p.scratch})
	if err == nil && out.ObjectLockConfiguration != nil &&
		out.ObjectLockConfiguration.ObjectLockEnabled == types.ObjectLockEnabledEnabled {
		return true, nil
	}
	// It ignored what it was asked for: the bucket is made anew.
	if _, _, err := answered(err); err != nil {
		return false, errors.Join(err, p.deleteScratch())
	}
	return false, p.deleteScratch()
}

const scratchKey = "probe"

// version adds a version of the scratch key and returns its id.
func (p *prober) version(changes ...func(*s3.PutObjectInput)) (string, error) {
	in := &s3.PutObjectInput{Bucket: &p.scratch, Key: aws.String(scratchKey), Body: bytes.NewReader([]byte("probe"))}
	for _, change := range changes {
		change(in)
	}
	out, err := p.d.client.PutObject(p.ctx, in)
	if err != nil {
		return "", err
	}
	p.etag = unquote(out.ETag)
	return aws.ToString(out.VersionId), nil
}

func (p *prober) versionedConditions() error {
	none, match, err := p.conditions(func(changes ...func(*s3.PutObjectInput)) error {
		_, err := p.version(changes...)
		return err
	})
	p.can.VersionedConditions = none && match
	return err
}

// holds finds out whether a legal hold keeps a version.
func (p *prober) holds(version string) error {
	set := func(status types.ObjectLockLegalHoldStatus) error {
		_, err := p.d.client.PutObjectLegalHold(p.ctx, &s3.PutObjectLegalHoldInput{
			Bucket: &p.scratch, Key: aws.String(scratchKey), VersionId: &version,
			LegalHold: &types.ObjectLockLegalHold{Status: status},
		})
		return err
	}
	held, _, err := answered(set(types.ObjectLockLegalHoldStatusOn))
	if !held {
		return err
	}
	_, err = p.d.client.DeleteObject(p.ctx, &s3.DeleteObjectInput{Bucket: &p.scratch, Key: aws.String(scratchKey), VersionId: &version})
	done, status, err := answered(err)
	if done {
		return nil // and the version is gone
	}
	p.can.ObjectLock = status == http.StatusForbidden
	return errors.Join(err, set(types.ObjectLockLegalHoldStatusOff))
}

// marker finds out whether an object that was deleted is told from one that
// never was.
func (p *prober) marker() error {
	if _, err := p.d.client.DeleteObject(p.ctx, &s3.DeleteObjectInput{Bucket: &p.scratch, Key: aws.String(scratchKey)}); err != nil {
		return err
	}
	_, err := p.d.client.HeadObject(p.ctx, &s3.HeadObjectInput{Bucket: &p.scratch, Key: aws.String(scratchKey)})
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		p.can.MarkersTold = answer.HTTPResponse().Header.Get("X-Amz-Delete-Marker") == "true"
	}
	_, _, err = answered(err)
	return err
}

// removeScratch removes the scratch bucket and all that is in it.
func (p *prober) removeScratch() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), p.d.config.Timeout)
	defer cancel()
	p.ctx = ctx
	if err := errors.Join(p.emptyScratch(), p.deleteScratch()); err != nil {
		p.d.log.Warn("a scratch bucket of the start was left in the upstream", "bucket", p.scratch, "error", err)
	}
}

func (p *prober) deleteScratch() error {
	_, err := p.d.client.DeleteBucket(p.ctx, &s3.DeleteBucketInput{Bucket: &p.scratch})
	return err
}

func (p *prober) emptyScratch() error {
	out, err := p.d.client.ListObjectVersions(p.ctx, &s3.ListObjectVersionsInput{Bucket: &p.scratch})
	if err != nil {
		return err
	}
	var failures []error
	remove := func(key, version *string) {
		_, err := p.d.client.DeleteObject(p.ctx, &s3.DeleteObjectInput{Bucket: &p.scratch, Key: key, VersionId: version})
		failures = append(failures, err)
	}
	for _, v := range out.Versions {
		remove(v.Key, v.VersionId)
	}
	for _, m := range out.DeleteMarkers {
		remove(m.Key, m.VersionId)
	}
	return errors.Join(failures...)
}
