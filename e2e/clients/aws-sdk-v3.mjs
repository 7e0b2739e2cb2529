// The AWS SDK for JavaScript v3 and its request presigner.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import * as S3 from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { agent, config, pass, refused, step } from './lib.mjs';

const { endpoint, region, accessKeyId, secretAccessKey, bucket, keys } = config;

const modes = { 'v4 virtual': {}, 'v4 path': { forcePathStyle: true } };

const client = (mode, more = {}, credentials = {}) =>
  new S3.S3Client({
    region, endpoint, credentials: { accessKeyId, secretAccessKey, ...credentials },
    requestHandler: { httpAgent: agent }, maxAttempts: 1, ...modes[mode], ...more,
  });

const checksums = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];

for (const mode of Object.keys(modes)) {
  const s3 = client(mode);
  const Bucket = `${bucket}-${mode.replace(' ', '-')}`;
  const run = (name, check) => step(`${mode}/${name}`, check);
  const send = (command) => s3.send(command);

  await run('bucket', async () => {
    await send(new S3.CreateBucketCommand({ Bucket }));
    await send(new S3.HeadBucketCommand({ Bucket }));
    const { Buckets } = await send(new S3.ListBucketsCommand({}));
    assert(Buckets.some((b) => b.Name === Bucket), 'ListBuckets lacks the new bucket');
    await refused(send(new S3.GetObjectCommand({ Bucket: `${Bucket}-none`, Key: 'k' })), 404, 'NoSuchBucket');
  });
  for (const Key of keys) {
    await run(`object ${Key.slice(0, 40)}`, async () => {
      const put = await send(new S3.PutObjectCommand({ Bucket, Key, Body: 'héllo', ContentType: 'text/x-e2e', Metadata: { color: 'green' } }));
      const head = await send(new S3.HeadObjectCommand({ Bucket, Key }));
      assert.equal(head.ContentLength, 6);
      assert.equal(head.ETag, put.ETag);
      const get = await send(new S3.GetObjectCommand({ Bucket, Key }));
      assert.equal(await get.Body.transformToString(), 'héllo');
      assert.equal(get.ContentType, 'text/x-e2e');
      assert.deepEqual(get.Metadata, { color: 'green' });
      const list = await send(new S3.ListObjectsV2Command({ Bucket, Prefix: Key }));
      assert.deepEqual(list.Contents?.map((c) => c.Key), [Key]);
      await send(new S3.DeleteObjectCommand({ Bucket, Key }));
      await refused(send(new S3.GetObjectCommand({ Bucket, Key })), 404, 'NoSuchKey');
    });
  }
  await run('paginator', async () => {
    const names = Array.from({ length: 25 }, (_, i) => `page/${String(i).padStart(2, '0')} ü+`);
    for (const Key of names) await send(new S3.PutObjectCommand({ Bucket, Key, Body: '' }));
    const seen = [];
    for await (const page of S3.paginateListObjectsV2({ client: s3, pageSize: 7 }, { Bucket, EncodingType: 'url' }))
      seen.push(...page.Contents.map((c) => decodeURIComponent(c.Key.replaceAll('+', ' '))));
    assert.deepEqual(seen, names);
    const { Deleted } = await send(new S3.DeleteObjectsCommand({ Bucket, Delete: { Objects: names.map((Key) => ({ Key })) } }));
    assert.equal(Deleted.length, names.length);
  });
  for (const ChecksumAlgorithm of checksums) {
    const field = `Checksum${ChecksumAlgorithm}`;
    await run(`checksum ${ChecksumAlgorithm}`, async () => {
      const Key = `sum-${ChecksumAlgorithm}`;
      const buffered = await send(new S3.PutObjectCommand({ Bucket, Key, Body: 'buffer', ChecksumAlgorithm }));
      assert(buffered[field], `PutObject returns no ${field}`);
      const got = await send(new S3.GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
      assert.equal(got[field], buffered[field]);
      assert.equal(await got.Body.transformToString(), 'buffer'); // the SDK verifies while it reads
      // A stream's checksum follows it as a trailer.
      const large = Buffer.alloc(300_000, 'stream ');
      const streamed = await send(new S3.PutObjectCommand({ Bucket, Key, Body: Readable.from([large.subarray(0, 7), large.subarray(7)]), ContentLength: large.length, ChecksumAlgorithm }));
      assert(streamed[field], `PutObject of a stream returns no ${field}`);
      const back = await send(new S3.GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
      assert.equal(back[field], streamed[field]);
      assert(large.equals(await back.Body.transformToByteArray()), 'the stream came back changed');
    });
  }
  await run('wrong checksum', () =>
    refused(send(new S3.PutObjectCommand({ Bucket, Key: 'bad', Body: 'x', ChecksumSHA256: Buffer.alloc(32).toString('base64') })), 400, 'BadDigest'));
  await run('conditional put', async () => {
    const Key = 'once';
    await send(new S3.PutObjectCommand({ Bucket, Key, Body: '1', IfNoneMatch: '*' }));
    await refused(send(new S3.PutObjectCommand({ Bucket, Key, Body: '2', IfNoneMatch: '*' })), 412, 'PreconditionFailed');
  });
  await run('delete bucket', async () => {
    const { Contents = [] } = await send(new S3.ListObjectsV2Command({ Bucket }));
    for (const { Key } of Contents) await send(new S3.DeleteObjectCommand({ Bucket, Key }));
    await send(new S3.DeleteBucketCommand({ Bucket }));
    await refused(send(new S3.HeadBucketCommand({ Bucket })), 404);
  });
  await run('wrong secret', () =>
    refused(client(mode, {}, { secretAccessKey: 'wrong' }).send(new S3.ListBucketsCommand({})), 403, 'SignatureDoesNotMatch'));
  await run('unknown key', () =>
    refused(client(mode, {}, { accessKeyId: 'E2EUNKNOWN' }).send(new S3.ListBucketsCommand({})), 403, 'InvalidAccessKeyId'));
}

await step('create bucket', () => client('v4 path').send(new S3.CreateBucketCommand({ Bucket: bucket })));

const commands = { get: S3.GetObjectCommand, put: S3.PutObjectCommand, head: S3.HeadObjectCommand, delete: S3.DeleteObjectCommand, list: S3.ListObjectsV2Command };

for (const mode of Object.keys(modes)) {
  const mint = (action, params, { what = '', send, want, refuse, options, s3 = client(mode), match } = {}) =>
    step(`${mode}/presign ${action} ${what} ${(params.Key ?? '').slice(0, 40)}`, async () => {
      const url = await getSignedUrl(s3, new commands[action]({ Bucket: bucket, ...params }), { expiresIn: 60, ...options });
      if (match) assert.match(url, match);
      pass({ name: `${mode} ${what}`.trim(), action, key: params.Key, url, send, want, refuse });
    });

  for (const Key of keys) for (const action of ['get', 'put', 'head', 'delete']) await mint(action, { Key });
  await mint('list', { Prefix: 'list/' });
  await mint('get', { Key: 'seed.txt' }, { what: 'expired', refuse: 'expired', options: { expiresIn: 1 } });
  await mint('get', { Key: 'seed.txt' }, { what: 'signed long ago', refuse: 'expired', options: { signingDate: new Date(Date.now() - 3600e3) } });
  await mint('get', { Key: 'seed.txt' }, { what: 'a week, after an hour', options: { expiresIn: 604800, signingDate: new Date(Date.now() - 3600e3) } });
  await mint('get', { Key: 'seed.txt' }, { what: 'signed far ahead', refuse: 'AccessDenied', options: { signingDate: new Date(Date.now() + 3600e3) } });
  await mint('get', { Key: 'seed.txt' }, { what: 'signed a little ahead', options: { signingDate: new Date(Date.now() + 600e3) } });
  await mint('get', { Key: 'seed.txt' }, { what: 'wrong region', refuse: 'AuthorizationQueryParametersError', options: { signingRegion: 'eu-west-1' } });
  await mint('get', { Key: 'seed.txt' }, { what: 'wrong secret', refuse: 'SignatureDoesNotMatch', s3: client(mode, {}, { secretAccessKey: 'wrong' }) });
  await mint('get', { Key: 'seed.txt' }, { what: 'unknown key', refuse: 'InvalidAccessKeyId', s3: client(mode, {}, { accessKeyId: 'E2EUNKNOWN' }) });
  const disposition = `attachment; filename="report (1).pdf"; filename*=UTF-8''r%C3%A9port%20%281%29.pdf`;
  await mint('get', { Key: 'seed.txt', ResponseContentDisposition: disposition, ResponseCacheControl: 'no-store' },
    { what: 'response headers', want: { 'Content-Disposition': disposition, 'Cache-Control': 'no-store' } });

  // The checksum of an empty body, baked into every URL since January 2025.
  await mint('put', { Key: `crc-${mode}` }, { what: 'default checksum', match: /x-amz-checksum-crc32=AAAAAA%3D%3D/i });
  await mint('put', { Key: `nocrc-${mode}` }, { what: 'no checksum', s3: client(mode, { requestChecksumCalculation: 'WHEN_REQUIRED' }) });
  const typed = { ContentType: 'image/png' };
  await mint('put', { Key: `type-${mode}`, ...typed }, { what: 'unsigned type', send: { 'Content-Type': 'image/gif' }, want: { 'Content-Type': 'image/gif' } });
  const signType = { signableHeaders: new Set(['content-type', 'host']) };
  await mint('put', { Key: `signed-type-${mode}`, ...typed },
    { what: 'signed type', options: signType, match: /SignedHeaders=content-type%3Bhost/, send: { 'Content-Type': 'image/png' }, want: { 'Content-Type': 'image/png' } });
  await mint('put', { Key: `other-type-${mode}`, ...typed },
    { what: 'other type', options: signType, send: { 'Content-Type': 'text/html' }, refuse: 'SignatureDoesNotMatch' });
  const meta = { Metadata: { color: 'green', sky: 'deep blue' } };
  const want = { 'X-Amz-Meta-Color': 'green', 'X-Amz-Meta-Sky': 'deep blue' };
  await mint('put', { Key: `meta-${mode}`, ...meta }, { what: 'metadata in the query', match: /x-amz-meta-color=green/, want });
  const unhoist = { unhoistableHeaders: new Set(['x-amz-meta-color', 'x-amz-meta-sky']) };
  await mint('put', { Key: `meta-header-${mode}`, ...meta },
    { what: 'metadata in headers', options: unhoist, send: want, want, match: /SignedHeaders=host%3Bx-amz-meta-color%3Bx-amz-meta-sky/ });
  await mint('put', { Key: `meta-missing-${mode}`, ...meta }, { what: 'metadata left out', options: unhoist, refuse: 'SignatureDoesNotMatch' });
  const sum = { ChecksumSHA256: 'LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=' }; // of "foo"
  await mint('put', { Key: `sum-${mode}`, ...sum },
    { what: 'checksum of another body', options: { unhoistableHeaders: new Set(['x-amz-checksum-sha256']) }, send: { 'X-Amz-Checksum-Sha256': sum.ChecksumSHA256 }, refuse: 'BadDigest' });
}
