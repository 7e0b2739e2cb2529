// What users of the AWS SDK for JavaScript v3 do to keep objects.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as S3 from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { agent, config, refused, step } from './lib.mjs';

const { endpoint, region, accessKeyId, secretAccessKey, bucket: Bucket } = config;
const s3 = new S3.S3Client({
  region, endpoint, credentials: { accessKeyId, secretAccessKey }, requestHandler: { httpAgent: agent }, maxAttempts: 1, forcePathStyle: true,
});
const send = (command) => s3.send(command);
const soon = (seconds = 3600) => new Date(Math.trunc(Date.now() / 1000 + seconds) * 1000);
const governed = () => ({ ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: soon() });
const locked = async (at, bypass = false) =>
  refused(send(new S3.DeleteObjectCommand({ ...at, BypassGovernanceRetention: bypass })), 403, 'AccessDenied');

await step('a bucket with object lock', async () => {
  await send(new S3.CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } } };
  await send(new S3.PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }));
  assert.deepEqual((await send(new S3.GetObjectLockConfigurationCommand({ Bucket }))).ObjectLockConfiguration, ObjectLockConfiguration);
});

await step('retention and legal hold', async () => {
  const Key = 'kept';
  const { VersionId } = await send(new S3.PutObjectCommand({ Bucket, Key, Body: 'kept' })); // with the SDK's own checksum
  const at = { Bucket, Key, VersionId };
  await locked(at);
  const Retention = { Mode: 'GOVERNANCE', RetainUntilDate: soon(5 * 86400) };
  await send(new S3.PutObjectRetentionCommand({ ...at, Retention }));
  assert.deepEqual((await send(new S3.GetObjectRetentionCommand(at))).Retention, Retention);
  await send(new S3.PutObjectLegalHoldCommand({ ...at, LegalHold: { Status: 'ON' } }));
  await locked(at, true);
  await send(new S3.PutObjectLegalHoldCommand({ ...at, LegalHold: { Status: 'OFF' } }));
  await send(new S3.DeleteObjectCommand({ ...at, BypassGovernanceRetention: true }));
});

await step('DeleteObjects', async () => {
  const Key = 'batch';
  const { VersionId } = await send(new S3.PutObjectCommand({ Bucket, Key, Body: 'kept', ...governed() }));
  const remove = (more) => send(new S3.DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key, VersionId }] }, ...more }));
  const { Errors } = await remove();
  assert.deepEqual(Errors.map((e) => [e.Key, e.Code, e.Message]), [[Key, 'AccessDenied', 'Access Denied because object protected by object lock.']]);
  assert.deepEqual((await remove({ BypassGovernanceRetention: true })).Deleted, [{ Key, VersionId }]);
});

await step('Upload in parts', async () => {
  const Key = 'parts';
  const lock = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: soon(), ObjectLockLegalHoldStatus: 'ON' };
  const { VersionId } = await new Upload({ client: s3, params: { Bucket, Key, Body: Buffer.alloc(11 << 20, 'x'), ...lock } }).done();
  const head = await send(new S3.HeadObjectCommand({ Bucket, Key }));
  assert.deepEqual(Object.fromEntries(Object.keys(lock).map((name) => [name, head[name]])), lock);
  await locked({ Bucket, Key, VersionId }, true);
});

await step('pre-signed', async () => {
  const Key = 'by url';
  const sent = { 'Content-MD5': createHash('md5').update('x').digest('base64') };
  const lock = governed();
  const url = await getSignedUrl(s3, new S3.PutObjectCommand({ Bucket, Key, ...lock }));
  assert.match(url, /x-amz-object-lock-mode=GOVERNANCE/); // where this SDK puts headers
  const answer = await fetch(url, { method: 'PUT', body: 'x', headers: sent });
  assert.equal(answer.status, 200, await answer.text());
  const other = await fetch(url, { method: 'PUT', body: 'x', headers: { ...sent, 'x-amz-object-lock-mode': 'COMPLIANCE' } });
  assert.equal(other.status, 403);
  const VersionId = answer.headers.get('x-amz-version-id');
  const head = await send(new S3.HeadObjectCommand({ Bucket, Key }));
  assert.deepEqual([head.VersionId, head.ObjectLockMode, head.ObjectLockRetainUntilDate], [VersionId, lock.ObjectLockMode, lock.ObjectLockRetainUntilDate]);
  const remove = (more) => getSignedUrl(s3, new S3.DeleteObjectCommand({ Bucket, Key, VersionId, ...more }));
  assert.equal((await fetch(await remove(), { method: 'DELETE' })).status, 403);
  assert.equal((await fetch(await remove({ BypassGovernanceRetention: true }), { method: 'DELETE' })).status, 204);
});

await step('form', async () => {
  const Key = 'by form';
  const lock = { 'x-amz-object-lock-mode': 'GOVERNANCE', 'x-amz-object-lock-retain-until-date': soon().toISOString(), 'x-amz-object-lock-legal-hold': 'OFF' };
  const { url, fields } = await createPresignedPost(s3, { Bucket, Key, Fields: lock, Conditions: Object.entries(lock).map(([k, v]) => ({ [k]: v })) });
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('file', new Blob(['x']), 'x.txt');
  const answer = await fetch(url, { method: 'POST', body: form });
  assert.equal(answer.status, 204, await answer.text());
  assert.equal((await send(new S3.HeadObjectCommand({ Bucket, Key }))).ObjectLockLegalHoldStatus, 'OFF');
});
