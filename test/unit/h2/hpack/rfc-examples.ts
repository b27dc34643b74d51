/** The examples of RFC 7541 appendix C: blocks of one connection in order, and what they come to. */

/** One block, its fields, and the dynamic table after it: newest first, and its size as the RFC gives it. */
export interface Example {
  readonly block: string;
  readonly fields: readonly string[];
  readonly table: readonly string[];
  readonly tableSize: number;
}

/** Examples that share a table. */
export interface Sequence {
  readonly section: string;
  readonly maxTableSize: number;
  readonly examples: readonly Example[];
}

const authority = ':authority: www.example.com';
const first = [':method: GET', ':scheme: http', ':path: /', authority];
const noCache = 'cache-control: no-cache';
const custom = 'custom-key: custom-value';

/** C.3 and C.4: the same three requests, as plain bytes and in the Huffman code. */
function requests(section: string, blocks: readonly [string, string, string]): Sequence {
  return {
    section,
    maxTableSize: 4096,
    examples: [
      { block: blocks[0], fields: first, table: [authority], tableSize: 57 },
      { block: blocks[1], fields: [...first, noCache], table: [noCache, authority], tableSize: 110 },
      {
        block: blocks[2],
        fields: [':method: GET', ':scheme: https', ':path: /index.html', authority, custom],
        table: [custom, noCache, authority],
        tableSize: 164,
      },
    ],
  };
}

const isPrivate = 'cache-control: private';
const date21 = 'date: Mon, 21 Oct 2013 20:13:21 GMT';
const date22 = 'date: Mon, 21 Oct 2013 20:13:22 GMT';
const location = 'location: https://www.example.com';
const gzip = 'content-encoding: gzip';
const setCookie = 'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';

/** C.5 and C.6: the same three responses, in a table so small that it evicts. */
function responses(section: string, blocks: readonly [string, string, string]): Sequence {
  return {
    section,
    maxTableSize: 256,
    examples: [
      {
        block: blocks[0],
        fields: [':status: 302', isPrivate, date21, location],
        table: [location, date21, isPrivate, ':status: 302'],
        tableSize: 222,
      },
      {
        block: blocks[1],
        fields: [':status: 307', isPrivate, date21, location],
        table: [':status: 307', location, date21, isPrivate],
        tableSize: 222,
      },
      {
        block: blocks[2],
        fields: [':status: 200', isPrivate, date22, location, gzip, setCookie],
        table: [setCookie, gzip, date22],
        tableSize: 215,
      },
    ],
  };
}

function single(section: string, example: Example): Sequence {
  return { section, maxTableSize: 4096, examples: [example] };
}

/** C.2 to C.6. */
export const sequences: readonly Sequence[] = [
  single('C.2.1, a literal with indexing', {
    block: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
    fields: ['custom-key: custom-header'],
    table: ['custom-key: custom-header'],
    tableSize: 55,
  }),
  single('C.2.2, a literal without indexing', {
    block: '040c 2f73 616d 706c 652f 7061 7468',
    fields: [':path: /sample/path'],
    table: [],
    tableSize: 0,
  }),
  single('C.2.3, a literal never indexed', {
    block: '1008 7061 7373 776f 7264 0673 6563 7265 74',
    fields: ['password: secret'],
    table: [],
    tableSize: 0,
  }),
  single('C.2.4, an index', { block: '82', fields: [':method: GET'], table: [], tableSize: 0 }),
  requests('C.3, requests without Huffman', [
    '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    '8286 84be 5808 6e6f 2d63 6163 6865',
    '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
  ]),
  requests('C.4, requests with Huffman', [
    '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
    '8286 84be 5886 a8eb 1064 9cbf',
    '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
  ]),
  responses('C.5, responses without Huffman', [
    `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120
     474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
    '4803 3330 37c1 c0bf',
    `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738
     666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
     3630 303b 2076 6572 7369 6f6e 3d31`,
  ]),
  responses('C.6, responses with Huffman', [
    `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
     63c7 8f0b 97c8 e9ae 82ae 43d3`,
    '4883 640e ffc1 c0bf',
    `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
     b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
  ]),
];
