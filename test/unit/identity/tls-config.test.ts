/** The section `identity.mtls`, and its agreement with what a SPIFFE ID may have as its trust domain. */
import { expect, test } from 'vitest';
import { mutualTlsConfig, mutualTlsShape } from '../../../src/config/identity-mtls.ts';
import { ProblemCollector } from '../../../src/config/problem.ts';
import { readShape } from '../../../src/config/read.ts';
import { readYaml } from '../../../src/config/yaml-tree.ts';
import { isTrustDomain } from '../../../src/identity/spiffe-id.ts';

function parse(text: string) {
  const collector = new ProblemCollector();
  return collector.result(readShape(readYaml(text, 'f', collector), mutualTlsShape, { file: 'f', collector }));
}

test('a whole section is read, with paths made absolute', () => {
  const { config, problems } = parse('{ cert: tls.crt, key: /k/tls.key, ca: ca.crt, trust_domain: example.org }');
  expect(problems).toEqual([]);
  const absolute = (path: string) => (path.startsWith('/') ? path : `/etc/${path}`);
  expect(config && mutualTlsConfig(config, absolute)).toEqual({
    ...{ cert: '/etc/tls.crt', key: '/k/tls.key', ca: '/etc/ca.crt' },
    trustDomain: 'example.org',
  });
});

test('every key that is missing or unknown is named at once', () => {
  const { problems } = parse('{ cert: tls.crt, trust_domain: spiffe://example.org, chain: a }');
  expect(problems.map(({ path }) => path).toSorted()).toEqual(['ca', 'chain', 'key', 'trust_domain']);
  expect(problems.find(({ path }) => path === 'trust_domain')?.message).toContain('without spiffe://');
});

test.each([
  'example.org',
  'a',
  '10.0.0.1',
  'a_b-c',
  'a'.repeat(255),
  'Example.org',
  'a/b',
  'a:1',
  'ä',
  'a'.repeat(256),
])('trust_domain takes what a SPIFFE ID takes: %.30s', (name) => {
  const { config } = parse(`{ cert: a, key: b, ca: c, trust_domain: ${JSON.stringify(name)} }`);
  expect(config?.trust_domain).toBe(isTrustDomain(name) ? name : undefined);
});
