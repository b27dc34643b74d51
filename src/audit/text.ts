/** Strings as JSON in ASCII, so that a line has as many bytes as characters and one string is always the same bytes. */

/** Longer strings are cut: names are shorter, and what a stranger sends must not fill a disk. */
const longestText = 2048;

const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const beyondAscii = /[\x7f-\uffff]/g;

/** `text` in quotes, with everything but printable ASCII escaped; at most 2,048 characters of it. */
export function quoted(text: string): string {
  const cut = text.length > longestText ? `${text.slice(0, longestText - 1)}…` : text;
  if (plain.test(cut)) return `"${cut}"`;
  return JSON.stringify(cut).replace(beyondAscii, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
