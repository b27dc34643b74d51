/** How the keys of an issuer are asked for: over TLS, with a token where one is wanted, from files that may change. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { KeysUnavailable, requestJwks } from '../../../src/identity/jwks-request.ts';
import { makeAuthority } from '../../support/certificates.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { startTokenIssuer } from '../../support/token-issuer.ts';
import { tokenWorld, wordOf } from '../../support/token-world.ts';

const never = new AbortController().signal;

describe('over TLS', () => {
  test('the server has to have a certificate of the authority in ca_file, for its name', async () => {
    await using folder = await temporaryFolder();
    const [authority, other] = await Promise.all([makeAuthority(), makeAuthority()]);
    await using issuer = await startTokenIssuer({ certificate: await authority.issue() });
    await using elsewhere = await startTokenIssuer({ certificate: await authority.issue({ hosts: ['example.com'] }) });
    const files = { right: join(folder.path, 'right.pem'), wrong: join(folder.path, 'wrong.pem') };
    await Promise.all([writeFile(files.right, authority.ca), writeFile(files.wrong, other.ca)]);
    const ask = (uri: string, caFile?: string) => requestJwks({ uri, ...(caFile !== undefined && { caFile }) }, never);
    expect(JSON.parse(await ask(issuer.jwksUri, files.right))).toEqual({ keys: [issuer.key.jwk] });
    await expect(ask(issuer.jwksUri, files.wrong)).rejects.toThrow('no answer: UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    await expect(ask(issuer.jwksUri)).rejects.toThrow('no answer: UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    await expect(ask(elsewhere.jwksUri, files.right)).rejects.toThrow('no answer: ERR_TLS_CERT_ALTNAME_INVALID');
    expect(issuer.requests.length).toBe(1);
  });

  test('a ca_file that holds no certificate, or is none, is named', async () => {
    await using folder = await temporaryFolder();
    await using issuer = await startTokenIssuer();
    await writeFile(join(folder.path, 'empty'), '');
    for (const name of ['empty', 'missing', '.']) {
      const asked = requestJwks({ uri: issuer.jwksUri, caFile: join(folder.path, name) }, never);
      await expect(asked).rejects.toThrow(/^ca_file cannot be used; make it name a readable file/);
    }
  });
});

describe('the token in token_file', () => {
  test('is shown, and read anew for each fetch', async () => {
    await using folder = await temporaryFolder();
    const tokenFile = join(folder.path, 'token');
    await writeFile(tokenFile, 'old\n');
    await using issuer = await startTokenIssuer({ bearer: 'new' });
    const source = { uri: issuer.jwksUri, tokenFile };
    await expect(requestJwks(source, never)).rejects.toThrow('the answer is 401, and would have to be 200');
    await writeFile(tokenFile, 'new\n');
    expect(await requestJwks(source, never)).toContain(issuer.key.kid);
    expect(issuer.requests.map(({ authorization }) => authorization)).toEqual(['Bearer old', 'Bearer new']);
    expect(issuer.requests[0]?.accept).toContain('application/jwk-set+json');
  });

  test('has to be one token', async () => {
    await using folder = await temporaryFolder();
    await using issuer = await startTokenIssuer();
    const tokenFile = join(folder.path, 'token');
    for (const content of ['', ' \n', 'two tokens', 'a\r\nx-header: 1', 'x'.repeat(16 * 1024 + 1)]) {
      await writeFile(tokenFile, content);
      await expect(requestJwks({ uri: issuer.jwksUri, tokenFile }, never)).rejects.toThrow(
        /^token_file cannot be used/,
      );
    }
    await rm(tokenFile);
    await mkdir(tokenFile);
    await expect(requestJwks({ uri: issuer.jwksUri, tokenFile }, never)).rejects.toBeInstanceOf(KeysUnavailable);
    expect(issuer.requests).toEqual([]);
  });
});

test('a request ends when its signal does, with the reason', async () => {
  await using issuer = await startTokenIssuer();
  issuer.mood = { kind: 'half' };
  const ending = new AbortController();
  const asked = requestJwks({ uri: issuer.jwksUri }, ending.signal);
  const failed = expect(asked).rejects.toThrow('enough');
  await vi.waitFor(() => expect(issuer.requests.length).toBe(1));
  ending.abort(new Error('enough'));
  await failed;
  await expect(requestJwks({ uri: issuer.jwksUri }, ending.signal)).rejects.toThrow('enough');
});

test('callers are known by keys that come over TLS with a token of our own', async () => {
  await using folder = await temporaryFolder();
  const authority = await makeAuthority();
  const [caFile, tokenFile] = [join(folder.path, 'ca.pem'), join(folder.path, 'token')];
  await Promise.all([writeFile(caFile, authority.ca), writeFile(tokenFile, 'mine')]);
  const certificate = await authority.issue();
  await using issuer = await startTokenIssuer({ certificate, bearer: 'mine', algorithm: 'RS256' });
  await using world = await tokenWorld({ with: { jwks: { uri: issuer.jwksUri, caFile, tokenFile } } });
  const claims = world.issuer.claims();
  expect(await wordOf(world.callers, issuer.mint({ claims }))).toBe('shop/orders');
});
