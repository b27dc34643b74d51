/**
 * The table of faults over the wire: the real daemon and the AWS simulator, with a tenant and a key for each cell, all at
 * the same time. test/unit/tenants/fault-table.test.ts has every cell, also those that take a minute.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startAwsSimulator } from '../../simulators/aws/server.ts';
import { awsFolder, startAwsDaemon } from '../../support/aws-tenant.ts';
import { connect } from '../../support/client.ts';
import { nameOf, outcomeOf } from '../../support/fault-cells.ts';
import { type WireCell, wireCallsDue, wireCell, wireCells } from '../../support/wire-cells.ts';
import { playCell, type Seen } from '../../support/wire-play.ts';

const stack = new AsyncDisposableStack();
const seen = new Map<string, Seen>();

beforeAll(async () => {
  const aws = stack.use(await startAwsSimulator());
  const cells = wireCells.map((cell) => wireCell(aws, cell));
  const folder = stack.use(
    await awsFolder(
      aws,
      cells.map(({ tenant }) => tenant),
    ),
  );
  const daemon = stack.use(await startAwsDaemon(aws, folder, { KEYPROXY_LOG_LEVEL: 'fatal' }));
  const client = stack.use(connect(daemon.socket));
  // The first call loads the adapter; all of them at the same moment would time out on a small machine.
  await client.call('GenerateDEK', { tenant_id: cells[0]?.tenant.id, encryption_context: { purpose: 'first' } });
  const play = async (wire: WireCell, index: number) => {
    await sleep(index * 15);
    seen.set(nameOf(wire.cell), await playCell(wire, aws, client));
  };
  await Promise.all(cells.map(play));
});
afterAll(() => stack.disposeAsync());

describe('the table of faults over the wire', () => {
  test('has each state of the cache and each answer, for a tenant that is served and for one that is refused', () => {
    expect(seen.size).toBe((5 + 3) * 12);
  });

  test.each(wireCells.map((cell) => [nameOf(cell), cell] as const))('is right about: %s', (name, cell) => {
    expect(seen.get(name)).toEqual({ ...outcomeOf(cell), ...wireCallsDue(cell) });
  });
});
