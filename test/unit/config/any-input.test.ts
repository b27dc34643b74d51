import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDaemonFile } from '../../../src/config/daemon-file.ts';
import { parseTenantFile } from '../../../src/config/tenant-file.ts';
import { processorMs } from '../../support/processor-time.ts';

const tenantOptions = { allowLocal: true, trustedEndpoints: [] };

/** Reads `text` as both files; each gives either a configuration or at least one problem with a line. */
function readAsBoth(text: string): void {
  for (const { config, problems } of [
    parseTenantFile(text, 'f.yaml', tenantOptions),
    parseDaemonFile(text, 'f.yaml', {}),
  ]) {
    expect(config === undefined).toBe(problems.length > 0);
    for (const problem of problems) {
      expect(problem.line).toBeGreaterThan(0);
      expect(problem.message).toMatch(/[^.]$/);
    }
  }
}

const seedLike = `customer: acme
tenant_id: t
encryption:
  provider: aws_kms
  aws_kms:
    key_arn: "arn:aws:kms:us-east-1:123456789:key/abc-123"
  cache_config: { ttl_seconds: 86400 }
  retired: []
`;

describe('whatever a file holds, reading it ends with a configuration or with problems and never throws', () => {
  test('any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), readAsBoth), { numRuns: 300 });
  });

  test('any bytes read as UTF-8', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => readAsBoth(Buffer.from(bytes).toString('utf8'))),
      { numRuns: 300 },
    );
  });

  test('any JSON under the names of the schema', () => {
    const names = [
      'customer',
      'tenant_id',
      'encryption',
      'provider',
      'aws_kms',
      'local',
      'retired',
      'replicas',
      'listen',
    ];
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6, withCrossShrink: true },
        fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.constantFrom('aws_kms', 'local')),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), tie('tree'), { maxKeys: 5 }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => readAsBoth(JSON.stringify(value))),
      { numRuns: 300 },
    );
  });

  test('a valid file with a piece cut out or put in', () => {
    const pieces = fc.oneof(
      fc.constantFrom('\t', '"', "'", '{', '[', '&a', '*a', '!!x', '---', '%', '|', '? ', ': ', '#', '\0'),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.nat(seedLike.length), fc.nat(12), pieces, (at, cut, piece) =>
        readAsBoth(seedLike.slice(0, at) + piece + seedLike.slice(at + cut)),
      ),
      { numRuns: 500 },
    );
  });

  test.each([
    ['ten thousand open brackets', '['.repeat(10_000)],
    ['ten thousand nested keys', Array.from({ length: 300 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
    ['the same key in every line', 'a:\n'.repeat(20_000)],
    ['lists that name each other a billion times', 'a: &a [x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nencryption: [*c,*c]\n'],
    ['names of the prototype', '__proto__: {a: 1}\nconstructor: 1\ntoString: 2\nhasOwnProperty: 3\n'],
  ])('%s', (_, text) => {
    const started = processorMs();
    readAsBoth(text);
    expect(processorMs() - started).toBeLessThan(5000);
  });
});
