/** Everything that a daemon tells anybody who is not the caller of a successful call. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Daemon } from './daemon.ts';
import { type Leak, leaksIn, type Needles, shapesIn } from './leak-forms.ts';
import type { Collector } from './otlp-collector.ts';

/** What was told, by place. */
export class Sinks {
  readonly #told: { readonly place: string; readonly content: Buffer | string }[] = [];

  /** Something that was told at `place`. */
  add(place: string, content: Buffer | string): void {
    this.#told.push({ place, content });
  }

  /** What a living daemon shows of itself. */
  async addDaemon(name: string, { http, process }: Daemon): Promise<void> {
    this.add(`${name}: metrics`, await (await fetch(`${http}/metrics`)).text());
    for (const file of ['cmdline', 'comm', 'status']) {
      this.add(`${name}: /proc/PID/${file}`, await readFile(`/proc/${process.pid}/${file}`));
    }
  }

  /** What a daemon has printed and written, once it has ended. */
  async addEnd(
    name: string,
    daemon: Daemon,
    files: { readonly audit?: string; readonly state?: string },
  ): Promise<void> {
    this.add(`${name}: standard output and error`, daemon.output());
    if (files.audit !== undefined) this.add(`${name}: audit`, await readFile(join(daemon.cwd, files.audit)));
    if (files.state !== undefined) await this.#addFolder(`${name}: state`, join(daemon.cwd, files.state));
  }

  /** What a collector was sent, once its daemon has ended. */
  addTraces(name: string, { bodies }: Collector): void {
    this.add(`${name}: traces`, Buffer.concat(bodies));
  }

  /** Places of which something is known, with the number of bytes. */
  sizes(): Readonly<Record<string, number>> {
    const sizes: Record<string, number> = {};
    for (const { place, content } of this.#told) sizes[place] = (sizes[place] ?? 0) + content.length;
    return sizes;
  }

  /** What was told and should not have been, but for what is `allowed`. */
  leaks(needles: Needles, allowed: (leak: Leak) => boolean = () => false): Leak[] {
    return this.#told
      .flatMap(({ place, content }) => [...leaksIn(place, content, needles), ...shapesIn(place, content)])
      .filter((leak) => !allowed(leak));
  }

  async #addFolder(place: string, folder: string): Promise<void> {
    for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
      this.add(`${place} names`, entry.name);
      if (entry.isFile()) this.add(`${place} files`, await readFile(join(entry.parentPath, entry.name)));
    }
  }
}
