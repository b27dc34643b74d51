/** The folder of the daemon's state, with what a crash or a hasty restart leaves in it. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StateFolder } from '../../../src/app/state-folder.ts';
import { type AwsSimulator, startAwsSimulator } from '../../simulators/aws/server.ts';
import { awsTenant, startAwsDaemon } from '../../support/aws-tenant.ts';
import { connect } from '../../support/client.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { type DaemonFolder, daemonFolder } from '../../support/daemon-folder.ts';

let aws: AwsSimulator;
beforeAll(async () => {
  aws = await startAwsSimulator();
});
afterAll(() => aws[Symbol.asyncDispose]());

/** A folder of a daemon that keeps its state in `state`, with one tenant that is started warm. */
function warmFolder(): Promise<DaemonFolder> {
  const more = '  cache_config: { warm_start: true }\n  dek: { source: kms }';
  return daemonFolder({
    extra: `trusted_endpoints: ["${aws.endpoint}"]\nstate: { directory: state }`,
    tenants: { 'warm.yaml': awsTenant(aws, { id: 'warm', keyArn: aws.createKey().arn, more }) },
  });
}

async function rowsOf(folder: DaemonFolder): Promise<unknown[]> {
  const text = await readFile(join(folder.path, 'state', 'warm-warm.json'), 'utf8');
  return (JSON.parse(text) as { rows: unknown[] }).rows;
}

describe('a write', () => {
  test('succeeds where an earlier process of the same number was killed in the middle of one', async () => {
    await using temporary = await temporaryFolder();
    // Every container's first process has the number 1, and its first files the numbers 1, 2 and so on.
    for (const number of [1, 2, 3]) {
      for (const name of ['probe', 'refusals.json']) {
        await writeFile(join(temporary.path, `.${name}.${process.pid}.${number}`), 'half');
      }
    }
    await using folder = await StateFolder.at(temporary.path);
    await folder.write('refusals.json', 'whole');
    expect(await folder.read('refusals.json')).toBe('whole');
  });
});

describe('a daemon that starts', () => {
  test('takes away what earlier ones were killed in the middle of', async () => {
    await using folder = await warmFolder();
    {
      await using first = await startAwsDaemon(aws, folder);
      expect(await first.stop()).toBe(0);
    }
    await writeFile(join(folder.path, 'state', '.refusals.json.4194000.7'), 'half');
    await using second = await startAwsDaemon(aws, folder);
    expect(await second.stop()).toBe(0);
    const names = await readdir(join(folder.path, 'state'));
    expect(names.filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('and is stopped again at once still knows the data keys of the one before', async () => {
    await using folder = await warmFolder();
    {
      await using first = await startAwsDaemon(aws, folder);
      using client = connect(first.socket);
      for (let i = 0; i < 5; i++) await client.call('GenerateDEK', { tenant_id: 'warm' });
      expect(await first.stop()).toBe(0);
    }
    expect(await rowsOf(folder)).toHaveLength(5);
    {
      await using second = await startAwsDaemon(aws, folder);
      expect(await second.stop()).toBe(0);
    }
    expect(await rowsOf(folder)).toHaveLength(5);
  });

  test('finds each data key once, however often it was restarted while the key service was silent', async () => {
    await using folder = await warmFolder();
    let wrapped: readonly { wrapped_dek: Buffer }[];
    {
      await using first = await startAwsDaemon(aws, folder);
      using client = connect(first.socket);
      wrapped = await Promise.all(
        Array.from({ length: 5 }, () => client.call<{ wrapped_dek: Buffer }>('GenerateDEK', { tenant_id: 'warm' })),
      );
      expect(await first.stop()).toBe(0);
    }
    {
      const silent = aws.faults.add({ service: 'kms', fault: { kind: 'reset' } });
      await using second = await startAwsDaemon(aws, folder);
      await expect.poll(() => second.output(), { timeout: 20_000 }).toContain('data keys of before the restart');
      silent.remove();
      using client = connect(second.socket);
      for (const { wrapped_dek } of wrapped) {
        await expect
          .poll(
            () =>
              client.call('Unwrap', { tenant_id: 'warm', wrapped_dek }).then(
                () => true,
                () => false,
              ),
            {
              timeout: 20_000,
            },
          )
          .toBe(true);
      }
      expect(await second.stop()).toBe(0);
    }
    const rows = await rowsOf(folder);
    expect(rows).toHaveLength(new Set(rows.map((row) => JSON.stringify(row))).size);
  });
});
