// Follows the examples in docs/limits, whose functions presign and pinTag it
// uses: mints what the Go test asks for, and prints all of it at once.
const { bucket: Bucket, mint, vectors } = JSON.parse(process.env.DAYPASS_E2E);
const operations = { get: 'getObject', put: 'putObject', list: 'listObjectsV2' };
const minted = {};
for (const [name, { action, key, limits, pin }] of Object.entries(mint)) {
  if (pin) limits['x-daypass-pin'] = pinTag(process.env.AWS_SECRET_ACCESS_KEY, pin);
  minted[name] =
    action === 'form'
      ? s3.createPresignedPost({ Bucket, Fields: { key, ...limits } })
      : { url: presign(s3[operations[action]]({ Bucket, ...(key && { Key: key }) }), limits) };
}
// What happens where signatureVersion is forgotten.
const { region } = s3.config;
const forgetful = new AWS.S3({ endpoint: process.env.AWS_ENDPOINT_URL, region, s3ForcePathStyle: true });
minted['version 2'] = { url: presign(forgetful.getObject({ Bucket, Key: 'seed.txt' }), { 'x-daypass-uses': '1' }) };
const tags = vectors.map((v) => pinTag(v.secret, v.pin, Buffer.from(v.salt_hex, 'hex')));
console.log(JSON.stringify({ minted, tags }));
