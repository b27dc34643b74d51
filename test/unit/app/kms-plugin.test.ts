/** What kube-apiserver gets from the cluster's key while that is changed, rotated, refused and silent. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { EncryptedDataKey } from '../../../src/base/encrypted-data-key.ts';
import { KeyproxyError } from '../../../src/base/errors.ts';
import type { KeyInfo } from '../../../src/kms/key-service.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { KmsScene } from '../../support/kms-scene.ts';

const header = 'message-header.kms-plugin.keyproxy.io';
const silence = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' } as const;
const disabled = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true } as const;

/** A service that counts its versions, and may answer as if it were behind. */
class Counting extends FakeKeyService {
  behind = 0;
  /** Whether what is wrapped is made, and no call that opens it comes back. */
  isStuck = false;

  override describe(entry: EncryptedDataKey): KeyInfo {
    const { keyId, keyVersion } = super.describe(entry);
    return { provider: 'vault', keyId, keyVersion: String(Number(keyVersion.slice(1)) - this.behind) };
  }

  override async unwrap(request: Parameters<FakeKeyService['unwrap']>[0]) {
    if (this.isStuck) this.hold();
    return await super.unwrap(request);
  }
}

describe('what it gives', () => {
  test('is within the bounds of kube-apiserver and opens again, with five keys too', async () => {
    const replicas = ['r1', 'r2', 'r3', 'r4'].map((name) => new FakeKeyService(name));
    await using scene = await KmsScene.start({ current: new FakeKeyService('a'), replicas });
    const seed = randomBytes(32);
    const kept = await scene.encrypt(seed);
    expect(await scene.status()).toEqual({ version: 'v2', healthz: 'ok', keyId: kept.keyId });
    expect(kept.ciphertext.length).toBe(72);
    expect([...kept.annotations.keys()]).toEqual([header]);
    expect(await scene.decrypt(kept)).toEqual(seed);
    expect((await scene.encrypt(randomBytes(900))).ciphertext.length).toBeLessThan(1024);
    expect(await scene.reason(scene.encrypt(randomBytes(901)))).toBe('MESSAGE_TOO_LARGE');
  });

  test('opens only as it was given, and everything else fails alike, into the audit', async () => {
    await using scene = await KmsScene.start({ current: new FakeKeyService('a') });
    const kept = await scene.encrypt(randomBytes(32));
    const head = kept.annotations.get(header) ?? Buffer.alloc(0);
    const flipped = (bytes: Buffer, at: number) => {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ 1;
      return copy;
    };
    const wrong = [
      { ...kept, keyId: kept.keyId.replace(/1$/, '2') },
      { ...kept, keyId: '' },
      { ...kept, ciphertext: flipped(kept.ciphertext, 40) },
      { ...kept, ciphertext: Buffer.alloc(0) },
      { ...kept, annotations: new Map() },
      { ...kept, annotations: new Map([[header, flipped(head, 60)]]) },
      { ...kept, annotations: new Map([...kept.annotations, ['more.example.com', Buffer.of(1)]]) },
      { ...kept, annotations: new Map([['other.example.com', head]]) },
    ];
    for (const each of wrong) expect(await scene.reason(scene.decrypt(each))).toBe('DECRYPT_FAILED');
    const failed = scene.engine.audit.lines.filter((line) =>
      line.includes('end decrypt a socket failed DECRYPT_FAILED'),
    );
    expect(failed).toHaveLength(wrong.length);
  });

  test('opens on a node that has seen nothing of it', async () => {
    const key = new FakeKeyService('a');
    await using one = await KmsScene.start({ current: key });
    await using two = await KmsScene.start({ current: key });
    const seed = randomBytes(32);
    const kept = await one.encrypt(seed);
    expect((await two.status()).keyId).toBe(kept.keyId);
    expect(await two.decrypt(kept)).toEqual(seed);
  });

  test('is under the key of its id, or it is not given: not where only a replica would open it', async () => {
    const [current, replica] = [new FakeKeyService('a'), new FakeKeyService('r')];
    await using scene = await KmsScene.start({ current, replicas: [replica] });
    current.fault = silence;
    expect(await scene.reason(scene.encrypt(randomBytes(32)))).toBe('KEY_SERVICE_UNAVAILABLE');
  });
});

