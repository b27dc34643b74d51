/**
 * One record through keyproxy and back: encrypted there, and encrypted here under a data key from there.
 *
 *     node examples/node/roundtrip.ts [ADDRESS]
 *
 * ADDRESS is `unix:/path` or `host:port`; without it KEYPROXY_ADDRESS is asked, else the socket of a sidecar.
 * TENANT names the tenant, `demo` where it is not set.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { KeyProxyClient, Refused } from './keyproxy-client.ts';

const address = process.argv[2] ?? process.env['KEYPROXY_ADDRESS'] ?? 'unix:///run/keyproxy/keyproxy.sock';
const tenant_id = process.env['TENANT'] ?? 'demo';
const encryption_context = { purpose: 'orders' };
const associated_data = Buffer.from('order-17');
const record = Buffer.from('{"order":17,"card":"4111 1111 1111 1111","to":"Søren, Århus"}');

/** keyproxy encrypts. The id of the row is bound to the ciphertext, so it opens in no other row. */
async function encryptThere(keyproxy: KeyProxyClient): Promise<Buffer> {
  const request = { tenant_id, encryption_context, associated_data };
  const { ciphertext, key } = await keyproxy.call('Encrypt', { ...request, plaintext: record });
  console.log(`encrypted ${record.length} bytes into ${ciphertext.length} under ${key.provider} ${key.key_id}`);
  const { plaintext } = await keyproxy.call('Decrypt', { ...request, ciphertext });
  if (!plaintext.equals(record)) throw new Error('another record came back');
  console.log('decrypted them again');
  return ciphertext;
}

/** keyproxy hands out a data key; the record never leaves this process. Only the wrapped key is stored. */
async function encryptHere(keyproxy: KeyProxyClient): Promise<void> {
  const made = await keyproxy.call('GenerateDEK', { tenant_id, encryption_context });
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', made.plaintext, iv);
  const sealed = Buffer.concat([cipher.update(record), cipher.final()]);
  const tag = cipher.getAuthTag();
  made.plaintext.fill(0);

  const { wrapped_dek } = made;
  const again = await keyproxy.call('Unwrap', { tenant_id, encryption_context, wrapped_dek });
  const decipher = createDecipheriv('aes-256-gcm', again.plaintext, iv, { authTagLength: 16 }).setAuthTag(tag);
  const opened = Buffer.concat([decipher.update(sealed), decipher.final()]);
  again.plaintext.fill(0);
  if (!opened.equals(record)) throw new Error('another record came back');
  console.log(`sealed it here under a data key, kept as ${wrapped_dek.length} wrapped bytes; unwrapped and opened it`);
}

/** What a refused call looks like: the same ciphertext, in another row. */
async function beRefused(keyproxy: KeyProxyClient, ciphertext: Buffer): Promise<void> {
  const elsewhere = { tenant_id, ciphertext, encryption_context, associated_data: Buffer.from('order-18') };
  const answer = await keyproxy.call('Decrypt', elsewhere).catch((error: unknown) => error);
  if (!(answer instanceof Refused) || answer.reason === undefined) throw new Error('a refusal was due');
  console.log(line(answer));
}

function line({ code, reason, message }: Refused): string {
  return reason === undefined ? `failed: ${code}: ${message}` : `refused: ${reason} (${code}): ${message}`;
}

try {
  using keyproxy = new KeyProxyClient(address);
  const ciphertext = await encryptThere(keyproxy);
  await encryptHere(keyproxy);
  await beRefused(keyproxy, ciphertext);
} catch (error) {
  console.error(error instanceof Refused ? line(error) : error);
  process.exitCode = 1;
}
