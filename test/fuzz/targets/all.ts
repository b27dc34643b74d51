/** Everything of the transport that is fuzzed; the other parsers are in `parsers.ts`. */
import type { Target } from '../engine/target.ts';
import { callsTarget } from './calls.ts';
import { connectionTarget } from './connection.ts';
import { decoderTarget } from './decoder.ts';
import { messagesTarget } from './messages.ts';
import { readerTarget } from './reader.ts';

export const targets: readonly Target[] = [readerTarget, decoderTarget, connectionTarget, messagesTarget, callsTarget];
