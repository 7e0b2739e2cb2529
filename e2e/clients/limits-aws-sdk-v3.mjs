// Follows the examples in docs/limits, whose functions presign and pinTag it
// uses: mints what the Go test asks for, and prints all of it at once.
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';

const { bucket: Bucket, mint, vectors } = JSON.parse(process.env.DAYPASS_E2E);
const commands = { get: GetObjectCommand, put: PutObjectCommand, list: ListObjectsV2Command };
const minted = {};
for (const [name, { action, key, limits, pin }] of Object.entries(mint)) {
  if (pin) limits['x-daypass-pin'] = pinTag(process.env.AWS_SECRET_ACCESS_KEY, pin);
  minted[name] =
    action === 'form'
      ? await createPresignedPost(s3, { Bucket, Key: key, Fields: limits })
      : { url: await presign(new commands[action]({ Bucket, ...(key && { Key: key }) }), limits) };
}
const tags = vectors.map((v) => pinTag(v.secret, v.pin, Buffer.from(v.salt_hex, 'hex')));
console.log(JSON.stringify({ minted, tags }));
