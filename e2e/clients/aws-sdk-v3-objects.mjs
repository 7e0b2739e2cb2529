// What users of the AWS SDK for JavaScript v3 do with large objects, forms,
// copies and versions.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import * as S3 from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { agent, config, refused, step } from './lib.mjs';

const { endpoint, region, accessKeyId, secretAccessKey, bucket: Bucket } = config;
const MiB = 1 << 20;

const client = (more = {}) =>
  new S3.S3Client({
    region, endpoint, credentials: { accessKeyId, secretAccessKey }, requestHandler: { httpAgent: agent }, maxAttempts: 1, ...more,
  });
const s3 = client();
const path = client({ forcePathStyle: true }); // whose URLs fetch can resolve
const send = (command) => s3.send(command);
const bytes = (size) => Buffer.alloc(size, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
const md5 = (...parts) => parts.reduce((h, p) => h.update(p), createHash('md5')).digest();
const read = async (Key, more = {}) => Buffer.from(await (await send(new S3.GetObjectCommand({ Bucket, Key, ...more }))).Body.transformToByteArray());

function etag(body, size) {
  const sums = [];
  for (let i = 0; i < body.length; i += size) sums.push(md5(body.subarray(i, i + size)));
  return `"${md5(...sums).toString('hex')}-${sums.length}"`;
}

await step('create bucket', () => send(new S3.CreateBucketCommand({ Bucket })));

for (const ChecksumAlgorithm of [undefined, 'CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']) {
  await step(`Upload, ${ChecksumAlgorithm ?? 'default checksum'}`, async () => {
    const Key = `large ü+/${ChecksumAlgorithm}`;
    const body = bytes(22 * MiB);
    const progress = [];
    const upload = new Upload({ client: s3, partSize: 8 * MiB, queueSize: 3, params: { Bucket, Key, Body: body, ChecksumAlgorithm, ContentType: 'text/x-e2e' } });
    upload.on('httpUploadProgress', ({ loaded }) => progress.push(loaded));
    const done = await upload.done();
    assert.equal(done.ETag, etag(body, 8 * MiB));
    assert.equal(progress.at(-1), body.length);
    const head = await send(new S3.HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
    const field = `Checksum${ChecksumAlgorithm ?? 'CRC32'}`;
    assert(head[field], `HeadObject returns no ${field}`);
    assert.equal(done[field], head[field]);
    assert.equal(head.ChecksumType, ChecksumAlgorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE');
    assert.equal(head.ContentType, 'text/x-e2e');
    assert(body.equals(await read(Key, { ChecksumMode: 'ENABLED' })), 'the object came back changed'); // a whole object's checksum is verified
    const attributes = await send(new S3.GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ['ObjectParts', 'Checksum', 'ObjectSize'] }));
    assert.equal(attributes.ObjectSize, body.length);
    assert.equal(attributes.ObjectParts.TotalPartsCount, 3);
    assert.equal(attributes.Checksum[field], head[field].split('-')[0]);
  });
}

await step('Upload of a stream of unknown length', async () => {
  const Key = 'stream';
  const body = bytes(11 * MiB);
  const stream = Readable.from((function* () { for (let i = 0; i < body.length; i += 100_003) yield body.subarray(i, i + 100_003); })());
  await new Upload({ client: s3, params: { Bucket, Key, Body: stream } }).done();
  assert(body.equals(await read(Key)), 'the stream came back changed');
  const { Body, PartsCount, ContentRange } = await send(new S3.GetObjectCommand({ Bucket, Key, PartNumber: 3 }));
  assert(body.subarray(10 * MiB).equals(Buffer.from(await Body.transformToByteArray())), 'part 3 is another');
  assert.deepEqual([PartsCount, ContentRange], [3, `bytes ${10 * MiB}-${11 * MiB - 1}/${11 * MiB}`]);
});

await step('Upload aborted', async () => {
  const Key = 'aborted';
  const upload = new Upload({ client: s3, params: { Bucket, Key, Body: bytes(30 * MiB) }, queueSize: 1 });
  upload.once('httpUploadProgress', () => upload.abort());
  await assert.rejects(upload.done(), { name: 'AbortError' });
  // The SDK tells the server while it already tells us.
  let left;
  for (let tries = 0; tries < 50 && (left = (await send(new S3.ListMultipartUploadsCommand({ Bucket, Prefix: Key }))).Uploads); tries++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(left, undefined);
  await refused(send(new S3.HeadObjectCommand({ Bucket, Key })), 404);
});

await step('full-object checksum', async () => {
  const Key = 'full';
  const body = bytes(6 * MiB);
  const begin = { Bucket, Key, ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' };
  const { UploadId, ChecksumType } = await send(new S3.CreateMultipartUploadCommand(begin));
  assert.equal(ChecksumType, 'FULL_OBJECT');
  const Parts = [];
  for (const [i, Body] of [body.subarray(0, 5 * MiB), body.subarray(5 * MiB)].entries()) {
    const { ETag, ChecksumCRC32 } = await send(new S3.UploadPartCommand({ Bucket, Key, UploadId, PartNumber: i + 1, Body, ChecksumAlgorithm: 'CRC32' }));
    Parts.push({ ETag, ChecksumCRC32, PartNumber: i + 1 });
  }
  const whole = await send(new S3.PutObjectCommand({ Bucket, Key: 'whole', Body: body, ChecksumAlgorithm: 'CRC32' }));
  const end = { Bucket, Key, UploadId, MultipartUpload: { Parts }, ChecksumType: 'FULL_OBJECT' };
  await refused(send(new S3.CompleteMultipartUploadCommand({ ...end, ChecksumCRC32: 'AAAAAA==' })), 400, 'BadDigest');
  const done = await send(new S3.CompleteMultipartUploadCommand({ ...end, ChecksumCRC32: whole.ChecksumCRC32 }));
  assert.equal(done.ChecksumCRC32, whole.ChecksumCRC32);
  assert(body.equals(await read(Key, { ChecksumMode: 'ENABLED' })));
});

await step('UploadPartCopy and copies', async () => {
  const CopySource = `${Bucket}/${encodeURIComponent('large ü+/SHA256')}`;
  const copy = await send(new S3.CopyObjectCommand({ Bucket, Key: 'copy', CopySource }));
  const body = bytes(22 * MiB);
  assert(copy.CopyObjectResult.ETag, 'no ETag');
  assert(body.equals(await read('copy')), 'the copy differs');
  const { UploadId } = await send(new S3.CreateMultipartUploadCommand({ Bucket, Key: 'pieces' }));
  const Parts = [];
  for (const [i, range] of [[0, 5 * MiB], [20 * MiB, 22 * MiB]].entries()) {
    const part = { Bucket, Key: 'pieces', UploadId, PartNumber: i + 1, CopySource, CopySourceRange: `bytes=${range[0]}-${range[1] - 1}` };
    Parts.push({ PartNumber: i + 1, ETag: (await send(new S3.UploadPartCopyCommand(part))).CopyPartResult.ETag });
  }
  await send(new S3.CompleteMultipartUploadCommand({ Bucket, Key: 'pieces', UploadId, MultipartUpload: { Parts } }));
  assert(Buffer.concat([body.subarray(0, 5 * MiB), body.subarray(20 * MiB)]).equals(await read('pieces')), 'the pieces differ');
});

async function post({ url, fields }, body, type, change = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries({ ...fields, ...change })) form.append(name, value);
  form.append('file', new Blob([body], { type }), 'grüße.txt');
  const response = await fetch(url, { method: 'POST', body: form, redirect: 'manual' });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

await step('createPresignedPost', async () => {
  const made = await createPresignedPost(path, {
    Bucket, Key: 'forms/${filename}', Expires: 60,
    Fields: { acl: 'bucket-owner-full-control', 'Content-Type': 'text/plain' },
    Conditions: [['content-length-range', 1, 100], ['starts-with', '$Content-Type', 'text/']],
  });
  let got = await post(made, 'hello', 'text/plain');
  assert.equal(got.status, 204, got.text);
  assert.equal((await read('forms/grüße.txt')).toString(), 'hello');
  for (const [body, change, status, code] of [
    ['x'.repeat(101), {}, 400, 'EntityTooLarge'],
    ['', {}, 400, 'EntityTooSmall'],
    ['x', { 'Content-Type': 'image/png' }, 403, 'AccessDenied'],
    ['x', { key: 'elsewhere' }, 403, 'AccessDenied'],
    ['x', { acl: 'public-read' }, 403, 'AccessDenied'],
    ['x', { 'X-Amz-Signature': '0'.repeat(64) }, 403, 'SignatureDoesNotMatch'],
  ]) {
    got = await post(made, body, 'text/plain', change);
    assert.deepEqual([got.status, got.text.match(/<Code>(.*)<\/Code>/)?.[1]], [status, code], got.text);
  }
  const created = await createPresignedPost(path, { Bucket, Key: 'created', Fields: { success_action_status: '201' } });
  got = await post(created, 'made', 'text/plain');
  assert.equal(got.status, 201);
  assert.match(got.text, /<PostResponse>.*<Key>created<\/Key>/s);
});

await step('parts by pre-signed URLs', async () => {
  const Key = 'by url';
  const { UploadId } = await send(new S3.CreateMultipartUploadCommand({ Bucket, Key }));
  const body = bytes(6 * MiB);
  const Parts = [];
  for (const [i, part] of [body.subarray(0, 5 * MiB), body.subarray(5 * MiB)].entries()) {
    const url = await getSignedUrl(path, new S3.UploadPartCommand({ Bucket, Key, UploadId, PartNumber: i + 1 }), { expiresIn: 60 });
    const response = await fetch(url, { method: 'PUT', body: part });
    assert.equal(response.status, 200, await response.text());
    Parts.push({ PartNumber: i + 1, ETag: response.headers.get('etag') });
  }
  const url = await getSignedUrl(path, new S3.CompleteMultipartUploadCommand({ Bucket, Key, UploadId }), { expiresIn: 60 });
  const xml = Parts.map((p) => `<Part><PartNumber>${p.PartNumber}</PartNumber><ETag>${p.ETag}</ETag></Part>`).join('');
  const response = await fetch(url, { method: 'POST', body: `<CompleteMultipartUpload>${xml}</CompleteMultipartUpload>` });
  assert.equal(response.status, 200, await response.text());
  assert(body.equals(await read(Key)), 'the parts came back changed');
});

await step('versions', async () => {
  const Key = 'versioned';
  await send(new S3.PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  const { VersionId: one } = await send(new S3.PutObjectCommand({ Bucket, Key, Body: '1' }));
  const { VersionId: two } = await send(new S3.PutObjectCommand({ Bucket, Key, Body: '2' }));
  const { VersionId: marker, DeleteMarker } = await send(new S3.DeleteObjectCommand({ Bucket, Key }));
  assert.equal(DeleteMarker, true);
  await refused(send(new S3.GetObjectCommand({ Bucket, Key })), 404, 'NoSuchKey');
  const url = await getSignedUrl(path, new S3.GetObjectCommand({ Bucket, Key, VersionId: one }), { expiresIn: 60 });
  assert.equal(await (await fetch(url)).text(), '1');
  assert.equal((await fetch(url.replace(one, two))).status, 403);
  const { Versions, DeleteMarkers } = await send(new S3.ListObjectVersionsCommand({ Bucket, Prefix: Key }));
  assert.deepEqual([Versions.map((v) => v.VersionId), DeleteMarkers.map((m) => m.VersionId)], [[two, one], [marker]]);
  await send(new S3.DeleteObjectCommand({ Bucket, Key, VersionId: marker }));
  assert.equal((await read(Key)).toString(), '2');
  await send(new S3.DeleteObjectCommand({ Bucket, Key, VersionId: two }));
  assert.equal((await read(Key)).toString(), '1');
});

await step('conditions', async () => {
  const Key = 'conditional';
  const { ETag } = await send(new S3.PutObjectCommand({ Bucket, Key, Body: '1' }));
  await refused(send(new S3.PutObjectCommand({ Bucket, Key, Body: '2', IfMatch: '"0123456789abcdef0123456789abcdef"' })), 412, 'PreconditionFailed');
  await send(new S3.PutObjectCommand({ Bucket, Key, Body: '2', IfMatch: ETag }));
  await refused(new Upload({ client: s3, params: { Bucket, Key, Body: bytes(6 * MiB), IfNoneMatch: '*' } }).done(), 412, 'PreconditionFailed');
  assert.equal((await read(Key)).toString(), '2');
  await refused(send(new S3.CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/${Key}`, MetadataDirective: 'REPLACE', IfNoneMatch: '*' })), 412, 'PreconditionFailed');
  await refused(send(new S3.DeleteObjectCommand({ Bucket, Key, IfMatch: ETag })), 412, 'PreconditionFailed');
  assert.equal((await read(Key)).toString(), '2');
});

await step('not set', async () => {
  await refused(send(new S3.GetBucketWebsiteCommand({ Bucket })), 404, 'NoSuchWebsiteConfiguration');
  assert.equal((await send(new S3.ListBucketAnalyticsConfigurationsCommand({ Bucket }))).AnalyticsConfigurationList, undefined);
});

await step('not implemented', () =>
  Promise.all([
    new S3.SelectObjectContentCommand({
      Bucket, Key: 'conditional', Expression: 'SELECT 1', ExpressionType: 'SQL', InputSerialization: { CSV: {} }, OutputSerialization: { CSV: {} },
    }),
    new S3.GetBucketAbacCommand({ Bucket }),
    new S3.PutBucketReplicationCommand({ Bucket, ReplicationConfiguration: { Role: 'arn:aws:iam::1:role/r', Rules: [] } }),
    new S3.GetObjectTorrentCommand({ Bucket, Key: 'conditional' }),
    new S3.PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration: { IndexDocument: { Suffix: 'index.html' } } }),
    new S3.RestoreObjectCommand({ Bucket, Key: 'conditional', RestoreRequest: { Days: 1 } }),
  ].map((command) => refused(send(command), 501, 'NotImplemented'))));
