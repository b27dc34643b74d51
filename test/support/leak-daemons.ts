/** Daemons beside that of the scene, each with one thing wrong. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startDaemon } from './daemon.ts';
import { daemonFolder, localTenant } from './daemon-folder.ts';
import { breakIt, type Crash } from './leak-crash.ts';
import { bytesMarker, type Marker } from './leak-forms.ts';
import type { Sinks } from './leak-sinks.ts';
import { connectWire, inputs, reasonOf, type Wire } from './leak-wire.ts';

const tenant_id = 'local';

/** A folder with one tenant of the local provider. */
function simpleFolder(extra: string) {
  return daemonFolder({
    extra: `allow_local: true\nlog: { level: trace }\n${extra}`,
    tenants: { 'local.yaml': localTenant(tenant_id) },
  });
}

/** What a caller who is served has: the secrets of its answers. */
export async function useTenant(wire: Wire, tenant: string): Promise<Marker[]> {
  const base = { tenant_id: tenant };
  const { encryption_context } = inputs;
  const { ciphertext } = await wire.answer<{ ciphertext: Buffer }>('Encrypt', { ...base, ...inputs });
  await wire.answer('Decrypt', { ...base, ...inputs, ciphertext });
  await wire.answer('DescribeTenant', base);
  const markers = [bytesMarker(`a ciphertext of ${tenant}`, endOf(ciphertext))];
  for (const source of ['DEK_SOURCE_DERIVED', 'DEK_SOURCE_KMS']) {
    const made = await wire.answer<Dek>('GenerateDEK', { ...base, encryption_context, source });
    await wire.answer('Unwrap', { ...base, encryption_context, wrapped_dek: made.wrapped_dek });
    await wire.answer('Rewrap', { ...base, encryption_context, wrapped_dek: made.wrapped_dek });
    // Bytes that were changed are refused; what they came of is not told either.
    const wrapped_dek = Buffer.concat([made.wrapped_dek.subarray(0, -1), Buffer.of(0)]);
    await wire.call('Unwrap', { ...base, encryption_context, wrapped_dek });
    markers.push(bytesMarker(`a data key of ${tenant}`, made.plaintext));
    markers.push(bytesMarker(`a wrapped data key of ${tenant}`, endOf(made.wrapped_dek)));
  }
  await wire.call('Decrypt', { ...base, ...inputs, ciphertext: ciphertext.subarray(0, -1) });
  return markers;
}

interface Dek {
  readonly plaintext: Buffer;
  readonly wrapped_dek: Buffer;
}

/** What is encrypted, and the tags: before it stand names of the format, of the key and of the context. */
function endOf(bytes: Buffer): Buffer {
  return bytes.subarray(-32);
}

/** A daemon whose audit log goes to standard output, which ends by SIGABRT. Resolves with what it handed out. */
export async function auditToOutput(sinks: Sinks): Promise<Marker[]> {
  await using folder = await simpleFolder('');
  await using daemon = await startDaemon(folder.start);
  using wire = connectWire('native', { socket: join(folder.path, 'keyproxy.sock') }, sinks);
  const markers = await useTenant(wire, tenant_id);
  await wire.call('Encrypt', { ...inputs, tenant_id: 'nobody' });
  await sinks.addDaemon('audit to standard output', daemon);
  const ended = new Promise((done) => daemon.process.once('close', done));
  daemon.process.kill('SIGABRT');
  await ended;
  await sinks.addEnd('crash by SIGABRT, audit to standard output', daemon, {});
  return markers;
}

/** A daemon that can write no audit entry. Resolves with the reason that its callers hear. */
export async function auditWithoutRoom(sinks: Sinks): Promise<string> {
  await using folder = await simpleFolder('audit: { path: audit.jsonl }');
  await using daemon = await startDaemon(folder.start);
  // From now on every write of it to a file fails with EFBIG (RLIMIT_FSIZE, getrlimit(2); Node ignores SIGXFSZ).
  await promisify(execFile)('prlimit', [`--pid=${daemon.process.pid}`, '--fsize=0']);
  using wire = connectWire('native', { socket: join(folder.path, 'keyproxy.sock') }, sinks);
  const end = await wire.call('Encrypt', { ...inputs, tenant_id });
  await sinks.addDaemon('no room', daemon);
  await daemon.stop();
  await sinks.addEnd('no room', daemon, {});
  return reasonOf(end);
}

interface Crashed {
  /** What its callers heard before. */
  readonly reason: string;
  /** Its exit code. */
  readonly code: number | null;
  /** The secrets that its failures carried. */
  readonly markers: Marker[];
}

/** A daemon whose ciphers fail, and which then dies of it. */
export async function breakAndCrash(crash: Crash, sinks: Sinks): Promise<Crashed> {
  await using folder = await simpleFolder('audit: { path: audit.jsonl }');
  const markers = [bytesMarker("the local provider's key", await readFile(join(folder.path, 'cmk.key')))];
  await using daemon = await startDaemon({ ...folder.start, hardening: 'none', env: breakIt(crash) });
  using wire = connectWire('native', { socket: join(folder.path, 'keyproxy.sock') }, sinks);
  const reason = reasonOf(await wire.call('Encrypt', { ...inputs, tenant_id }));
  await sinks.addDaemon('broken ciphers', daemon);
  const ended = new Promise<number | null>((done) => daemon.process.once('close', done));
  daemon.process.kill('SIGUSR2');
  const code = await ended;
  await sinks.addEnd(`crash by ${crash}`, daemon, { audit: 'audit.jsonl' });
  return { reason, code, markers };
}
