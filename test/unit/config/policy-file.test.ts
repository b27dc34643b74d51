/** What may stand in a policy, and what is said of everything else. */
import { expect, test } from 'vitest';
import { parsePolicyFile } from '../../../src/config/policy-file.ts';
import { describeProblems } from '../../../src/config/problem.ts';

const rule = (part: string) => `rules:\n  - { callers: [socket], tenants: [acme], operations: [encrypt], ${part} }\n`;

function wrong(text: string): string {
  const { config, problems } = parsePolicyFile(text, 'policy.yaml');
  expect(config).toBeUndefined();
  return describeProblems(problems);
}

test('a policy has rules', () => {
  const text = `
rules:
  - callers: ["socket:uid=1000", "system:serviceaccount:shop:*", "spiffe://example.org/ns/*/sa/web"]
    tenants: [acme, "shop-*"]
    operations: [encrypt, decrypt]
  - { callers: ["*"], tenants: ["*"], operations: ["*"] }
`;
  expect(parsePolicyFile(text, 'policy.yaml').config).toEqual([
    {
      callers: ['socket:uid=1000', 'system:serviceaccount:shop:*', 'spiffe://example.org/ns/*/sa/web'],
      tenants: ['acme', 'shop-*'],
      operations: ['encrypt', 'decrypt'],
    },
    { callers: ['*'], tenants: ['*'], operations: ['*'] },
  ]);
  expect(parsePolicyFile('rules: []\n', 'p').config).toEqual([]);
});

test.each([
  ['an empty file', '', /rules: is missing/],
  ['no rule', 'rule: []\n', /rule: is an unknown key; did you mean rules/],
  ['a rule without callers', 'rules: [{ tenants: [a], operations: [encrypt] }]\n', /rules\[0\].callers: is missing/],
  ['no caller', 'rules: [{ callers: [], tenants: [a], operations: [encrypt] }]\n', /callers: is empty/],
  [
    'a text for a list',
    'rules: [{ callers: socket, tenants: [a], operations: [encrypt] }]\n',
    /callers: must be a list/,
  ],
  [
    'an unknown caller',
    'rules: [{ callers: [root], tenants: [a], operations: [encrypt] }]\n',
    /callers\[0\]: must be the/,
  ],
  [
    'a pattern for part of a kind',
    'rules: [{ callers: ["sock*"], tenants: [a], operations: [encrypt] }]\n',
    /callers\[0\]: must be the/,
  ],
  [
    'a tenant with a space',
    'rules: [{ callers: [socket], tenants: ["a b"], operations: [encrypt] }]\n',
    /tenants\[0\]: must/,
  ],
  [
    'an operation that is misspelt',
    'rules: [{ callers: [socket], tenants: [a], operations: [encript] }]\n',
    /operations\[0\]: must be one of .*; did you mean encrypt\?/,
  ],
  ['a key too many', rule('deny: true'), /rules\[0\].deny: is an unknown key/],
])('%s is refused', (_name, text, message) => {
  expect(wrong(text)).toMatch(message);
});

test('what is wrong is told all at once, with its lines', () => {
  const text = 'rules:\n  - callers: [root]\n    tenants: [a]\n    operations: [read]\n  - tenants: []\n';
  const lines = wrong(text).split('\n');
  expect(lines.map((line) => line.split(': ').slice(0, 2).join(' '))).toEqual([
    'policy.yaml:2 rules[0].callers[0]',
    'policy.yaml:4 rules[0].operations[0]',
    'policy.yaml:5 rules[1].callers',
    'policy.yaml:5 rules[1].operations',
    'policy.yaml:5 rules[1].tenants',
  ]);
});
