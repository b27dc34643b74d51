import { describe, expect, test } from 'vitest';
import { jwksUriProblem, tokenIdentity, tokenShape } from '../../../src/config/identity-token.ts';
import { ProblemCollector } from '../../../src/config/problem.ts';
import { readShape } from '../../../src/config/read.ts';
import { readYaml } from '../../../src/config/yaml-tree.ts';

function read(text: string) {
  const collector = new ProblemCollector();
  return collector.result(readShape(readYaml(text, 'f.yaml', collector), tokenShape, { file: 'f.yaml', collector }));
}

function problems(text: string): string[] {
  return read(text).problems.map(({ path, message }) => `${path}: ${message}`);
}

const issuer = 'https://kubernetes.default.svc.cluster.local';
const uri = 'https://kubernetes.default.svc/openid/v1/jwks';

describe('the section identity.token', () => {
  test('needs the issuer and where its keys are, and has an audience', () => {
    const { config } = read(`issuer: ${issuer}\njwks_uri: ${uri}`);
    expect(config && tokenIdentity(config, (path) => `/base/${path}`)).toEqual({
      ...{ issuer, audience: 'keyproxy', jwks: { uri } },
    });
    expect(problems('audience: x')).toEqual([
      expect.stringMatching(/^issuer: is missing/),
      expect.stringMatching(/^jwks_uri: is missing/),
    ]);
  });

  test('takes files from the folder of the file that names them', () => {
    const { config } = read(`issuer: i\njwks_uri: ${uri}\naudience: kp\nca_file: ca.crt\ntoken_file: token`);
    expect(config && tokenIdentity(config, (path) => `/base/${path}`)).toEqual({
      ...{ issuer: 'i', audience: 'kp' },
      jwks: { uri, caFile: '/base/ca.crt', tokenFile: '/base/token' },
    });
  });

  test.each([
    '""',
    'x',
    '/openid/v1/jwks',
    'ftp://a/b',
    'https://',
    'https://user:word@a/b',
    'https://a/b#c',
    '"https://a/ b"',
    '7',
    '[]',
  ])('takes no jwks_uri that is %j, and does not repeat it', (given) => {
    const found = problems(`issuer: i\njwks_uri: ${given}`);
    expect(found).toEqual([expect.stringMatching(/^jwks_uri: must be an https:\/\/ URL without user, password/)]);
    expect(found.join()).not.toContain('word@');
  });

  test('takes no spaces in names, and no authority for a server without TLS', () => {
    expect(problems(`issuer: "a b"\naudience: ""\njwks_uri: http://127.0.0.1/\nca_file: x`)).toEqual([
      expect.stringMatching(/^issuer: must be 1 to 1024 characters/),
      expect.stringMatching(/^audience: must be 1 to 1024 characters/),
      expect.stringMatching(/^ca_file: does not go with an http/),
    ]);
  });
});

describe('keys come', () => {
  test.each([
    uri,
    'https://10.0.0.1:6443/k',
    'https://127.0.0.1/k',
    'http://127.0.0.1:1/k',
    'http://[::1]:1/k',
    'http://localhost/k',
  ])('from %s', (given) => {
    expect(jwksUriProblem(given, [])).toBeUndefined();
  });

  test.each([
    'http://10.0.0.1/k',
    'http://kubernetes.default.svc/k',
    'http://localhost.example.com/k',
    'http://[::2]/k',
  ])('from %s only where it is trusted', (given) => {
    expect(jwksUriProblem(given, ['http://other'])).toMatch(/^must begin with https:\/\/; use another, or list/);
    expect(jwksUriProblem(given, [new URL(given).origin])).toBeUndefined();
  });
});