describe('an encryption', () => {
  test('is given again as soon as the service is back, though a replica stood in for it', async () => {
    const [current, replica] = [new FakeKeyService('a'), new FakeKeyService('r')];
    await using scene = await KmsScene.start({ current, replicas: [replica] });
    const { keyId } = await scene.status();
    current.fault = silence;
    const seed = randomBytes(32);
    expect(await scene.reason(scene.encrypt(seed))).toBe('KEY_SERVICE_UNAVAILABLE');
    current.fault = undefined;
    await scene.pass(61_000);
    const kept = await scene.encrypt(seed);
    expect(kept.keyId).toBe(keyId);
    expect(await scene.decrypt(kept)).toEqual(seed);
  });

  test.each([['before'], ['after']])('ends with the patience of its caller, %s the first look', async (when) => {
    const key = new Counting('a');
    if (when === 'before') key.hold();
    await using scene = await KmsScene.start({ current: key, more: '  cache_config: { ttl_seconds: 0 }' });
    key.retireVersion();
    const patience = new AbortController();
    const { clock } = scene.engine;
    const start = clock.monotonic();
    using _end = clock.after(3_000, () => patience.abort(new KeyproxyError('DEADLINE_EXCEEDED')));
    key.isStuck = when === 'after';
    expect(await scene.reason(scene.encrypt(randomBytes(32), patience.signal))).toBe('DEADLINE_EXCEEDED');
    expect(clock.monotonic() - start).toBeLessThan(3_200);
  });

  test('asks a service that is behind no more than it takes to see that', async () => {
    const key = new Counting('a');
    await using scene = await KmsScene.start({ current: key, more: '  cache_config: { ttl_seconds: 0 }' });
    key.retireVersion();
    await scene.pass(61_000);
    key.behind = 1;
    const before = key.callCount;
    expect(await scene.reason(scene.encrypt(randomBytes(32)))).toBe('KEY_SERVICE_UNAVAILABLE');
    // Its own data key, and one that is made and opened for the look.
    expect(key.callCount - before).toBe(3);
  });
});

