/* The join in C: the same state and the same kept rows as flows.py, track.py, keep.py and payload.py make with whole arrays,
 * which say what it all means. One call works on one batch of rows; nothing is allocated here or kept between calls, and no
 * index that comes from outside is used before it is checked.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define K1 UINT64_C(0x9E3779B97F4A7C15)
#define K2 UINT64_C(0xC2B2AE3D27D4EB4F)

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };
enum { START_BYTES = 8192, ACKS = 4, PAYLOADS = 8, PAYLOADS_AT_START = 24, REPEATS = 8, AFTER_SPECIAL = 2 };

static const int64_t UNKNOWN = -(INT64_C(1) << 31), FARTHEST = (INT64_C(1) << 31) - 1;

static inline uint64_t mix(uint64_t value) {
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t ahead(uint32_t seq, uint32_t of) { return (int32_t)(seq - of); }

struct column { /* of a table; `step` bytes from row to row, 0 where all are the same */
    const uint8_t *data;
    int64_t step;
};

#define AT(kind, column, row) (*(const kind *)(const void *)((column).data + (row) * (column).step))

struct table { /* captures.table.COLUMNS */
    struct column number, ts_ns, start, at, caplen, origlen, link, interface, family, src_hi, src_lo, dst_hi, dst_lo, sport, dport, seq, ack,
        flags, window, length, payload_start, payload_caplen, ttl, tos, ip_id, icmp, icmp_type, icmp_code, quoted_ttl,
        sender_hi, sender_lo;
};

/* ---------------------------------------------------------------------------------------------- payloads */

enum { OPAQUE = 1, TLS = 2, TEXT = 3, SSH_MESSAGE = 5, PRINTABLE = 1, CLEAR_MESSAGE = 2 };

static uint64_t digest(const uint8_t *data, int64_t size, int64_t width) {
    uint64_t sum = 0;
    for (int64_t at = 0; at < width; at += 8) {
        uint64_t word = 0, odd = (uint64_t)(at / 4 + 1) * K1;
        for (int64_t i = 0; i < 8 && at + i < size; i++) word |= (uint64_t)data[at + i] << (8 * i);
        sum += mix(word * odd + odd);
    }
    return sum;
}

static uint64_t payload_mark(const uint8_t *data, int64_t size, const uint8_t *bytes, int64_t line, int64_t offer, int64_t lists_at) {
    uint8_t head[8] = {0};
    memcpy(head, data, (size_t)least(size, 8));
    if (bytes[head[0]] & bytes[head[1]] & bytes[head[2]] & bytes[head[3]] & PRINTABLE) {
        int64_t end = least(size, line);
        const uint8_t *newline = memchr(data, '\n', (size_t)end);
        if (newline) end = newline - data;
        return digest(data, end, line) + (memcmp(head, "SSH-", 4) ? TEXT : 0);
    }
    if (head[0] >= 0x14 && head[0] <= 0x17 && head[1] == 3) return TLS + ((uint64_t)head[0] << 8);
    if (!head[0] && !head[1]) {
        int length = head[2] << 8 | head[3];
        if (length >= 2 && length <= 35000 && head[4] < length && bytes[head[5]] & CLEAR_MESSAGE) {
            uint64_t mark = SSH_MESSAGE + ((uint64_t)head[5] << 8);
            if (head[5] == 20) mark += digest(data + least(size, lists_at), most(size - lists_at, 0), offer);
            return mark;
        }
    }
    return OPAQUE;
}

EXPORT int64_t netprobe_marks(
    const uint8_t *buffer, int64_t size, int64_t count, const int64_t *starts, const int64_t *caplens, const uint8_t *bytes,
    int64_t line, int64_t offer, int64_t lists_at, uint64_t *mark) {
    for (int64_t i = 0; i < count; i++) {
        int64_t start = starts[i], caplen = caplens[i];
        mark[i] = 0;
        if (caplen <= 0) continue;
        if (start < 0 || start > size || caplen > size - start) return -1;
        mark[i] = payload_mark(buffer + start, caplen, bytes, line, offer, lists_at);
    }
    return count;
}

/* ---------------------------------------------------------------------------------------------- flows */

struct slots { /* an open-addressing hash table of 1 << bits entries */
    uint64_t *key;
    int64_t *id;
    int64_t bits;
};

