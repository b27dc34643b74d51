/** What a configuration needs of the system, and how Node is told. */
import { describe, expect, it } from 'vitest';
import { hardenedFlags, needsOf } from '../../../src/app/hardening-flags.ts';
import { parseDaemonFile } from '../../../src/config/daemon-file.ts';
import { developmentConfig } from '../../../src/config/development.ts';

/** The needs of a daemon's file in `/etc/keyproxy`. */
function needs(text: string) {
  const { config, problems } = parseDaemonFile(
    `tenants: { directory: tenants }\n${text}`,
    '/etc/keyproxy/keyproxy.yaml',
    {},
  );
  if (config === undefined) throw new Error(JSON.stringify(problems));
  return needsOf(config);
}

describe('a data plane needs to write to', () => {
  it.each([
    ['the folder of its default socket', '', ['/run/keyproxy']],
    ['nothing for TCP', 'listen: [{ tcp: "127.0.0.1:1", identity: insecure_loopback }]\npolicy: policy.yaml', []],
    [
      'the folders of its sockets, each once',
      'listen: [{ unix: a/1 }, { unix: a/2 }, { unix: /b/3 }]',
      ['/etc/keyproxy/a', '/b'],
    ],
    [
      'the folder of its audit log',
      'audit: { path: /var/log/keyproxy/audit.log }',
      ['/run/keyproxy', '/var/log/keyproxy'],
    ],
    ['the folder of its state', 'state: { directory: /var/lib/keyproxy }', ['/run/keyproxy', '/var/lib/keyproxy']],
  ])('%s', (_, text, folders) => {
    expect(needs(text).writable).toEqual(folders);
  });

  it('its own folder in development, where its key is made', () => {
    const { config } = developmentConfig('/home/me', { KEYPROXY_LISTEN_UNIX: '/tmp/elsewhere/s' });
    expect(config && needsOf(config).writable).toEqual([
      '/tmp/elsewhere',
      '/home/me/.keyproxy-dev/state',
      '/home/me/.keyproxy-dev',
    ]);
  });
});

it('needs a native module for peer credentials and for nothing else', () => {
  expect(needs('').nativeModules).toBe(false);
  expect(needs('listen: [{ unix: a }, { unix: b, peer_credentials: true }]').nativeModules).toBe(true);
});

describe('Node is told', () => {
  it('to allow reading, and writing in the folders, which need not be there yet', () => {
    expect(hardenedFlags({ writable: ['/run/keyproxy', '/'], nativeModules: false })).toEqual([
      '--permission',
      '--allow-fs-read=*',
      '--allow-fs-write=/run/keyproxy',
      '--allow-fs-write=/run/keyproxy/*',
      '--allow-fs-write=/',
      '--allow-fs-write=/*',
      '--disable-sigusr1',
    ]);
  });

  it('to allow native modules where one is needed', () => {
    expect(hardenedFlags({ writable: [], nativeModules: true })).toContain('--allow-addons');
  });
});
