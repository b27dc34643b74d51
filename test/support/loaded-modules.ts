/** Which modules a running daemon has loaded: Node writes them down at its end where it is asked to. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What makes an unhardened process write down, in `folder` and at its orderly end, what it loaded. */
export function recordModules(folder: string): Readonly<Record<string, string>> {
  return { NODE_V8_COVERAGE: folder };
}

/** The files of all modules that the processes of `folder` loaded; Node's own are left out. */
export async function loadedModules(folder: string): Promise<string[]> {
  const reports = (await readdir(folder)).filter((name) => name.endsWith('.json'));
  const urls = await Promise.all(
    reports.map(async (name) => {
      const { result } = JSON.parse(await readFile(join(folder, name), 'utf8')) as { result: { url: string }[] };
      return result.map(({ url }) => url);
    }),
  );
  return urls.flat().filter((url) => url.startsWith('file:'));
}