static inline uint64_t end_of(int family, uint64_t high, uint64_t low, uint16_t port) {
    if (family == 6) return mix(mix(high + K1) + low + port * K2) | UINT64_C(1) << 63;
    return low | (uint64_t)port << 32;
}

/* Ends, side, key and, where the flow is known, attempt (else -1) of every row; returns how many are not known. */
EXPORT int64_t netprobe_find(
    const struct table *rows, int64_t count, const struct slots *slots, uint64_t *low, uint64_t *high, int64_t *side,
    uint64_t *key, int64_t *attempt) {
    int64_t missing = 0, mask = (INT64_C(1) << slots->bits) - 1;
    for (int64_t i = 0; i < count; i++) {
        int family = AT(uint8_t, rows->family, i);
        uint64_t from = end_of(family, AT(uint64_t, rows->src_hi, i), AT(uint64_t, rows->src_lo, i), AT(uint16_t, rows->sport, i));
        uint64_t to = end_of(family, AT(uint64_t, rows->dst_hi, i), AT(uint64_t, rows->dst_lo, i), AT(uint16_t, rows->dport, i));
        side[i] = from > to;
        low[i] = from > to ? to : from;
        high[i] = from > to ? from : to;
        uint64_t hash = low[i] * K1;
        hash ^= hash >> 29;
        hash = (hash + high[i]) * K2;
        hash ^= hash >> 32;
        key[i] = hash *= K1;
        int64_t slot = (int64_t)(hash >> (64 - slots->bits));
        while (slots->id[slot] >= 0 && slots->key[slot] != hash) slot = (slot + 1) & mask;
        attempt[i] = slots->id[slot];
        missing += attempt[i] < 0;
    }
    return missing;
}

/* Enters the flows of rows without an attempt, numbered from `next` on; `first` are the rows at which they appear, and there
 * is room in the table for twice as many. Returns how many are new. */
EXPORT int64_t netprobe_claim(
    int64_t count, const struct slots *slots, const uint64_t *key, int64_t next, int64_t *attempt, int64_t *first) {
    int64_t found = 0, mask = (INT64_C(1) << slots->bits) - 1;
    for (int64_t i = 0; i < count; i++) {
        if (attempt[i] >= 0) continue;
        int64_t slot = (int64_t)(key[i] >> (64 - slots->bits));
        while (slots->id[slot] >= 0 && slots->key[slot] != key[i]) slot = (slot + 1) & mask;
        if (slots->id[slot] < 0) {
            slots->id[slot] = next + found;
            slots->key[slot] = key[i];
            first[found++] = i;
        }
        attempt[i] = slots->id[slot];
    }
    return found;
}

/* Whether any row has other ends than its attempt; -1 when there is no such attempt. */
EXPORT int64_t netprobe_collide(
    int64_t count, const uint64_t *low, const uint64_t *high, const int64_t *attempt, const uint64_t *ends, int64_t size) {
    for (int64_t i = 0; i < count; i++) {
        if (attempt[i] < 0 || attempt[i] >= size) return -1;
        if (ends[2 * attempt[i]] != low[i] || ends[2 * attempt[i] + 1] != high[i]) return 1;
    }
    return 0;
}

/* ---------------------------------------------------------------------------------------------- rows by attempt */

/* `order`: the given rows so that those of an attempt lie together, attempts in order of appearance, rows in theirs.
 * `scratch` has a number per attempt, `tally` one per row. */
EXPORT int64_t netprobe_group(
    int64_t count, const int64_t *rows, int64_t all, const int64_t *attempt, int64_t size, int64_t *scratch, int64_t *tally,
    int64_t *order) {
    for (int64_t i = 0; i < count; i++) {
        if (rows[i] < 0 || rows[i] >= all || attempt[rows[i]] < 0 || attempt[rows[i]] >= size) return -1;
        scratch[attempt[rows[i]]] = -1;
    }
    int64_t known = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t *local = &scratch[attempt[rows[i]]];
        if (*local < 0) tally[*local = known++] = 0;
        tally[*local]++;
    }
    for (int64_t i = 0, before = 0; i < known; i++) {
        int64_t own = tally[i];
        tally[i] = before;
        before += own;
    }
    for (int64_t i = 0; i < count; i++) order[tally[scratch[attempt[rows[i]]]]++] = rows[i];
    return known;
}

