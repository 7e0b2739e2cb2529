// What users of the AWS SDK for JavaScript v3 do to encrypt objects: SSE-S3, a
// bucket's default, and keys of their own (SSE-C), over TLS.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import * as S3 from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { config, refused, step } from './lib.mjs';

const { endpoint, region, accessKeyId, secretAccessKey, bucket: Bucket } = config;
const agent = new https.Agent({ keepAlive: true, ca: readFileSync(config.caBundle) });
const s3 = new S3.S3Client({
  region, endpoint, credentials: { accessKeyId, secretAccessKey }, requestHandler: { httpsAgent: agent }, maxAttempts: 1, forcePathStyle: true,
});
const send = (command) => s3.send(command);
const customer = (key) => ({
  SSECustomerAlgorithm: 'AES256',
  SSECustomerKey: key.toString('base64'),
  SSECustomerKeyMD5: createHash('md5').update(key).digest('base64'),
});
const own = customer(randomBytes(32));
const stranger = customer(randomBytes(32));
const headers = {
  'x-amz-server-side-encryption-customer-algorithm': 'AES256',
  'x-amz-server-side-encryption-customer-key': own.SSECustomerKey,
  'x-amz-server-side-encryption-customer-key-MD5': own.SSECustomerKeyMD5,
};
const large = randomBytes(12 << 20);
const body = async (input) => {
  const answer = await send(new S3.GetObjectCommand({ Bucket, ...input }));
  return Buffer.from(await answer.Body.transformToByteArray());
};

// fetched sends a request without the SDK.
const fetched = (method, url, more, text) =>
  new Promise((resolve, reject) => {
    const request = https.request(url, { method, agent, headers: more }, (answer) => {
      const pieces = [];
      answer.on('data', (piece) => pieces.push(piece));
      answer.on('end', () => resolve({ status: answer.statusCode, text: Buffer.concat(pieces).toString() }));
    });
    request.on('error', reject);
    request.end(text);
  });

await step('SSE-S3', async () => {
  await send(new S3.CreateBucketCommand({ Bucket }));
  const put = await send(new S3.PutObjectCommand({ Bucket, Key: 's3', Body: 'content', ServerSideEncryption: 'AES256' }));
  assert.equal(put.ServerSideEncryption, 'AES256');
  const head = await send(new S3.HeadObjectCommand({ Bucket, Key: 's3' }));
  assert.equal(head.ServerSideEncryption, 'AES256');
  assert.equal((await body({ Key: 's3' })).toString(), 'content');
});

await step('KMS', async () => {
  await refused(send(new S3.PutObjectCommand({ Bucket, Key: 'kms', Body: 'x', ServerSideEncryption: 'aws:kms' })), 501, 'NotImplemented');
});

await step('default of the bucket', async () => {
  const ServerSideEncryptionConfiguration = { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' }, BucketKeyEnabled: false }] };
  await send(new S3.PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration }));
  assert.deepEqual((await send(new S3.GetBucketEncryptionCommand({ Bucket }))).ServerSideEncryptionConfiguration, ServerSideEncryptionConfiguration);
  assert.equal((await send(new S3.PutObjectCommand({ Bucket, Key: 'default', Body: 'x' }))).ServerSideEncryption, 'AES256');
  await send(new S3.DeleteBucketEncryptionCommand({ Bucket }));
  await refused(send(new S3.GetBucketEncryptionCommand({ Bucket })), 404, 'ServerSideEncryptionConfigurationNotFoundError');
});

await step('SSE-C', async () => {
  const put = await send(new S3.PutObjectCommand({ Bucket, Key: 'own', Body: 'content', ...own }));
  assert.equal(put.SSECustomerKeyMD5, own.SSECustomerKeyMD5);
  assert.equal((await body({ Key: 'own', ...own })).toString(), 'content');
  await refused(send(new S3.GetObjectCommand({ Bucket, Key: 'own' })), 400, 'InvalidRequest');
  await refused(send(new S3.GetObjectCommand({ Bucket, Key: 'own', ...stranger })), 403, 'AccessDenied');
  await refused(send(new S3.HeadObjectCommand({ Bucket, Key: 'own' })), 400);
  await refused(send(new S3.GetObjectCommand({ Bucket, Key: 's3', ...own })), 400, 'InvalidRequest');
});

await step('SSE-C in parts', async () => {
  await new Upload({ client: s3, partSize: 5 << 20, params: { Bucket, Key: 'large', Body: large, ...own } }).done();
  assert.ok(large.equals(await body({ Key: 'large', ...own })));
  for (const [first, last] of [[0, 0], [65530, 65545], [(5 << 20) - 1, 5 << 20], [100, 11 << 20]]) {
    const got = await body({ Key: 'large', Range: `bytes=${first}-${last}`, ...own });
    assert.ok(large.subarray(first, last + 1).equals(got), `${first}-${last}`);
  }
});

await step('copies', async () => {
  const source = { CopySource: `${Bucket}/large`, CopySourceSSECustomerAlgorithm: 'AES256',
    CopySourceSSECustomerKey: own.SSECustomerKey, CopySourceSSECustomerKeyMD5: own.SSECustomerKeyMD5 };
  await send(new S3.CopyObjectCommand({ Bucket, Key: 'copy', ...source, ...stranger }));
  assert.ok(large.equals(await body({ Key: 'copy', ...stranger })));
  await send(new S3.CopyObjectCommand({ Bucket, Key: 'copy', ServerSideEncryption: 'AES256', ...source }));
  assert.ok(large.equals(await body({ Key: 'copy' })));
});

await step('pre-signed SSE-C', async () => {
  // The SDK puts into the URL what it is not told to leave in headers.
  const unhoistableHeaders = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const put = await getSignedUrl(s3, new S3.PutObjectCommand({ Bucket, Key: 'signed', ...own }), { unhoistableHeaders });
  assert.equal((await fetched('PUT', put, headers, 'signed')).status, 200);
  const get = await getSignedUrl(s3, new S3.GetObjectCommand({ Bucket, Key: 'signed', ...own }), { unhoistableHeaders });
  assert.deepEqual(await fetched('GET', get, headers), { status: 200, text: 'signed' });
  assert.equal((await fetched('GET', get)).status, 403);
  const hoisted = await getSignedUrl(s3, new S3.GetObjectCommand({ Bucket, Key: 'signed', ...own }));
  const bare = hoisted.includes('customer-key=') ? undefined : headers;
  assert.deepEqual(await fetched('GET', hoisted, bare), { status: 200, text: 'signed' });
});
