/** What a hardened process takes over from the one it replaces. */
import { describe, expect, it } from 'vitest';
import { inherited } from '../../../src/app/hardening-inherited.ts';

describe('a hardened process', () => {
  it('is as large and trusts the same as the one before it', () => {
    const env = { NODE_OPTIONS: '--max-old-space-size=512 --use-system-ca' };
    expect(inherited({ execArgv: ['--max_semi_space_size', '8'], env })).toEqual({
      options: ['--max-old-space-size=512', '--use-system-ca', '--max_semi_space_size', '8'],
      env: {},
      dropped: [],
    });
  });

  it.each([
    '--inspect',
    '--inspect-brk=0.0.0.0:9229',
    '--heapsnapshot-signal=SIGUSR2',
    '--heapsnapshot-near-heap-limit=3',
    '--heap-prof',
    '--cpu-prof',
    '--report-on-signal',
    '--report_on_fatalerror',
    '--require=./a.js',
    '-r ./a.js',
    '--import ./a.js',
    '--experimental-loader=./a.js',
    '--allow-child-process',
    '--allow-fs-write=*',
    '--trace-event-categories=node',
    '--tls-keylog=/tmp/keys',
    '--env-file=/tmp/env',
    '--no-such-option',
  ])('does not take over %s, from the environment or the command line', (option) => {
    const isPermission = option.startsWith('--allow-');
    const name = isPermission ? option : (/^[^ =]+/.exec(option)?.[0] ?? '').replaceAll('_', '-');
    const nothing = { options: [], env: {}, dropped: [name] };
    expect(inherited({ execArgv: [], env: { NODE_OPTIONS: option } })).toEqual(nothing);
    expect(inherited({ execArgv: option.split(' '), env: {} })).toEqual(nothing);
  });

  it('has its own flags once, and takes nothing from those it has anyway', () => {
    const flags = ['--permission', '--allow-fs-read=*', '--allow-fs-write=/run', '--disable-warning=PERM0001'];
    const given = ['--permission', '--allow-fs-read', '/opt', '--allow_fs_write', '/run', '--allow-fs-write=/var'];
    expect(inherited({ execArgv: [...given, '--disable-warning=PERM0001'], env: {} }, flags)).toEqual({
      options: [],
      env: {},
      dropped: ['--allow-fs-write=/var'],
    });
  });

  it('takes NODE_OPTIONS apart as Node does, quotes and all', () => {
    const options = String.raw`--require "a file --max-old-space-size=1" "--stack-trace-limit=2" --title="\"--inspect"`;
    expect(inherited({ execArgv: [], env: { NODE_OPTIONS: options } })).toMatchObject({
      options: ['--stack-trace-limit=2'],
      dropped: ['--require', '--title'],
    });
  });

  it('takes over all variables but those of Node that open it, and tells no values', () => {
    const env = {
      ...{ PATH: '/bin', AWS_PROFILE: 'x', NODE_ENV: 'production', NODE_EXTRA_CA_CERTS: '/ca.pem' },
      ...{
        NODE_TLS_REJECT_UNAUTHORIZED: '0',
        NODE_DEBUG: 'http',
        NODE_V8_COVERAGE: '/secret',
        NODE_COMPILE_CACHE: '/x',
      },
      ...{ NODE_VERSION: '24.0.0', NODE_NAME: 'a', NODE_IP: '10.0.0.1' },
      ...{ NODE_PATH: '', NODE_OPTIONS: '', NODE_UNHEARD_OF: undefined },
    };
    expect(inherited({ execArgv: [], env })).toEqual({
      options: [],
      env: {
        ...{ PATH: '/bin', AWS_PROFILE: 'x', NODE_ENV: 'production', NODE_EXTRA_CA_CERTS: '/ca.pem' },
        ...{ NODE_VERSION: '24.0.0', NODE_NAME: 'a', NODE_IP: '10.0.0.1' },
      },
      dropped: ['NODE_TLS_REJECT_UNAUTHORIZED', 'NODE_DEBUG', 'NODE_V8_COVERAGE', 'NODE_COMPILE_CACHE'],
    });
  });
});
