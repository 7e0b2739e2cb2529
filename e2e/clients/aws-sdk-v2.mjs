// The AWS SDK for JavaScript v2, which still signs with Signature Version 2
// by default when it is given an endpoint of its own.
import assert from 'node:assert/strict';
import AWS from 'aws-sdk';
import { agent, config, pass, refused, step } from './lib.mjs';

const { endpoint, region, accessKeyId, secretAccessKey, bucket, keys } = config;

const modes = {
  'v2 virtual': {},
  'v2 path': { s3ForcePathStyle: true },
  'v4 virtual': { signatureVersion: 'v4' },
  'v4 path': { signatureVersion: 'v4', s3ForcePathStyle: true },
};

const client = (mode, more = {}) =>
  new AWS.S3({ region, accessKeyId, secretAccessKey, endpoint, httpOptions: { agent }, maxRetries: 0, ...modes[mode], ...more });

for (const mode of Object.keys(modes)) {
  const s3 = client(mode);
  const Bucket = `${bucket}-${mode.replace(' ', '-')}`;
  const run = (name, check) => step(`${mode}/${name}`, check);

  await run('bucket', async () => {
    await s3.createBucket({ Bucket }).promise();
    await s3.headBucket({ Bucket }).promise();
    const { Buckets } = await s3.listBuckets().promise();
    assert(Buckets.some((b) => b.Name === Bucket), 'listBuckets lacks the new bucket');
    assert.equal((await s3.getBucketLocation({ Bucket }).promise()).LocationConstraint, '');
  });
  for (const Key of keys) {
    await run(`object ${Key.slice(0, 40)}`, async () => {
      const put = await s3
        .putObject({ Bucket, Key, Body: 'héllo', ContentType: 'text/x-e2e; charset=utf-8', Metadata: { color: 'green' } })
        .promise();
      const head = await s3.headObject({ Bucket, Key }).promise();
      assert.equal(head.ContentLength, 6);
      assert.equal(head.ETag, put.ETag);
      const get = await s3.getObject({ Bucket, Key }).promise();
      assert.equal(get.Body.toString(), 'héllo');
      assert.equal(get.ContentType, 'text/x-e2e; charset=utf-8');
      assert.deepEqual(get.Metadata, { color: 'green' });
      const range = await s3.getObject({ Bucket, Key, Range: 'bytes=-2' }).promise();
      assert.equal(range.Body.toString(), 'lo');
      const list = await s3.listObjectsV2({ Bucket, Prefix: Key }).promise();
      assert.deepEqual(list.Contents.map((c) => c.Key), [Key]);
      const old = await s3.listObjects({ Bucket, Prefix: Key, MaxKeys: 1 }).promise();
      assert.deepEqual(old.Contents.map((c) => c.Key), [Key]);
      await s3.deleteObject({ Bucket, Key }).promise();
      await refused(s3.getObject({ Bucket, Key }).promise(), 404, 'NoSuchKey');
    });
  }
  await run('deleteObjects', async () => {
    for (const Key of keys) await s3.putObject({ Bucket, Key, Body: '' }).promise();
    await refused(s3.deleteBucket({ Bucket }).promise(), 409, 'BucketNotEmpty');
    const { Deleted, Errors } = await s3.deleteObjects({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }).promise();
    assert.deepEqual(Errors, []);
    assert.deepEqual(Deleted.map((d) => d.Key).sort(), [...keys].sort());
    assert.deepEqual((await s3.listObjectsV2({ Bucket }).promise()).Contents, []);
  });
  await run('delete bucket', async () => {
    await s3.deleteBucket({ Bucket }).promise();
    await refused(s3.headBucket({ Bucket }).promise(), 404);
  });
  await run('wrong secret', () =>
    refused(client(mode, { secretAccessKey: 'wrong' }).listBuckets().promise(), 403, 'SignatureDoesNotMatch'));
  await run('unknown key', () =>
    refused(client(mode, { accessKeyId: 'E2EUNKNOWN' }).listBuckets().promise(), 403, 'InvalidAccessKeyId'));
}

await step('create bucket', () => client('v4 path').createBucket({ Bucket: bucket }).promise());

const Bucket = bucket;
const operations = { get: 'getObject', put: 'putObject', head: 'headObject', delete: 'deleteObject' };

for (const mode of Object.keys(modes)) {
  const s3 = client(mode);
  for (const Key of keys) {
    for (const [action, operation] of Object.entries(operations)) {
      await step(`${mode}/presign ${operation} ${Key.slice(0, 40)}`, async () =>
        pass({ name: mode, action, key: Key, url: await s3.getSignedUrlPromise(operation, { Bucket, Key, Expires: 60 }) }));
    }
  }
  const mint = (action, operation, params, more = {}) =>
    step(`${mode}/presign ${more.what ?? action}`, async () =>
      pass({
        name: `${mode} ${more.what ?? ''}`.trim(), action, key: params.Key, send: more.send, want: more.want, refuse: more.refuse,
        url: await (more.client ?? s3).getSignedUrlPromise(operation, { Bucket, Expires: 60, ...params }),
      }));

  await mint('list', 'listObjectsV2', { Prefix: 'list/' });
  await mint('list', 'listObjects', { Prefix: 'list/', Delimiter: '/' }, { what: 'listObjects' });
  await mint('get', 'getObject', { Key: 'seed.txt', Expires: 1 }, { what: 'expired', refuse: 'expired' });
  await mint('put', 'putObject', { Key: 'expired.txt', Expires: 1 }, { what: 'expired', refuse: 'expired' });
  await mint('get', 'getObject', { Key: 'seed.txt' }, { what: 'wrong secret', refuse: 'SignatureDoesNotMatch', client: client(mode, { secretAccessKey: 'wrong' }) });
  await mint('get', 'getObject', { Key: 'seed.txt' }, { what: 'unknown key', refuse: 'InvalidAccessKeyId', client: client(mode, { accessKeyId: 'E2EUNKNOWN' }) });
  const disposition = `attachment; filename="report (1).pdf"; filename*=UTF-8''r%C3%A9port%20%281%29.pdf`;
  await mint('get', 'getObject', { Key: 'seed.txt', ResponseContentDisposition: disposition, ResponseContentType: 'application/pdf' },
    { what: 'response headers', want: { 'Content-Disposition': disposition, 'Content-Type': 'application/pdf' } });
  // The SDK puts all of these into the URL. V2 signs the type that the upload
  // must then have; V4 leaves the type to whoever uploads.
  const v2 = mode.startsWith('v2');
  const meta = { 'X-Amz-Meta-Color': 'green', 'X-Amz-Meta-Sky': 'deep blue' };
  const params = { ContentType: 'image/png', Metadata: { Color: 'green', sky: 'deep blue' }, ACL: 'private' };
  const upload = (what, send, outcome) => mint('put', 'putObject', { Key: `${what} ${mode}`, ...params }, { what, send, ...outcome });
  await upload('metadata', { 'Content-Type': 'image/png' }, { want: { 'Content-Type': 'image/png', ...meta } });
  await upload('metadata, no header', undefined, { want: v2 ? { 'Content-Type': 'image/png', ...meta } : meta });
  await upload('other type', { 'Content-Type': 'text/x-other' }, v2 ? { refuse: 'SignatureDoesNotMatch' } : { want: { 'Content-Type': 'text/x-other', ...meta } });
  await mint('put', 'putObject', { Key: `unsigned type ${mode}` },
    { what: 'unsigned type', send: { 'Content-Type': 'text/x-own' }, ...(v2 ? { refuse: 'SignatureDoesNotMatch' } : { want: { 'Content-Type': 'text/x-own' } }) });
}
