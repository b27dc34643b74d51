/*
 * HPACK by nghttp2, line by line: one deflater and one inflater that keep their tables from line to line. It knows
 * nothing of keyproxy. Every line of the input is answered by one line:
 *
 *     D name:value ...     deflates a list, names and values in hexadecimal; a field that ends with ! is never indexed
 *                          answer: = and the block
 *     I block              inflates a block; answer: = and the fields as above, and in case of an error
 *                          ! and nghttp2's code for it at the end
 *     d size, i size       SETTINGS_HEADER_TABLE_SIZE for the deflater or the inflater; answer: =
 *     R                    begins anew with empty tables; answer: =
 *
 * Anything else, and a failure that no input explains, ends it with the exit code 1.
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* The deflater may use a larger table than HTTP/2 starts with, if it is allowed one. */
static const size_t largest_table = 65536;

static nghttp2_hd_deflater *deflater;
static nghttp2_hd_inflater *inflater;

static void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static void begin(void) {
  if (deflater) nghttp2_hd_deflate_del(deflater);
  if (inflater) nghttp2_hd_inflate_del(inflater);
  if (nghttp2_hd_deflate_new(&deflater, largest_table) || nghttp2_hd_inflate_new(&inflater)) fail("out of memory");
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/* Turns the digits at *at into bytes, in their own place, and moves *at behind them. Returns how many bytes. */
static size_t take_bytes(char **at) {
  uint8_t *out = (uint8_t *)*at;
  size_t count = 0;
  while (digit((*at)[0]) >= 0 && digit((*at)[1]) >= 0) {
    out[count++] = (uint8_t)(digit((*at)[0]) << 4 | digit((*at)[1]));
    *at += 2;
  }
  return count;
}

static void print_bytes(const uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) printf("%02x", bytes[i]);
}

static void deflate_list(char *at) {
  /* A field takes at least two characters of the line: a space and a colon. */
  nghttp2_nv *fields = calloc(strlen(at) / 2 + 1, sizeof *fields);
  size_t count = 0;
  if (!fields) fail("out of memory");
  while (*at == ' ') {
    nghttp2_nv *field = &fields[count++];
    field->name = (uint8_t *)++at;
    field->namelen = take_bytes(&at);
    if (*at != ':') fail("a field without a colon");
    field->value = (uint8_t *)++at;
    field->valuelen = take_bytes(&at);
    if (*at == '!') {
      field->flags = NGHTTP2_NV_FLAG_NO_INDEX;
      at++;
    }
  }
  size_t room = nghttp2_hd_deflate_bound(deflater, fields, count);
  uint8_t *block = malloc(room + 1);
  if (!block) fail("out of memory");
  ssize_t size = nghttp2_hd_deflate_hd(deflater, block, room, fields, count);
  if (size < 0) fail(nghttp2_strerror((int)size));
  putchar('=');
  print_bytes(block, (size_t)size);
  putchar('\n');
  free(block);
  free(fields);
}

static void inflate_block(char *at) {
  const uint8_t *in = (const uint8_t *)at;
  size_t left = take_bytes(&at);
  putchar('=');
  for (;;) {
    nghttp2_nv field;
    int flags = 0;
    ssize_t used = nghttp2_hd_inflate_hd2(inflater, &field, &flags, in, left, 1);
    if (used < 0) {
      printf(" !%d\n", (int)used);
      return;
    }
    in += used;
    left -= (size_t)used;
    if (flags & NGHTTP2_HD_INFLATE_EMIT) {
      putchar(' ');
      print_bytes(field.name, field.namelen);
      putchar(':');
      print_bytes(field.value, field.valuelen);
      if (field.flags & NGHTTP2_NV_FLAG_NO_INDEX) putchar('!');
    }
    if (flags & NGHTTP2_HD_INFLATE_FINAL) break;
    if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && left == 0) break;
  }
  nghttp2_hd_inflate_end_headers(inflater);
  putchar('\n');
}

static void set_size(char which, const char *at) {
  size_t size = strtoul(at, NULL, 10);
  int code = which == 'd' ? nghttp2_hd_deflate_change_table_size(deflater, size)
                          : nghttp2_hd_inflate_change_table_size(inflater, size);
  if (code) fail(nghttp2_strerror(code));
  puts("=");
}

int main(void) {
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  begin();
  while ((length = getline(&line, &room, stdin)) > 0) {
    if (line[length - 1] == '\n') line[--length] = 0;
    char command = length > 0 ? line[0] : 0;
    if (command == 'D') deflate_list(line + 1);
    else if (command == 'I') inflate_block(length > 1 ? line + 2 : line + 1);
    else if (command == 'd' || command == 'i') set_size(command, line + 1);
    else if (command == 'R') { begin(); puts("="); }
    else fail("an unknown command");
  }
  return 0;
}
