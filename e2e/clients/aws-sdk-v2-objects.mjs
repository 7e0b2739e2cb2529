// What users of the AWS SDK for JavaScript v2 do with large objects, forms,
// copies and versions.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import AWS from 'aws-sdk';
import { agent, config, refused, step } from './lib.mjs';

const { endpoint, region, accessKeyId, secretAccessKey, bucket } = config;
const MiB = 1 << 20;
const md5 = (...parts) => parts.reduce((h, p) => h.update(p), createHash('md5')).digest();

for (const signatureVersion of ['v2', 'v4']) {
  const s3 = new AWS.S3({ region, accessKeyId, secretAccessKey, endpoint, httpOptions: { agent }, maxRetries: 0, signatureVersion, s3ForcePathStyle: true });
  const Bucket = `${bucket}-${signatureVersion}`;
  const run = (name, check) => step(`${signatureVersion}/${name}`, check);
  const read = async (Key, more) => (await s3.getObject({ Bucket, Key, ...more }).promise()).Body;

  await run('create bucket', () => s3.createBucket({ Bucket }).promise());

  await run('managed upload', async () => {
    const body = Buffer.alloc(17 * MiB, 'managed ü');
    const Key = 'large ü+ (1).bin';
    const done = await s3.upload({ Bucket, Key, Body: body, Metadata: { color: 'green' } }, { partSize: 6 * MiB, queueSize: 2 }).promise();
    const sums = [0, 6, 12].map((i) => md5(body.subarray(i * MiB, (i + 6) * MiB)));
    assert.equal(done.ETag, `"${md5(...sums).toString('hex')}-3"`);
    assert.equal(done.Key, Key);
    assert(body.equals(await read(Key)), 'the object came back changed');
    assert.deepEqual((await s3.headObject({ Bucket, Key, PartNumber: 3 }).promise()).ContentLength, 5 * MiB);
    const range = await read(Key, { Range: `bytes=${6 * MiB - 3}-${6 * MiB + 2}` });
    assert(range.equals(body.subarray(6 * MiB - 3, 6 * MiB + 3)), 'the range differs');
    await s3.copyObject({ Bucket, Key: 'copy', CopySource: encodeURI(`${Bucket}/${Key}`).replace('+', '%2B') }).promise();
    assert(body.equals(await read('copy')), 'the copy differs');
    assert.deepEqual((await s3.headObject({ Bucket, Key: 'copy' }).promise()).Metadata, { color: 'green' });
  });

  await run('parts by pre-signed URLs', async () => {
    const Key = 'by url';
    const { UploadId } = await s3.createMultipartUpload({ Bucket, Key }).promise();
    const url = await s3.getSignedUrlPromise('uploadPart', { Bucket, Key, UploadId, PartNumber: 1 });
    const response = await fetch(url, { method: 'PUT', body: Buffer.from('a part') }); // which sets no type
    assert.equal(response.status, 200, await response.text());
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: response.headers.get('etag') }] };
    await s3.completeMultipartUpload({ Bucket, Key, UploadId, MultipartUpload }).promise();
    assert.equal((await read(Key)).toString(), 'a part');
  });

  await run('versions and tags', async () => {
    const Key = 'versioned';
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }).promise();
    const { VersionId: one } = await s3.putObject({ Bucket, Key, Body: '1', Tagging: 'a=1' }).promise();
    const { VersionId: two } = await s3.putObject({ Bucket, Key, Body: '2' }).promise();
    assert.equal((await read(Key, { VersionId: one })).toString(), '1');
    const tags = async (VersionId) => (await s3.getObjectTagging({ Bucket, Key, VersionId }).promise()).TagSet;
    assert.deepEqual([await tags(one), await tags(two)], [[{ Key: 'a', Value: '1' }], []]);
    const { VersionId: marker } = await s3.deleteObject({ Bucket, Key }).promise();
    await refused(s3.getObject({ Bucket, Key }).promise(), 404, 'NoSuchKey');
    const list = await s3.listObjectVersions({ Bucket, Prefix: Key }).promise();
    assert.deepEqual([list.Versions.map((v) => v.VersionId), list.DeleteMarkers.map((m) => m.VersionId)], [[two, one], [marker]]);
    await s3.deleteObject({ Bucket, Key, VersionId: marker }).promise();
    assert.equal((await read(Key)).toString(), '2');
  });
}

// Forms are signed with V4, whatever the rest is.
await step('createPresignedPost', async () => {
  const s3 = new AWS.S3({ region, accessKeyId, secretAccessKey, endpoint, httpOptions: { agent }, maxRetries: 0, signatureVersion: 'v4', s3ForcePathStyle: true });
  const Bucket = `${bucket}-forms`;
  await s3.createBucket({ Bucket }).promise();
  const made = s3.createPresignedPost({
    Bucket, Expires: 60, Fields: { key: 'up/form.txt', success_action_status: '200' },
    Conditions: [['content-length-range', 0, 10], ['starts-with', '$x-amz-meta-color', '']],
  });
  const post = async (body, change = {}) => {
    const form = new FormData();
    for (const [name, value] of Object.entries({ ...made.fields, 'x-amz-meta-color': 'green', ...change })) form.append(name, value);
    form.append('file', new Blob([body]), 'form.txt');
    const response = await fetch(made.url, { method: 'POST', body: form });
    const text = await response.text();
    return `${response.status} ${text.match(/<Code>(.*)<\/Code>/)?.[1] ?? ''}`.trim();
  };
  assert.equal(await post('hello'), '200');
  const got = await s3.getObject({ Bucket, Key: 'up/form.txt' }).promise();
  assert.deepEqual([got.Body.toString(), got.Metadata], ['hello', { color: 'green' }]);
  assert.equal(await post('more than 10'), '400 EntityTooLarge');
  assert.equal(await post('x', { key: 'other' }), '403 AccessDenied');
  assert.equal(await post('x', { Policy: Buffer.from('{}').toString('base64') }), '403 SignatureDoesNotMatch');
});
