/**
 * A well-behaved client in a process of its own: `flood-neighbour.ts TARGET`, with a channel to its parent. At each
 * message, a number of calls a second and of seconds, it makes them and sends how long each took and how many were wrong.
 */
import { connect } from './client.ts';
import { runPaced } from './paced-load.ts';

/** What the parent asks for. */
export interface Window {
  readonly rate: number;
  readonly seconds: number;
}

/** What became of the calls: milliseconds of each from its start, and how many answers were not right. */
export interface WindowResult {
  readonly times: readonly number[];
  readonly wrong: number;
}

const client = connect(process.argv[2] ?? '');
const tenant = { tenant_id: 'demo' };
const plaintext = Buffer.from('what the neighbour has to keep');
const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', { ...tenant, plaintext });
const [right, wrong] = [0, 1];

async function call(): Promise<number> {
  const answer = await client.call<{ plaintext: Buffer }>('Decrypt', { ...tenant, ciphertext }).catch(() => undefined);
  return answer?.plaintext.equals(plaintext) ? right : wrong;
}

async function measure({ rate, seconds }: Window): Promise<WindowResult> {
  const { start, end, count } = await runPaced({ rate, seconds, maxInFlight: 10_000, call });
  return { times: Array.from(end, (each, at) => each - (start[at] ?? 0)), wrong: count(wrong) };
}

process.on('message', (window) => void measure(window as Window).then((result) => process.send?.(result)));
process.once('disconnect', () => process.exit());
process.send?.('started');
