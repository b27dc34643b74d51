import { describe, expect, it } from 'vitest';
import { checksumOf, fits, verified } from '../../../../src/kms/gcp/verified.ts';

describe('an answer with checksums', () => {
  const bytes = Buffer.from('123456789');

  it.each([3808858755, '3808858755'])('fits its bytes by the number, however it is written (%j)', (value) => {
    expect(fits(bytes, { value })).toBe(true);
    expect(checksumOf(bytes)).toEqual({ value: 3808858755 });
  });

  it.each([undefined, null, {}, { value: null }, { value: '' }, { value: 3808858754 }, { value: 'x' }, { value: -1 }])(
    'does not fit with %j',
    (checksum) => expect(fits(bytes, checksum)).toBe(false),
  );

  it('is asked for once more where it does not fit, and no third time', async () => {
    let asked = 0;
    const result = await verified('decrypt', async () => (++asked === 2 ? 'whole' : undefined));
    expect([result, asked]).toEqual(['whole', 2]);
    asked = 0;
    const failed = verified('decrypt', async () => void asked++);
    await expect(failed).rejects.toMatchObject({
      fault: { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' },
      details: { operation: 'Decrypt', providerCode: 'CHECKSUM_MISMATCH' },
    });
    expect(asked).toBe(2);
  });

  it('that fails is not asked for again', async () => {
    let asked = 0;
    const failed = verified('decrypt', () => {
      asked++;
      return Promise.reject(new Error('no'));
    });
    await expect(failed).rejects.toThrow('no');
    expect(asked).toBe(1);
  });
});
