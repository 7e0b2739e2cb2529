// What the JavaScript clients share: the settings that the Go test passes in,
// and the lines of JSON that tell it what happened.
import http from 'node:http';
import assert from 'node:assert/strict';

export const config = JSON.parse(process.env.DAYPASS_E2E);

// *.localhost may not resolve, but it always means this machine.
export const agent = new http.Agent({
  keepAlive: true,
  lookup: (host, options, callback) =>
    options.all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4),
});

const emit = (line) => process.stdout.write(JSON.stringify(line) + '\n');

// step runs one check and reports its outcome; later steps still run.
export async function step(name, check) {
  try {
    await check();
    emit({ step: name });
  } catch (error) {
    emit({ step: name, error: error.stack ?? String(error) });
  }
}

// pass hands a pre-signed URL over: { name, action, key, url } and perhaps
// send, want, refuse. See presigned_test.go.
export const pass = (p) => emit({ pass: p });

// refused expects a rejection with the given status, and code where there is
// a body to hold one.
export async function refused(promise, status, code) {
  const error = await promise.then(
    () => assert.fail('succeeds, should be refused'),
    (e) => e,
  );
  const got = error.statusCode ?? error.$metadata?.httpStatusCode;
  assert.equal(got, status, error.stack);
  if (code) assert.equal(error.code ?? error.name, code, error.stack);
}
