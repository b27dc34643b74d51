/** Google's libraries write requests and answers to a log where a variable says so; no key or token of ours is in it. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { context, never } from './calls.ts';
import { GcpWorld } from './gcp-world.ts';

test.each(['SYMMETRIC', 'RSA_2048'])(
  'a %s key and its tokens leave no trace in the log of the libraries',
  async (kind) => {
    vi.stubEnv('GOOGLE_SDK_NODE_LOGGING', '*');
    const written: string[] = [];
    const note = (...parts: unknown[]) => void written.push(parts.map(String).join(' '));
    const spies = (['error', 'log', 'info', 'warn', 'debug'] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation(note),
    );
    onTestFinished(() => {
      for (const spy of spies) spy.mockRestore();
      vi.unstubAllEnvs();
    });
    {
      await using world = await GcpWorld.start();
      await using key = await world.openKey({ kind });
      const { entry } = await key.service.generate({ length: 32, context, signal: never });
      await key.service.unwrap({ entry, context, signal: never });
    }
    // The client tells when it closes, which shows that the log was on.
    await expect.poll(() => written.length).toBeGreaterThan(0);
    for (const line of written) expect(line).toContain('ending gRPC channel');
  },
);
