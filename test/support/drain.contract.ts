/**
 * What holds at the end of a busy daemon, however many calls are under way: every call that it has accepted gets an
 * answer of its own, whatever it waits for.
 */
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import { accepted, drained, graceMs, marginMs, sceneOf, watch } from './drain-scene.ts';

const watches = 100;

/** Drains daemons with so many calls under way each; `test.concurrent` in the place of `run` drains them together. */
export function drainContract(calls: number, run: typeof test | typeof test.concurrent = test): void {
  describe(`${calls} calls under way at the end of the daemon`, () => {
    let aws: AwsSimulator;
    beforeAll(async () => {
      aws = await startAwsSimulator();
    });
    afterAll(() => aws[Symbol.asyncDispose]());

    run('calls that wait for a slow key service are all answered, and a hundred watches told', async () => {
      await using scene = await sceneOf(aws, [{ id: 'well', keyArn: aws.createKey().arn }]);
      const watched = Array.from({ length: watches }, (_, index) => scene.clients[index % scene.clients.length])
        .filter((client) => client !== undefined)
        .map(watch);
      const [ends] = await accepted(scene, ['well'], calls);
      const { code, milliseconds } = await drained(scene);
      expect(await ends).toEqual(new Map([['answered', calls]]));
      expect(code).toBe(0);
      expect(milliseconds).toBeLessThan(graceMs + marginMs);
      const told = await Promise.all(watched);
      expect(told).toEqual(Array(watches).fill({ said: ['SERVING', 'NOT_SERVING'], code: status.UNAVAILABLE }));
    });

    run('calls that a key service keeps waiting are told of the end, and take no answer from the others', async () => {
      const hanging = aws.createKey();
      aws.faults.add({ service: 'kms', keyArn: hanging.arn, fault: { kind: 'hang' } });
      await using scene = await sceneOf(aws, [
        { id: 'well', keyArn: aws.createKey().arn },
        { id: 'hanging', keyArn: hanging.arn },
      ]);
      const [well, kept] = await accepted(scene, ['well', 'hanging'], calls);
      const { code, milliseconds } = await drained(scene);
      expect(await well).toEqual(new Map([['answered', calls / 2]]));
      expect(await kept).toEqual(new Map([['UNAVAILABLE SHUTTING_DOWN', calls / 2]]));
      expect(code).toBe(0);
      expect(milliseconds).toBeLessThan(graceMs + marginMs);
    });

    run('even where every call is kept waiting, all are told and the end comes in time', async () => {
      const hanging = aws.createKey();
      aws.faults.add({ service: 'kms', keyArn: hanging.arn, fault: { kind: 'hang' } });
      await using scene = await sceneOf(aws, [{ id: 'hanging', keyArn: hanging.arn }]);
      const [kept] = await accepted(scene, ['hanging'], calls);
      const { code, milliseconds } = await drained(scene);
      expect(await kept).toEqual(new Map([['UNAVAILABLE SHUTTING_DOWN', calls]]));
      expect(code).toBe(0);
      expect(milliseconds).toBeLessThan(graceMs + marginMs);
    });
  });
}
