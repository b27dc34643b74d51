/** What a look at a key of Azure finds, for `keyproxy validate`: beyond what a round trip tells. */
import { KmsError } from '../fault.ts';
import type { Finding } from '../finding.ts';
import { type KeyVersion, stateFault } from './key-version.ts';

const day = 24 * 60 * 60 * 1000;
/** A key that ends sooner is worth a warning, in days. */
const noticeDays = 30;
/** RSA below this is not advised for new keys beyond 2030 (NIST SP 800-57 part 1, table 2), in bits. */
const advisedBits = 3072;

/** Turns the outcome of reading a key into findings; `now` is in milliseconds since 1970. Does not throw. */
export async function findingsOf(reading: Promise<KeyVersion>, now: number): Promise<Finding[]> {
  try {
    const version = await reading;
    return [permission(version), kind(version), holder(version), state(version, now)];
  } catch (error) {
    const { fault, details } = error instanceof KmsError ? error : {};
    const step =
      fault?.kind === 'config' && fault.reason === 'KEY_UNSUITABLE'
        ? 'the key is of a kind that can wrap, and may unwrap'
        : 'the key can be read (permission get)';
    const advice = details?.advice ?? 'check the permission get on the key, and that the vault can be reached';
    return [{ step, verdict: 'failed', advice }];
  }
}

function permission({ style }: KeyVersion): Finding {
  const step =
    style.kind === 'rsa'
      ? 'the permissions get and unwrapKey are enough: wrapping uses the public part of the key'
      : 'the permissions get, wrapKey and unwrapKey are needed: a symmetric key wraps at the managed HSM';
  return { step, verdict: 'ok' };
}

function kind({ version, style }: KeyVersion): Finding {
  if (style.kind === 'aes') return { step: `version ${version} is an AES key of a managed HSM`, verdict: 'ok' };
  const step = `version ${version} is an RSA key of ${style.bits} bits`;
  if (style.bits >= advisedBits) return { step, verdict: 'ok' };
  return { step, verdict: 'warning', advice: `prefer a key of at least ${advisedBits} bits at the next rotation` };
}

function holder({ inHsm }: KeyVersion): Finding {
  const step = 'an HSM holds the key';
  if (inHsm) return { step, verdict: 'ok' };
  return { step, verdict: 'warning', advice: 'the key is held in software; prefer the key type RSA-HSM' };
}

function state(version: KeyVersion, now: number): Finding {
  const step = `the key's version is enabled, and valid for at least ${noticeDays} days`;
  const fault = stateFault(version, now);
  if (fault !== undefined) {
    const advice = version.enabled ? 'change its activation and expiration dates, or make a new version' : 'enable it';
    return { step, verdict: 'failed', advice };
  }
  const { expiresOn } = version;
  const days = expiresOn === undefined ? undefined : Math.floor((expiresOn.getTime() - now) / day);
  if (days === undefined || days >= noticeDays) return { step, verdict: 'ok' };
  return { step, verdict: 'warning', advice: `it expires in ${days} days; make a new version before` };
}
