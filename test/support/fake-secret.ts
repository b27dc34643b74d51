/** A value with a life that can be looked at: how often it was disposed of, and whether it was used after that. */

export class FakeSecret implements Disposable {
  /** All that were made, in order. */
  static all(): { make(name?: string): FakeSecret; readonly made: readonly FakeSecret[] } {
    const made: FakeSecret[] = [];
    return {
      made,
      make(name = `secret ${made.length}`) {
        const secret = new FakeSecret(name);
        made.push(secret);
        return secret;
      },
    };
  }

  readonly name: string;
  disposals = 0;

  constructor(name: string) {
    this.name = name;
  }

  [Symbol.dispose](): void {
    this.disposals += 1;
  }
}
