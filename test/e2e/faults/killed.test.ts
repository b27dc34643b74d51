/**
 * A daemon that is killed at moments which nobody chose, in the middle of writing too, while its customer says no and yes
 * and no again: the next one always starts, and what lies on the disk is whole and holds no key.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AwsSimulator, startAwsSimulator } from '../../simulators/aws/server.ts';
import type { SimulatedKey } from '../../simulators/aws/simulated-key.ts';
import { awsTenant } from '../../support/aws-tenant.ts';
import { connect, type KeyProxyClient } from '../../support/client.ts';
import { toldBy, untilServed } from '../../support/client-errors.ts';
import type { Daemon } from '../../support/daemon.ts';
import { type DaemonFolder, daemonFolder } from '../../support/daemon-folder.ts';
import { readStateFiles, secretsIn } from '../../support/state-files.ts';
import { startSteadily } from '../../support/steady-start.ts';

/** Daemons side by side, and how often each is killed. */
const [lanes, kills] = [3, 4];
/** Longest life of a daemon, and longest time that one has which was asked to stop, in milliseconds. */
const [longestLifeMs, longestStopMs] = [800, 60];

interface Made {
  readonly plaintext: Buffer;
  readonly wrapped_dek: Buffer;
}

const stack = new AsyncDisposableStack();
let aws: AwsSimulator;
beforeAll(async () => {
  aws = stack.use(await startAwsSimulator());
});
afterAll(() => stack.disposeAsync());

/** A tenant whose customer flaps, and one who is content. */
const tenants = ['flapping', 'content'] as const;
const more = `
  cache_config: { warm_start: true }
  dek: { source: kms }
  canary: { interval_seconds: 10 }
  limits: { kms_calls_per_second: 1000 }`;

class Lane {
  readonly made = new Map<string, Made[]>(tenants.map((id) => [id, []]));
  readonly #folder: DaemonFolder;
  readonly #flapping: SimulatedKey;
  /** Ends of daemons before they were to end. */
  readonly surprises: string[] = [];
  /** How many data keys of killed daemons the last one has opened. */
  opened = 0;

  constructor(folder: DaemonFolder, flapping: SimulatedKey) {
    this.#folder = folder;
    this.#flapping = flapping;
  }

  get secrets(): Buffer[] {
    return [...this.made.values()].flat().map(({ plaintext }) => plaintext);
  }

  /** One life of a daemon, from its start to its end by force; the last one opens all that was wrapped before it. */
  async live(isLast: boolean): Promise<void> {
    await using daemon = await startSteadily(aws, this.#folder);
    if (/cannot be read|could not be used/.test(daemon.output())) this.surprises.push(daemon.output());
    using client = connect(daemon.socket);
    if (isLast) await this.#openAll(client);
    const over = new AbortController();
    const load = tenants.flatMap((id) => [this.#use(client, id, over.signal), this.#use(client, id, over.signal)]);
    const flap = this.#flap(over.signal);
    await sleep(Math.random() * longestLifeMs);
    await kill(daemon);
    over.abort();
    await Promise.all([...load, flap]);
  }

  /** After its end: whole files, and no key in them. */
  async look(): Promise<void> {
    const { rows, bytes } = await readStateFiles(join(this.#folder.path, 'state'));
    for (const row of rows.get('refusals.json') ?? []) expect(row).toMatchObject({ tenant_id: 'flapping' });
    expect(secretsIn(bytes, this.secrets)).toEqual([]);
  }

  async #openAll(client: KeyProxyClient): Promise<void> {
    for (const [tenant_id, all] of this.made) {
      for (const { plaintext, wrapped_dek } of all) {
        expect(await untilServed(client, { tenant_id, wrapped_dek })).toMatchObject({ plaintext });
        this.opened++;
      }
    }
  }

  async #use(client: KeyProxyClient, tenant_id: string, signal: AbortSignal): Promise<void> {
    const all = this.made.get(tenant_id) ?? [];
    while (!signal.aborted) {
      await client.call<Made>('GenerateDEK', { tenant_id }).then(
        (made) => all.push(made),
        (error) => {
          // The end of the process, the customer's no, and a call that the one overtook the other.
          const { reason } = toldBy(error);
          if (!['', 'KEY_DISABLED', 'KEY_SERVICE_UNAVAILABLE', 'SHUTTING_DOWN'].includes(reason))
            this.surprises.push(reason);
        },
      );
      await sleep(5);
    }
  }

  async #flap(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#flapping.disable();
      await sleep(10 + 100 * Math.random());
      this.#flapping.enable();
      await sleep(10 + 1_200 * Math.random());
    }
  }
}

/** At once, or in the middle of an orderly end. */
async function kill(daemon: Daemon): Promise<void> {
  if (Math.random() < 0.5) {
    daemon.process.kill('SIGTERM');
    await sleep(longestStopMs * Math.random());
  }
  daemon.process.kill('SIGKILL');
}

test('a daemon that is killed at random moments always starts again, from whole files without a key in them', async () => {
  const all = await Promise.all(
    Array.from({ length: lanes }, async () => {
      const [flapping, content] = [aws.createKey(), aws.createKey()];
      const folder = stack.use(
        await daemonFolder({
          extra: `trusted_endpoints: ["${aws.endpoint}"]\nstate: { directory: state }\nlog: { level: warn }`,
          tenants: {
            'flapping.yaml': awsTenant(aws, { id: 'flapping', keyArn: flapping.arn, more }),
            'content.yaml': awsTenant(aws, { id: 'content', keyArn: content.arn, more }),
          },
        }),
      );
      const lane = new Lane(folder, flapping);
      for (let life = 0; life < kills; life++) {
        await lane.live(life === kills - 1);
        await lane.look();
      }
      return lane;
    }),
  );
  expect(all.flatMap(({ surprises }) => surprises)).toEqual([]);
  // A lane whose daemons all died young has made nothing; not all of them can.
  expect(all.reduce((sum, { opened }) => sum + opened, 0)).toBeGreaterThan(50);
});
