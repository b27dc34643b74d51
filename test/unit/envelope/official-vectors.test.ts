/** Every official vector of the message format: what must open opens, what must not does not. */
import { describe, expect, it } from 'vitest';
import { openMessage } from '../../../src/envelope/decrypt.ts';
import type { MessageHeader } from '../../../src/envelope/header.ts';
import { deriveMessageKeys } from '../../../src/envelope/message-keys.ts';
import { suitePolicyAllows } from '../../../src/envelope/suites.ts';
import { prepareVector } from '../../support/esdk-keyring.ts';
import { knownFields, vectorFile, vectors } from '../../support/esdk-vectors.ts';
import { failureOf } from '../../support/failure-of.ts';

const accepted = vectors.filter((vector) => vector.expect === 'ok');
const rejected = vectors.filter((vector) => vector.expect === 'fail');
const withAnswer = vectors.filter((vector) => vector.answer !== undefined);

function storedPairs(header: MessageHeader): Record<string, string> {
  return Object.fromEntries([...header.context.pairs].filter(([name]) => name !== 'aws-crypto-public-key'));
}

describe('the official vectors', () => {
  it('are all here, and say nothing that this test does not read', () => {
    expect([vectors.length, accepted.length, rejected.length]).toEqual([294, 261, 33]);
    expect(new Set(vectors.map((vector) => vector.id)).size).toBe(294);
    expect(new Set(vectors.map((vector) => vector.suite)).size).toBe(11);
    expect(vectors.flatMap((vector) => Object.keys(vector)).filter((field) => !knownFields.has(field))).toEqual([]);
  });

  it.each(accepted)('opens $id ($suite)', (vector) => {
    const request = prepareVector(vector);
    using _key = request.dataKey;
    expect(suitePolicyAllows(request.header.suite, vector.policy === 'require' ? 'committing' : 'all')).toBe(true);
    expect(openMessage(request).equals(vectorFile(vector.plaintext?.file ?? ''))).toBe(true);
    if (vector.encryptionContext !== undefined) expect(storedPairs(request.header)).toEqual(vector.encryptionContext);
    const reproduced = Object.entries(vector.reproducedEncryptionContext ?? {});
    for (const [name, value] of reproduced) {
      const pair = request.header.context.pairs.get(name) ?? request.requiredContext.pairs.get(name);
      expect(pair).toBe(value);
    }
  });

  it.each(rejected)('does not open $id ($suite): it fails at $stage, although its data key unwraps', (vector) => {
    const request = prepareVector(vector);
    using _key = request.dataKey;
    const failure = failureOf(() => openMessage(request));
    const why =
      vector.stage === 'commitment' ? 'the message commits to another key' : 'the tag of the header does not match';
    expect(failure).toMatchObject({ reason: 'DECRYPT_FAILED', cause: { message: why } });
  });

  it.each(withAnswer)('derives the published keys of $id', (vector) => {
    const { header, dataKey } = prepareVector(vector);
    using _key = dataKey;
    const keys = deriveMessageKeys(dataKey, header.suite, header.messageId);
    expect(keys.commitment?.toString('hex')).toBe(vector.answer?.commitKey);
    const contentKey = vector.answer?.contentKey;
    if (contentKey !== undefined) expect(keys.contentKey.export().toString('hex')).toBe(contentKey);
  });

  it('publish 41 commitments and 16 content keys', () => {
    expect(withAnswer).toHaveLength(41);
    expect(withAnswer.filter((vector) => vector.answer?.contentKey !== undefined)).toHaveLength(16);
  });
});
