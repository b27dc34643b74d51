/** Secrets that do not show: every way in which a value gets printed by accident. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { SecretBytes } from '../../../src/base/secret.ts';

const text = 'correct horse battery staple 123';
const shown = [text, Buffer.from(text).toString('hex'), Buffer.from(text).toString('base64'), '99, 111, 114'];

describe('SecretBytes', () => {
  it.each<[string, (secret: SecretBytes) => string]>([
    ['inspect', (secret) => inspect(secret)],
    ['inspect of hidden fields', (secret) => inspect(secret, { showHidden: true, depth: 5 })],
    ['inspect without custom printers', (secret) => inspect(secret, { customInspect: false, showHidden: true })],
    ['JSON', (secret) => JSON.stringify({ secret })],
    ['a template', (secret) => `${secret}`],
    ['concatenation', (secret) => `key: ${String(secret)}`],
    ['an error', (secret) => inspect(new Error(`cannot use ${secret}`, { cause: secret }))],
    ['its own properties', (secret) => JSON.stringify(Object.getOwnPropertyNames(secret))],
    ['a copy of its properties', (secret) => inspect({ ...secret })],
  ])('does not show its bytes through %s', (_name, print) => {
    using secret = SecretBytes.adopt(Buffer.from(text));
    const printed = print(secret);
    for (const form of shown) expect(printed).not.toContain(form);
  });

  it('is not cloned into another thread with its bytes', () => {
    using secret = SecretBytes.copyOf(Buffer.from(text));
    expect(inspect(structuredClone(secret))).toBe('{}');
  });

  it('reveals its bytes to whoever says so', () => {
    using secret = SecretBytes.copyOf(Buffer.from(text));
    expect(secret.reveal().toString()).toBe(text);
    expect(secret.length).toBe(text.length);
  });

  it('overwrites an adopted buffer at the end of its scope, and only its own range of it', () => {
    const memory = Buffer.alloc(48, 0xaa);
    {
      using secret = SecretBytes.adopt(memory.subarray(16, 32));
      expect(secret.length).toBe(16);
    }
    expect(memory).toEqual(Buffer.concat([Buffer.alloc(16, 0xaa), Buffer.alloc(16), Buffer.alloc(16, 0xaa)]));
  });

  it('moves what lies in shared memory into memory of its own, and leaves nothing behind', () => {
    const memory = Buffer.alloc(48, 0xaa);
    using secret = SecretBytes.adopt(memory.subarray(16, 32));
    expect(secret.reveal()).toEqual(Buffer.alloc(16, 0xaa));
    expect(secret.reveal().buffer.byteLength).toBe(16);
    expect(memory.subarray(16, 32)).toEqual(Buffer.alloc(16));
  });

  it('copies without touching the original, which stays when the copy is wiped', () => {
    const original = Buffer.from(text);
    const secret = SecretBytes.copyOf(original);
    const own = secret.reveal();
    expect(own.buffer).not.toBe(original.buffer);
    secret[Symbol.dispose]();
    expect(own).toEqual(Buffer.alloc(text.length));
    expect(original.toString()).toBe(text);
  });

  it('keeps a copy in memory that no other buffer shares', () => {
    using secret = SecretBytes.copyOf(Buffer.from(text));
    expect(secret.reveal().buffer.byteLength).toBe(text.length);
  });

  it('throws when it is read after it was wiped, and is wiped only once', () => {
    const memory = Buffer.alloc(32, 1);
    const secret = SecretBytes.adopt(memory);
    secret[Symbol.dispose]();
    memory.fill(2);
    secret[Symbol.dispose]();
    expect(memory).toEqual(Buffer.alloc(32, 2));
    expect(() => secret.reveal()).toThrow('read after it had been wiped');
    expect(secret.length).toBe(0);
  });
});