describe('the key id', () => {
  test('is new for each change, A to B to A, on both sides of a restart, and what is retired opens', async () => {
    const files = new Map<string, string>();
    const [a, b] = [new FakeKeyService('a'), new FakeKeyService('b')];
    const options = { files };
    const seed = randomBytes(32);
    const given = [];
    {
      await using scene = await KmsScene.start({ current: a }, options);
      given.push(await scene.encrypt(seed));
      await scene.serve({ current: b, retired: [a] });
      given.push(await scene.encrypt(seed));
      expect((await scene.status()).keyId).toBe(given[1]?.keyId);
    }
    // The process that used them has ended; the keys have not.
    for (const key of [a, b]) key.closed = false;
    await using scene = await KmsScene.start({ current: a, retired: [b] }, options);
    given.push(await scene.encrypt(seed));
    expect(new Set(given.map(({ keyId }) => keyId)).size).toBe(3);
    for (const kept of given) expect(await scene.decrypt(kept)).toEqual(seed);
    expect((await scene.status()).keyId).toBe(given[2]?.keyId);
  });

  test('follows a rotation inside of the key service within an interval, and new data goes under the new version', async () => {
    const key = new Counting('a');
    await using scene = await KmsScene.start({ current: key });
    const before = await scene.encrypt(randomBytes(32));
    key.retireVersion();
    await scene.pass(61_000);
    const { keyId, healthz } = await scene.status();
    expect(healthz).toBe('ok');
    expect(keyId).not.toBe(before.keyId);
    const [generations, after] = [key.calls.generate, await scene.encrypt(randomBytes(32))];
    expect(after.keyId).toBe(keyId);
    expect(key.calls.generate).toBe(generations + 1);
  });

  test('does not go back where the service answers with an earlier version, and nothing goes under that', async () => {
    const key = new Counting('a');
    await using scene = await KmsScene.start({ current: key });
    key.retireVersion();
    await scene.pass(61_000);
    const { keyId } = await scene.status();
    key.behind = 1;
    await scene.pass(61_000);
    const late = await scene.status();
    expect(late.keyId).toBe(keyId);
    expect(late.healthz).toMatch(/^KEY_SERVICE_UNAVAILABLE: .*raise generation on every node$/);
    expect(await scene.reason(scene.encrypt(randomBytes(32)))).toBe('KEY_SERVICE_UNAVAILABLE');
    key.behind = 0;
    await scene.pass(11_000);
    expect(await scene.status()).toEqual({ version: 'v2', healthz: 'ok', keyId });
    expect((await scene.encrypt(randomBytes(32))).keyId).toBe(keyId);
  });

  test('of an encryption and of the status are one, though the key was rotated a moment ago', async () => {
    const key = new Counting('a');
    await using scene = await KmsScene.start({ current: key, more: '  cache_config: { ttl_seconds: 0 }' });
    const before = (await scene.status()).keyId;
    key.retireVersion();
    const kept = await scene.encrypt(randomBytes(32));
    expect(kept.keyId).not.toBe(before);
    expect((await scene.status()).keyId).toBe(kept.keyId);
  });

  test('is there after a restart while the key service is silent; at the first start there is none', async () => {
    const files = new Map<string, string>();
    const key = new FakeKeyService('a');
    key.fault = silence;
    {
      await using scene = await KmsScene.start({ current: key });
      expect(await scene.reason(scene.status())).toBe('KEY_SERVICE_UNAVAILABLE');
    }
    key.fault = undefined;
    let id = '';
    {
      await using scene = await KmsScene.start({ current: key }, { files });
      id = (await scene.status()).keyId;
    }
    key.fault = silence;
    await using scene = await KmsScene.start({ current: key }, { files });
    const { keyId, healthz } = await scene.status();
    expect(keyId).toBe(id);
    expect(healthz).toMatch(/^KEY_SERVICE_UNAVAILABLE: /);
  });

  test('of another tenant is not shown: the start ends', async () => {
    const files = new Map<string, string>();
    const key = new FakeKeyService('a');
    {
      await using scene = await KmsScene.start({ current: key }, { files });
      await scene.status();
    }
    key.closed = false;
    await expect(KmsScene.start({ id: 'b', current: key }, { files })).rejects.toThrow(
      /key-ids\.json is of the tenant a, and the tenant's file names b/,
    );
  });

  test('of before a restart is not called sound while the key of now has not been seen', async () => {
    const files = new Map<string, string>();
    let id = '';
    {
      await using scene = await KmsScene.start({ current: new FakeKeyService('a') }, { files });
      id = (await scene.status()).keyId;
    }
    const key = new FakeKeyService('b');
    const release = key.hold();
    await using scene = await KmsScene.start({ current: key }, { files });
    expect(await scene.status()).toEqual({
      ...{ version: 'v2', keyId: id },
      healthz: expect.stringMatching(/^KEY_SERVICE_UNAVAILABLE: .*the key has not been seen yet$/),
    });
    release();
    await scene.pass(100);
    const after = await scene.status();
    expect(after.healthz).toBe('ok');
    expect(after.keyId).not.toBe(id);
  });
});

describe('a version that comes back where versions have no order', () => {
  /** A service whose versions are names. */
  class Naming extends Counting {
    override describe(entry: EncryptedDataKey): KeyInfo {
      return { ...super.describe(entry), provider: 'azure_kv' };
    }
  }

  test('gets a new id once two looks agree, and the status says so in between', async () => {
    const key = new Naming('a');
    await using scene = await KmsScene.start({ current: key });
    key.retireVersion();
    await scene.pass(61_000);
    const { keyId } = await scene.status();
    key.behind = 1;
    await scene.pass(60_000);
    expect(await scene.status()).toEqual({
      ...{ version: 'v2', keyId },
      healthz: expect.stringMatching(/^KEY_SERVICE_UNAVAILABLE: .*under a version of before again/),
    });
    await scene.pass(10_000);
    const after = await scene.status();
    expect(after.healthz).toBe('ok');
    expect(after.keyId).toMatch(/\.2$/);
    expect((await scene.encrypt(randomBytes(32))).keyId).toBe(after.keyId);
  });

  test('and goes again, look for look, gets none, and the file does not grow', async () => {
    const files = new Map<string, string>();
    const key = new Naming('a');
    await using scene = await KmsScene.start({ current: key }, { files });
    key.retireVersion();
    await scene.pass(61_000);
    const [{ keyId }, before] = [await scene.status(), files.get('key-ids.json')];
    const { generate } = key;
    let made = 0;
    key.generate = (request) => {
      made += 1;
      key.behind = made % 2;
      return generate.call(key, request);
    };
    await scene.pass(600_000);
    expect(made).toBeGreaterThan(10);
    expect((await scene.status()).keyId).toBe(keyId);
    expect(files.get('key-ids.json')).toBe(before);
  });
});