struct state { /* a row per attempt, two or four entries of most columns */
    uint8_t *started, *rooted;
    int64_t *acked, *isn, *top;
    uint32_t *top_seq;
    int64_t *bytes, *packets;
    int32_t *kept;
    uint8_t *full;
    int32_t *counted, *repeats, *since;
    int64_t *first_ts, *last_ts;
};

struct kept { /* a row per row kept: track.Tracker.rows */
    int32_t *attempt, *ordinal;
    uint8_t *side;
    int32_t *position, *delta, *ack_position, *ack_delta;
    uint64_t *mark;
    uint8_t *numbered;
    int64_t *number, *ts_ns, *at;
    int32_t *caplen, *origlen;
    int16_t *link;
    uint8_t *flags;
    uint16_t *window;
    uint32_t *length;
    uint8_t *ttl, *tos, *icmp, *icmp_type, *icmp_code, *quoted_ttl;
};

struct stray { /* payload that is not in order, for holes.py */
    int64_t side, top, begin, end, delta;
};

static inline int32_t near(int64_t value) { return (int32_t)most(UNKNOWN, least(value, FARTHEST)); }

static void start_sides(
    const struct table *in, int64_t who, const int64_t *order, const int64_t *side, int64_t count, const struct state *state) {
    for (int64_t i = 0; i < count; i++) {
        int64_t row = order[i], flat = who * 2 + side[row];
        uint8_t flags = AT(uint8_t, in->flags, row);
        if (flags & RST || AT(uint8_t, in->icmp, row)) continue;
        if (!state->started[flat]) {
            state->top_seq[flat] = AT(uint32_t, in->seq, row);
            state->started[flat] = 1;
        }
        if (flags & SYN && !state->rooted[flat]) {
            state->top_seq[flat] = AT(uint32_t, in->seq, row);
            state->top[flat] = 0;
            state->rooted[flat] = 1;
        }
    }
}

/* Follows `count` rows (`order`, with those of an attempt together); there is room for as many kept rows, their indices in
 * `chosen`, and strays, whose number comes back in `strays`. Returns how many rows are kept. */
