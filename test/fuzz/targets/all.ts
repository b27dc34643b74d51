/** Everything that is fuzzed. */
import type { Target } from '../engine/target.ts';
import { callsTarget } from './calls.ts';
import { connectionTarget } from './connection.ts';
import { decoderTarget } from './decoder.ts';
import { messagesTarget } from './messages.ts';
import { readerTarget } from './reader.ts';

export const targets: readonly Target[] = [readerTarget, decoderTarget, connectionTarget, messagesTarget, callsTarget];
