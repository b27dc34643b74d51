/**
 * keyproxy's own gRPC transport beside those of others: a bare echo on each, and keyproxy's Unwrap on two of them. The
 * load generator is h2load, which none of the servers can outrun.
 */
import { type ContestOptions, type ContestResult, measureContest } from './contest.ts';
import { echoCall, echoEntrants } from './echo/servers.ts';
import { ownFolder } from './server-process.ts';
import { unwrapContest } from './unwrap.ts';

/** Measures all contests. Rejects where an answer is not the one it has to be. */
export async function measureTransport(options: ContestOptions): Promise<ContestResult[]> {
  const echo = {
    name: 'bare unary echo, 100 bytes',
    ...echoCall(),
    entrants: await echoEntrants(),
    targets: [
      { of: 'native', over: 'grpc-js', atLeast: 6 },
      { of: 'native', over: 'grpc-go', atLeast: 1 },
      { of: 'native', over: 'tonic' },
    ],
  };
  const results = [await measureContest(echo, options)];
  for (const source of ['DEK_SOURCE_DERIVED', 'DEK_SOURCE_KMS']) {
    await using folder = await ownFolder();
    results.push(await measureContest(await unwrapContest(folder.path, source), options));
  }
  return results;
}
