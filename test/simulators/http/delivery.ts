/** Puts an answer on the wire, whole or as the fault that it suffers wants it. */
import type { ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { pause, systemClock } from '../../../src/base/clock.ts';
import type { Fault } from './fault.ts';

/** An answer, before a fault has changed it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** What the answer suffers on its way. */
  readonly fault?: Fault;
}

/** Sends an answer. Ends early, and quietly, when the signal is aborted or the client has gone. */
export async function deliver(answer: Answer, response: ServerResponse, signal: AbortSignal): Promise<void> {
  const { fault } = answer;
  const body = Buffer.from(answer.body, 'utf8');
  switch (fault?.kind) {
    case 'reset':
      reset(response);
      return;
    case 'hang':
      return;
    case 'html':
      response.writeHead(fault.status, { 'content-type': 'text/html' });
      response.end(`<html><body><h1>${fault.status}</h1></body></html>`);
      return;
    case 'half-open':
      writeHead(answer, response, body.length);
      response.flushHeaders();
      return;
    case 'truncate':
      writeHead(answer, response, body.length);
      response.write(body.subarray(0, Math.floor(body.length / 2)), () => response.socket?.destroy());
      return;
    case 'trickle':
      writeHead(answer, response, body.length);
      await trickle(body, response, { msPerByte: fault.msPerByte, signal });
      return;
    default:
      writeHead(answer, response, body.length);
      response.end(body);
  }
}

/** Node resets TCP connections alone; one with TLS is dropped without its farewell, which is no answer either. */
function reset({ socket }: ServerResponse): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket?.resetAndDestroy();
}

function writeHead(answer: Answer, response: ServerResponse, length: number): void {
  response.writeHead(answer.status, { ...answer.headers, 'content-length': length });
}

async function trickle(
  body: Buffer,
  response: ServerResponse,
  { msPerByte, signal }: { msPerByte: number; signal: AbortSignal },
): Promise<void> {
  for (let at = 0; at < body.length && !response.destroyed; at++) {
    response.write(body.subarray(at, at + 1));
    await pause(systemClock, msPerByte, signal);
  }
  response.end();
}
