import { expect, test } from 'vitest';
import { imageReference } from '../../../src/base/image-reference.ts';

test.each([
  ['keyproxy', true],
  ['keyproxy:0.1.0-Debug', true],
  ['Registry.example.org/team/keyproxy:0.1.0', true],
  ['localhost:5000/keyproxy@sha256:0123', true],
  ['a'.repeat(512), true],
  ['a'.repeat(513), false],
  ['Keyproxy:0.1.0', false],
  ['Registry.example.org/Team', false],
  ['key proxy', false],
  ['', false],
  ['/keyproxy', false],
])('%s is taken for the reference of an image: %s', (text, is) => {
  expect(imageReference.test(text)).toBe(is);
});
