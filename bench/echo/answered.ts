/** How an echo server on Node tells its own count: SIGUSR2 makes it print a line, as those in Go and Rust do. */

/** Counts the calls that a server has answered. */
export class Answered {
  #count = 0;

  constructor() {
    process.on('SIGUSR2', () => process.stdout.write(`${this.#count}\n`));
    // Without this a profile is lost: Node writes it when a process ends by itself.
    process.once('SIGTERM', () => process.exit());
  }

  add(): void {
    this.#count += 1;
  }
}
