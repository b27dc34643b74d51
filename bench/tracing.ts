/**
 * What traces cost: keyproxy's cached Unwrap without them, with none of its calls traced, with one in a hundred, and with
 * every call, beside a collector that takes all it is sent.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Contest, ContestServer } from './contest.ts';
import { startUnwrap, unwrapContest } from './unwrap.ts';

/** Makes key and tenant in `folder`, which has to stay. */
export async function tracingContest(folder: string): Promise<Contest> {
  const bare = await unwrapContest(folder, 'DEK_SOURCE_DERIVED');
  return {
    ...bare,
    name: 'Unwrap, cached, with traces',
    entrants: [
      { name: 'off', start: (own) => startUnwrap({ world: folder, folder: own, transport: 'native' }) },
      { name: 'on, no call', start: (own) => startTraced(folder, own, '0') },
      { name: 'one in 100', start: (own) => startTraced(folder, own, '0.01') },
      { name: 'every call', start: (own) => startTraced(folder, own, '1') },
    ],
    targets: [
      { of: 'on, no call', over: 'off' },
      { of: 'one in 100', over: 'off' },
      { of: 'every call', over: 'off' },
    ],
  };
}

async function startTraced(world: string, folder: string, ratio: string): Promise<ContestServer> {
  const collector = createServer((request, response) => request.resume().once('end', () => response.end()));
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const address = collector.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  const env = {
    KEYPROXY_TRACING_ENDPOINT: `http://127.0.0.1:${address.port}/v1/traces`,
    KEYPROXY_TRACING_SAMPLE_RATIO: ratio,
  };
  const server = await startUnwrap({ world, folder, env, transport: 'native' });
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      collector.closeAllConnections();
      collector.close();
    },
  };
}
