/** Every parser beside the transport's that is fuzzed. */
import type { Target } from '../engine/target.ts';
import { daemonFileTarget } from './daemon-file.ts';
import { messageTarget } from './message.ts';
import { pairsTarget } from './pairs.ts';
import { policyFileTarget } from './policy-file.ts';
import { protobufTarget } from './protobuf.ts';
import { stateFilesTarget } from './state-files.ts';
import { tenantFileTarget } from './tenant-file.ts';
import { wrappedDekTarget } from './wrapped-dek.ts';

export const parserTargets: readonly Target[] = [
  messageTarget,
  wrappedDekTarget,
  pairsTarget,
  protobufTarget,
  tenantFileTarget,
  daemonFileTarget,
  policyFileTarget,
  stateFilesTarget,
];