test('the metric says what a status says, and asks no key service', async () => {
  const key = new FakeKeyService('a');
  const release = key.hold();
  await using scene = await KmsScene.start({ current: key });
  const healthy = () => scene.metric('keyproxy_kms_plugin_healthy');
  expect(await healthy()).toMatch(/ 0$/);
  release();
  await scene.pass(100);
  const asked = key.callCount;
  expect(await healthy()).toMatch(/ 1$/);
  expect(key.callCount).toBe(asked);
  key.fault = disabled;
  await scene.pass(61_000);
  expect(await healthy()).toMatch(/ 0$/);
  key.fault = undefined;
  await scene.pass(130_000);
  expect(await healthy()).toMatch(/ 1$/);
});

describe("the customer's no", () => {
  test('is in the status within an interval, nothing opens from then on, and a yes brings it back', async () => {
    const key = new FakeKeyService('a');
    await using scene = await KmsScene.start({ current: key });
    const kept = await scene.encrypt(randomBytes(32));
    key.fault = disabled;
    await scene.pass(61_000);
    const { healthz, keyId } = await scene.status();
    expect(healthz).toBe("KEY_DISABLED: the tenant's key is disabled");
    expect(keyId).toBe(kept.keyId);
    expect(await scene.reason(scene.decrypt(kept))).toBe('KEY_DISABLED');
    expect(await scene.reason(scene.encrypt(randomBytes(32)))).toBe('KEY_DISABLED');
    key.fault = undefined;
    await scene.pass(130_000);
    expect((await scene.status()).healthz).toBe('ok');
    expect((await scene.decrypt(kept)).length).toBe(32);
  });

  test('to what the cluster is encrypted under is one, though the canary is allowed', async () => {
    const key = new FakeKeyService('a');
    await using scene = await KmsScene.start({ current: key });
    const kept = await scene.encrypt(randomBytes(32));
    key.deniedContexts.add('purpose');
    await scene.pass(61_000);
    expect((await scene.status()).healthz).toMatch(/^KEY_ACCESS_DENIED: /);
    expect(await scene.reason(scene.decrypt(kept))).toBe('KEY_ACCESS_DENIED');
    key.deniedContexts.clear();
    await scene.pass(11_000);
    expect((await scene.status()).healthz).toBe('ok');
    expect((await scene.decrypt(kept)).length).toBe(32);
  });
});

describe("the key service's silence", () => {
  test('is in the status, and what is cached opens', async () => {
    const key = new FakeKeyService('a');
    await using scene = await KmsScene.start({ current: key });
    const kept = await scene.encrypt(randomBytes(32));
    key.fault = silence;
    await scene.pass(130_000);
    expect((await scene.status()).healthz).toMatch(/^KEY_SERVICE_UNAVAILABLE: /);
    expect((await scene.decrypt(kept)).length).toBe(32);
    key.fault = undefined;
    await scene.pass(61_000);
    expect((await scene.status()).healthz).toBe('ok');
  });

  test('never holds a status up: one that hangs is answered from what was known', async () => {
    const key = new FakeKeyService('a');
    await using scene = await KmsScene.start({ current: key });
    const release = key.hold();
    await scene.pass(61_000);
    const asked = key.callCount;
    expect((await scene.status()).version).toBe('v2');
    expect(key.callCount).toBe(asked);
    release();
  });

  test('costs no call for a status, and two for an interval', async () => {
    const key = new FakeKeyService('a');
    await using scene = await KmsScene.start({ current: key });
    for (let poll = 0; poll < 50; poll++) await scene.status();
    expect(key.callCount).toBe(2);
    await scene.pass(60_000 * 10);
    expect(key.callCount).toBe(22);
  });
});
