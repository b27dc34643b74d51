/** Files as lines, in memory that does not grow with them. One character stands for one byte. */

/** What is longer than this is no line of ours, and is cut there. */
const longestLine = 2 ** 20;

/** The lines of what comes in pieces, without their newlines; the last one may have had none. */
export async function* linesOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<readonly string[]> {
  let rest = '';
  for await (const piece of pieces) {
    const lines = (rest + piece.toString('latin1')).split('\n');
    rest = (lines.pop() ?? '').slice(0, longestLine);
    if (lines.length > 0) yield lines;
  }
  if (rest !== '') yield [rest];
}