EXPORT int64_t netprobe_follow(
    const struct table *in, int64_t all, const int64_t *order, int64_t count, const int64_t *attempt, const int64_t *side,
    const uint64_t *mark, const struct state *state, int64_t size, const struct kept *out, int64_t *chosen, struct stray *stray,
    int64_t *strays) {
    int64_t found = 0, lost = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t row = order[i];
        if (row < 0 || row >= all || attempt[row] < 0 || attempt[row] >= size || (side[row] & ~INT64_C(1))) return -1;
    }
    for (int64_t head = 0, tail; head < count; head = tail) {
        int64_t who = attempt[order[head]];
        for (tail = head + 1; tail < count && attempt[order[tail]] == who;) tail++;
        start_sides(in, who, order + head, side, tail - head, state);

        const uint8_t *started = state->started + 2 * who;
        const uint32_t *top_seq = state->top_seq + 2 * who;
        const int64_t *top = state->top + 2 * who, *isn = state->isn + 2 * who;
        const int32_t *counted = state->counted + 4 * who;
        int64_t running[2] = {top[0], top[1]}, heard[2] = {0, 0}, ranks[4] = {0}, packets[2] = {0};
        int64_t quiet[2] = {state->since[2 * who], state->since[2 * who + 1]};
        int64_t first_ts = INT64_MAX, last_ts = INT64_MIN;
        for (int64_t i = head; i < tail; i++) {
            int64_t row = order[i], own = side[row], other = own ^ 1;
            uint8_t flags = AT(uint8_t, in->flags, row);
            bool icmp = AT(uint8_t, in->icmp, row), reset = flags & RST, syn = flags & SYN;
            uint32_t seq = AT(uint32_t, in->seq, row);
            int64_t length = AT(int64_t, in->length, row), ts_ns = AT(int64_t, in->ts_ns, row);
            int64_t occupied = length + syn + (flags & FIN ? 1 : 0);
            int64_t position = top[own] + ahead(seq, top_seq[own]), end = position + occupied;
            int64_t own_top = running[own], other_top = running[other];
            if (occupied > 0 && !(reset || icmp || (syn && isn[own] >= 0 && isn[own] != seq))) running[own] = most(own_top, end);
            int64_t delta = started[own] ? position - own_top : UNKNOWN;
            int64_t ack_position = UNKNOWN, ack_delta = UNKNOWN;
            if (started[other] && flags & ACK && !icmp) {
                ack_position = top[other] + ahead(AT(uint32_t, in->ack, row), top_seq[other]);
                ack_delta = ack_position - other_top;
                if (ack_delta <= 0) heard[other] = most(heard[other], ack_position);
            }
            if (!started[own]) position = UNKNOWN;

            bool payload = length > 0 && !reset && !icmp;
            bool special = icmp || flags & (SYN | FIN | RST), keep = special;
            if (payload) {
                int64_t begin = position + syn, stop = begin + length;
                state->bytes[2 * who + own] += least(length, most(stop - most(begin, own_top), 0));
                if (delta) stray[lost++] = (struct stray){2 * who + own, own_top, begin, stop, delta};
            }
            if (special) {
                quiet[0] = quiet[1] = 0;
            } else {
                int64_t lane = 2 * own + payload, rank = ranks[lane]++ + counted[lane];
                keep = rank < ACKS || (payload && (rank < PAYLOADS || (rank < PAYLOADS_AT_START && position + length <= START_BYTES)));
                keep |= ++quiet[own] <= AFTER_SPECIAL;
            }
            if (payload && delta < 0 && delta != UNKNOWN) keep |= state->repeats[2 * who + own]++ < REPEATS;
            packets[own] += !icmp;
            first_ts = least(first_ts, ts_ns);
            last_ts = most(last_ts, ts_ns);
            if (!keep) continue;

            chosen[found] = row;
            out->attempt[found] = (int32_t)who;
            out->ordinal[found] = state->kept[who]++;
            out->side[found] = (uint8_t)own;
            out->position[found] = near(position);
            out->delta[found] = near(delta);
            out->ack_position[found] = near(ack_position);
            out->ack_delta[found] = near(ack_delta);
            /* an ICMP error looks like its sender */
            out->mark[found] = icmp ? mix(mix(AT(uint64_t, in->sender_hi, row)) + AT(uint64_t, in->sender_lo, row)) : mark[row];
            out->numbered[found] = AT(uint32_t, in->ip_id, row) > 0;
            out->number[found] = AT(int64_t, in->number, row);
            out->ts_ns[found] = ts_ns;
            out->at[found] = AT(int64_t, in->at, row);
            out->caplen[found] = (int32_t)AT(int64_t, in->caplen, row);
            out->origlen[found] = (int32_t)AT(int64_t, in->origlen, row);
            out->link[found] = (int16_t)AT(int64_t, in->link, row);
            out->flags[found] = flags;
            out->window[found] = AT(uint16_t, in->window, row);
            out->length[found] = (uint32_t)length;
            out->ttl[found] = AT(uint8_t, in->ttl, row);
            out->tos[found] = AT(uint8_t, in->tos, row);
            out->icmp[found] = icmp;
            out->icmp_type[found] = AT(uint8_t, in->icmp_type, row);
            out->icmp_code[found] = AT(uint8_t, in->icmp_code, row);
            out->quoted_ttl[found] = AT(uint8_t, in->quoted_ttl, row);
            found++;
        }

        for (int s = 0; s < 2; s++) {
            int64_t flat = 2 * who + s;
            for (int lane = 2 * s; lane < 2 * s + 2; lane++)
                state->counted[4 * who + lane] = (int32_t)((uint32_t)state->counted[4 * who + lane] + (uint32_t)ranks[lane]);
            state->since[flat] = (int32_t)least(quiet[s], INT64_C(1) << 30);
            bool full = state->since[flat] >= AFTER_SPECIAL && started[s];
            int32_t acks = counted[2 * s], payloads = counted[2 * s + 1];
            bool beyond = payloads >= PAYLOADS && top[s] > START_BYTES;
            state->full[4 * who + 2 * s] = full && acks >= ACKS;
            state->full[4 * who + 2 * s + 1] = full && (beyond || payloads >= PAYLOADS_AT_START);
            state->packets[flat] += packets[s];
            state->acked[flat] = most(state->acked[flat], heard[s]);
            state->top_seq[flat] += (uint32_t)(uint64_t)(running[s] - top[s]);
            state->top[flat] = running[s];
        }
        state->first_ts[who] = least(state->first_ts[who], first_ts);
        state->last_ts[who] = most(state->last_ts[who], last_ts);
    }
    *strays = lost;
    return found;
}
