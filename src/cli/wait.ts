/**
 * `keyproxy wait`: ends when the daemon beside it is ready. For the hook after a container's start, in an image without a
 * shell: Kubernetes starts the next container when the hook has ended, and a hook that asks only once would fail.
 */
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { exitCodes, type Terminal, UsageError } from './exit.ts';

const usage = `keyproxy wait [--seconds N]   waits until keyproxy is ready on this machine's port of KEYPROXY_HTTP_ADDRESS
  --seconds   how long at most; 120 unless given`;

/** Between two questions, and longest wait for one answer, in milliseconds. */
const [betweenMs, answerMs] = [100, 1000];

/** Exit code 0 once it is ready, 1 where it was not in time. */
export async function wait(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { seconds: { type: 'string', default: '120' }, help: { type: 'boolean', default: false } },
  });
  if (values.help) {
    terminal.out(`usage: ${usage}\n`);
    return exitCodes.ok;
  }
  if (!/^\d{1,5}$/.test(values.seconds)) throw new UsageError(`--seconds must be a whole number\n${usage}`);
  const port = /:(\d{1,5})$/.exec(terminal.env['KEYPROXY_HTTP_ADDRESS'] ?? '')?.[1] ?? '9464';
  const end = performance.now() + Number(values.seconds) * 1000;
  while (performance.now() < end) {
    if (await isReady(port)) return exitCodes.ok;
    await sleep(betweenMs);
  }
  terminal.err(`keyproxy: nothing was ready on port ${port} within ${values.seconds} s\n`);
  return exitCodes.failed;
}

function isReady(port: string): Promise<boolean> {
  return new Promise((done) => {
    const call = get({ host: '127.0.0.1', port, path: '/readyz', timeout: answerMs, agent: false }, (answer) => {
      answer.resume();
      done(answer.statusCode === 200);
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => done(false));
  });
}
