/** How a key of the transit engine wraps, by its type ("type" in the API documentation of `transit/keys`). */

import type { Fields } from '../fields.ts';
import type { Meaning } from './faults.ts';

/** `aead`: binds associated data. `rsa`: binds nothing, and is rewrapped and made data keys for by Vault itself. */
export type KeyStyle = 'aead' | 'rsa';

const styleOfType: Readonly<Record<string, KeyStyle>> = {
  'aes256-gcm96': 'aead',
  'aes128-gcm96': 'aead',
  'chacha20-poly1305': 'aead',
  'xchacha20-poly1305': 'aead',
  'rsa-2048': 'rsa',
  'rsa-3072': 'rsa',
  'rsa-4096': 'rsa',
};

const wrapping = 'aes256-gcm96, or rsa-2048, rsa-3072 or rsa-4096';

/** What a key of a type that wraps nothing is refused with. */
const unsuitable: Meaning = {
  code: 'KeyTypeUnsuitable',
  fault: { kind: 'config', reason: 'KEY_UNSUITABLE' },
  advice: `this key can only sign or authenticate; make one of type ${wrapping}, and name it in key_name`,
};

/** What a derived key is refused with: its `context` would be a second, weaker binding beside the associated data. */
const derived: Meaning = {
  code: 'KeyDerived',
  fault: { kind: 'config', reason: 'KEY_UNSUITABLE' },
  advice: `this key was made with derived=true; make one of type ${wrapping} without it, and name it in key_name`,
};

/** The style of the key that `transit/keys/:name` tells of, or why it has none. */
export function styleOfKey(key: Fields): KeyStyle | Meaning {
  const { type } = key;
  const style = typeof type === 'string' && Object.hasOwn(styleOfType, type) ? styleOfType[type] : undefined;
  if (style === undefined) return unsuitable;
  return key['derived'] === true ? derived : style;
}
