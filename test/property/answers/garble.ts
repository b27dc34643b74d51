/**
 * What becomes of an honest answer on its way through something that is broken: other statuses, cut, mixed and enormous
 * bodies, JSON of other types. None of it is an answer of the key service's own, so none of it is a no.
 */
import { mutateBytes } from '../../fuzz/engine/bytes.ts';
import type { Dice } from '../../fuzz/engine/dice.ts';

/** Stands in all garbage: no error is ever to repeat it. */
export const marker = 'G4rb4ge \u00a7 of somebody';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Whether the connection ends before the body does. */
  readonly isCut?: boolean;
  /** Whether spaces come in its place, and go on for as long as somebody reads. */
  readonly isEndless?: boolean;
}

const statuses = [200, 200, 200, 201, 204, 206, 301, 302, 304, 400, 400, 401, 402, 403, 403, 404, 404, 405] as const;
const moreStatuses = [
  408, 409, 410, 412, 418, 422, 423, 428, 429, 451, 472, 473, 500, 501, 502, 503, 504, 520, 599,
] as const;
const values = [
  null,
  true,
  false,
  0,
  -1,
  1e308,
  '',
  marker,
  [],
  [[]],
  {},
  { error: marker },
  [marker],
  'AAAA',
] as const;
const types = [
  'application/json',
  'text/html',
  'application/x-amz-json-1.1',
  'text/plain; charset=utf-16',
  marker,
] as const;

/** An answer in the place of an honest one; every other one comes through, so that later calls meet garbage too. */
export function garble(honest: HttpAnswer, dice: Dice): HttpAnswer {
  if (dice.once(2)) return honest;
  let { status, body } = honest;
  const headers: Record<string, string> = { ...honest.headers };
  let isCut = false;
  if (dice.once(3)) status = dice.once(2) ? dice.pick(statuses) : dice.pick(moreStatuses);
  switch (dice.below(9)) {
    case 0:
      body = Buffer.from(`<html><h1>${marker}</h1></html>`);
      break;
    case 1:
      body = body.subarray(0, dice.below(body.length + 1));
      break;
    case 2:
      body = mutateBytes(body, dice, Buffer.from(JSON.stringify({ message: marker, errors: [marker] })));
      break;
    case 3:
    case 4:
      body = otherJson(body, dice);
      break;
    case 5:
      body = Buffer.from(
        JSON.stringify({ error: { code: marker, message: marker }, __type: marker, errors: [marker] }),
      );
      break;
    case 6:
      body = Buffer.alloc(dice.once(8) ? 1_500_000 : dice.below(2_000), dice.pick(['[', '{"a":', '\0', ' ', '"', '1']));
      break;
    case 7:
      isCut = true;
      break;
    default:
      status = dice.once(2) ? dice.pick(statuses) : dice.pick(moreStatuses);
  }
  if (dice.once(4)) headers['content-type'] = header(dice.pick(types));
  if (dice.once(6)) headers['retry-after'] = dice.pick(['1', '-1', '1e9', header(marker), '99999999999999999999', '']);
  if (dice.once(6)) headers['x-amzn-errortype'] = header(marker);
  if (dice.once(6)) headers['x-amzn-requestid'] = header(marker);
  if (dice.once(6)) headers['x-ms-request-id'] = header(marker);
  if (dice.once(8)) headers['location'] = 'http://127.0.0.1:1/';
  return { status, headers, body, isCut };
}

/** What can stand in a header. */
function header(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** The same JSON with one value of another type, or one name gone or another. */
function otherJson(body: Buffer, dice: Dice): Buffer {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    return Buffer.from('null');
  }
  return Buffer.from(JSON.stringify(changed(value, dice)) ?? '');
}

function changed(value: unknown, dice: Dice): unknown {
  if (typeof value !== 'object' || value === null || dice.once(5)) return dice.pick(values);
  const names = Object.keys(value);
  const name = names[dice.below(names.length)];
  if (name === undefined) return dice.pick(values);
  if (Array.isArray(value)) return value.with(Number(name), changed(value[Number(name)], dice));
  const { [name]: one, ...rest } = value as Record<string, unknown>;
  if (dice.once(6)) return rest;
  if (dice.once(8)) return { ...rest, [`${name}s`]: one };
  return { ...rest, [name]: changed(one, dice) };
}
