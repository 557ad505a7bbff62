/* Walks and scans captures and damaged copies of them with captures/native.c, in arrays of exactly the size that is promised.
 *
 *     gcc -std=c11 -g -O1 -fsanitize=address,undefined -o fuzz tests/captures/fuzz_native.c
 *     ./fuzz TABLES ROUNDS FILE...
 *
 * TABLES holds what captures.scan.meanings() gives. Prints how many rows were found; the sanitizers end it otherwise.
 */

#include "../../captures/native.c"

#include <stdio.h>
#include <stdlib.h>

static uint64_t state = 88172645463325252u;

static uint64_t rnd(uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static void *must(void *memory) {
    if (!memory) exit(2);
    return memory;
}

static void *room(int64_t count, size_t size) { return must(malloc(count ? (size_t)count * size : 1)); }

static uint8_t *contents(const char *path, int64_t *size) {
    FILE *file = must(fopen(path, "rb"));
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    uint8_t *data = room(*size, 1);
    if (fread(data, 1, (size_t)*size, file) != (size_t)*size) exit(2);
    fclose(file);
    return data;
}

static int64_t scanned(
    const uint8_t *data, int64_t size, int64_t count, int64_t *start, int64_t *caplen, int64_t *origlen, int64_t likely,
    const struct meanings *means) {
    static const size_t widths[23] = {1, 8, 8, 8, 8, 2, 2, 4, 4, 1, 2, 8, 8, 8, 1, 1, 4, 1, 1, 1, 1, 8, 8};
    static const int64_t links[] = {1, 1, 1, 113, 276, 101, 0, 108, 105, 147, 12, 65535, -1};
    void *memory[23];
    struct columns out;
    _Static_assert(sizeof memory == sizeof out, "a pointer for each column");
    for (int i = 0; i < 23; i++) memory[i] = room(count, widths[i]);
    memcpy(&out, memory, sizeof out);
    int64_t *index = room(count, 8), *slow = room(count, 8), *link = room(count, 8);
    for (int64_t i = 0; i < count; i++) link[i] = rnd(8) ? likely : links[rnd(sizeof links / sizeof *links)];
    struct frames in = {start, caplen, origlen, link, (int64_t)rnd(2)};
    struct totals sum = {0};
    netprobe_scan(data, size, count, &in, means, &out, index, slow, &sum);
    if (sum.rows + sum.slow + sum.fragments + sum.others + sum.unreadable != count) abort();
    for (int64_t i = 0; i < sum.rows; i++) {
        int64_t frame = index[i], end = start[frame] + caplen[frame];
        if (out.payload_caplen[i] < 0 || out.length[i] < 0) abort();
        if (out.payload_caplen[i] && (out.payload_start[i] < start[frame] || out.payload_start[i] + out.payload_caplen[i] > end))
            abort();
    }
    for (int i = 0; i < 23; i++) free(memory[i]);
    free(index), free(slow), free(link);
    return sum.rows;
}

static void damage(uint8_t *data, int64_t size) {
    static const uint8_t values[] = {0, 1, 0xFF, 0x45, 0x4F, 0x60, 0x81, 6, 1, 58};
    for (uint64_t changes = size ? rnd(5) : 0; changes > 0; changes--)
        data[rnd((uint64_t)size)] = rnd(2) ? values[rnd(sizeof values)] : (uint8_t)rnd(256);
}

static int64_t walked(uint8_t *data, int64_t size, bool damaging, const struct meanings *means) {
    int64_t rows = 0, most = 1 + (int64_t)rnd(64), next = 0, why = 0, lo = rnd(8) ? 24 : 0, link = size > 20 ? data[20] : 1;
    int64_t *columns[4];
    for (int i = 0; i < 4; i++) columns[i] = room(most, 8);
    struct records into = {columns[0], columns[1], columns[2], columns[3]};
    int64_t big = size > 3 && data[0] == 0xA1, header = rnd(8) ? 16 : 24; /* of a record */
    for (lo = least(lo, size);; lo = next) {
        int64_t count = netprobe_pcap(data, lo, size, header, big, 1000, 262144, most, &into, &next, &why);
        if (count > most || next < lo || next > size) abort();
        for (int64_t i = 0; i < count && damaging; i++) damage(data + into.start[i], least(into.caplen[i], 90));
        rows += scanned(data, size, count, into.start, into.caplen, into.origlen, link, means);
        if (why != FULL) break;
    }
    for (lo = 0; lo < size;) { /* every block of a pcapng file, whatever its kind */
        big = rnd(8) == 0;
        int64_t kind = size - lo >= 4 ? word(data + lo, big) : 6;
        int64_t count = netprobe_pcapng(data, lo, size, big, kind, rnd(2) ? 32 : 12, most, into.start, &next);
        if (count > most || next < lo || next > size) abort();
        for (int64_t i = 0; i < count; i++) {
            into.start[i] += 28; /* perhaps beyond the end: the scan must notice */
            into.caplen[i] = rnd(9) ? (int64_t)rnd(200) : (int64_t)(rnd(UINT64_MAX) & INT64_MAX);
            into.origlen[i] = (int64_t)rnd(1 << 20);
        }
        rows += scanned(data, size, count, into.start, into.caplen, into.origlen, 1, means);
        lo = count ? next : lo + 4;
    }
    for (int i = 0; i < 4; i++) free(columns[i]);
    return rows;
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    int64_t size, rows = 0;
    uint8_t *tables = contents(arguments[1], &size);
    if (size != 4 * 65536 + 256 + 1) return 2;
    struct meanings means = {
        (int8_t *)tables, (int8_t *)tables + 65536, tables + 2 * 65536, tables + 3 * 65536, tables + 4 * 65536,
        tables + 4 * 65536 + 256,
    };
    for (int n = 3; n < count; n++) {
        uint8_t *data = contents(arguments[n], &size);
        rows += walked(data, size, false, &means);
        for (int round = atoi(arguments[2]); round > 0; round--) {
            int64_t part = size - (int64_t)(rnd(4) ? 0 : rnd((uint64_t)size + 1));
            uint8_t *copy = room(part, 1);
            memcpy(copy, data, (size_t)part);
            if (rnd(2)) damage(copy, part);
            rows += walked(copy, part, true, &means);
            free(copy);
        }
        free(data);
    }
    free(tables);
    printf("%lld rows\n", (long long)rows);
    return 0;
}
