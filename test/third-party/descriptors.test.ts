/** `proto/descriptors.binpb`, from which reflection answers, is what the protobuf compiler makes of `proto/` now. */
import { glob, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repeatedBytes, string } from '../../src/rpc/protobuf/fields.ts';
import { Message } from '../../src/rpc/protobuf/message.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { folderOf } from './ready.ts';
import { run } from './run.ts';

const folder = folderOf('grpcio');
const proto = resolve(import.meta.dirname, '../../proto');
const fileSet = new Message({ file: repeatedBytes(1) });
const file = new Message({ name: string(1) });

/** The serialised descriptor of each file, by the file's name: in which order the compiler was told them is open. */
function filesOf(set: Buffer): Map<string, string> {
  return new Map(fileSet.decode(set).file.map((bytes) => [file.decode(bytes).name, bytes.toString('hex')]));
}

describe.skipIf(folder === undefined)('proto/descriptors.binpb', () => {
  it('is byte for byte what the compiler makes of every proto file and what it imports', async () => {
    await using place = await temporaryFolder();
    const made = join(place.path, 'made.binpb');
    // Kubernetes' own contract is served by `keyproxy kms-plugin`, which offers no reflection.
    const files = (await Array.fromAsync(glob('**/*.proto', { cwd: proto }))).filter(
      (file) => !/^k8s\.io\//.test(file),
    );
    expect(files.length).toBeGreaterThanOrEqual(6);
    const args = ['-m', 'grpc_tools.protoc', '-I', '.', '--include_imports', `--descriptor_set_out=${made}`, ...files];
    const { code, stderr } = await run(join(folder ?? '', 'bin/python'), args, { cwd: proto });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const kept = filesOf(await readFile(join(proto, 'descriptors.binpb')));
    expect(filesOf(await readFile(made))).toEqual(kept);
    // The compiler adds what is imported: timestamp, duration and any.
    expect(kept.size).toBe(files.length + 3);
  });
});
