/* The two hot loops of captures in C: walking the records of a capture file, and reading headers into columns.
 *
 * Same results as captures/formats and captures/scan.py, which say why things are read as they are. Nothing is allocated
 * here and nothing is kept between calls. The caller passes every size; every read is checked against the buffer's, every
 * write against the room that there is. Which numbers mean what (link types, EtherTypes, protocols, ports) is told in
 * tables, so that it is written down once, in Python.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define INTERFACE_VERSION 2 /* raise it, and the one in native.py, when a function or a struct changes here or in join.c */

EXPORT int64_t netprobe_captures_version(void) { return INTERFACE_VERSION; }

static inline uint16_t be16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static inline uint32_t be32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t be64(const uint8_t *at) { return (uint64_t)be32(at) << 32 | be32(at + 4); }

static inline uint32_t le32(const uint8_t *at) {
    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static inline uint32_t word(const uint8_t *at, bool big) { return big ? be32(at) : le32(at); }

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---------------------------------------------------------------------------------------------- record walks */

struct records { /* room for `room` records each */
    int64_t *start, *ts_ns, *caplen, *origlen;
};

enum { WALKED = 0, DAMAGED = 1, FULL = 2 };

/* pcap records in buffer[lo..hi): returns how many whole ones were found. `next` is where the first other one begins, `why`
 * whether the data ended there (WALKED), its length is impossible (DAMAGED) or the room is used up (FULL). */
EXPORT int64_t netprobe_pcap(
    const uint8_t *buffer, int64_t lo, int64_t hi, int64_t header, int64_t big, int64_t per_unit, int64_t most,
    int64_t room, const struct records *out, int64_t *next, int64_t *why) {
    int64_t count = 0;
    *why = WALKED;
    if (header < 16) header = 16;
    while (hi - lo >= header) {
        const uint8_t *at = buffer + lo;
        int64_t caplen = word(at + 8, big);
        if (caplen > most) {
            *why = DAMAGED;
            break;
        }
        if (caplen > hi - lo - header) break;
        if (count == room) {
            *why = FULL;
            break;
        }
        out->start[count] = lo + header;
        out->ts_ns[count] = (int64_t)word(at, big) * 1000000000 + (int64_t)word(at + 4, big) * per_unit;
        out->caplen[count] = caplen;
        out->origlen[count] = word(at + 12, big);
        count++;
        lo += header + caplen;
    }
    *next = lo;
    return count;
}

/* Whole pcapng blocks of one kind, one behind the other from buffer[lo] on: returns how many, and where each begins. */
EXPORT int64_t netprobe_pcapng(
    const uint8_t *buffer, int64_t lo, int64_t hi, int64_t big, int64_t kind, int64_t least_length, int64_t room,
    int64_t *start, int64_t *next) {
    int64_t count = 0;
    if (least_length < 12) least_length = 12;
    while (hi - lo >= 12 && count < room && word(buffer + lo, big) == kind) {
        int64_t length = word(buffer + lo + 4, big);
        if (length < least_length || length > hi - lo || length & 3) break;
        start[count++] = lo;
        lo += length;
    }
    *next = lo;
    return count;
}

/* ---------------------------------------------------------------------------------------------- headers */

#define LINKS 65536
#define HEADERS 512 /* all that is read of a frame here ends before this: 127 + 4 tags + 60 + 8 + 60 + 20 bytes */

enum { IP = 1, VLAN = 2, SLOW = 4 };                /* EtherTypes */
enum { TUNNEL = 1, PROBED = 2 };                    /* UDP ports: of a tunnel, of a traceroute */
enum { SLOW_PROTOCOL = 1, ERROR4 = 2, ERROR6 = 4, ECHO4 = 8, ECHO6 = 16 }; /* protocols; types of ICMP and ICMPv6 */

struct meanings {
    const int8_t *link_size; /* LINKS: where the network layer begins; -1 unknown, -2 decoded frame by frame */
    const int8_t *link_type; /* LINKS: where the EtherType stands; -1 nowhere */
    const uint8_t *ethertype; /* 65536 */
    const uint8_t *udp;      /* 65536 ports */
    const uint8_t *number;   /* 256 */
    const uint8_t *most_hops; /* 1: the largest TTL of a traceroute */
};

struct frames {
    const int64_t *start, *caplen, *origlen, *link;
    int64_t link_step; /* 1, or 0 where one link type stands for all frames */
};

struct columns { /* one row per TCP segment or ICMP error; the order of captures.table.TYPES */
    uint8_t *family;
    uint64_t *src_hi, *src_lo, *dst_hi, *dst_lo;
    uint16_t *sport, *dport;
    uint32_t *seq, *ack;
    uint8_t *flags;
    uint16_t *window;
    int64_t *length, *payload_start, *payload_caplen;
    uint8_t *ttl, *tos;
    uint32_t *ip_id;
    uint8_t *icmp, *icmp_type, *icmp_code, *quoted_ttl;
    uint64_t *sender_hi, *sender_lo;
};

struct totals {
    int64_t rows, slow, errors, sixes, fragments, others, unreadable;
};

/* What became of a frame. */
enum { ROW, SLOWLY, FRAGMENT, OTHER, UNREADABLE };

static inline void write_addresses(const struct columns *out, int64_t row, const uint8_t *ip, bool six, struct totals *sum) {
    if (six) {
        if (!sum->sixes++) { /* until then nobody needed the upper halves */
            memset(out->src_hi, 0, (size_t)row * sizeof *out->src_hi);
            memset(out->dst_hi, 0, (size_t)row * sizeof *out->dst_hi);
        }
        out->family[row] = 6;
        out->src_hi[row] = be64(ip + 8);
        out->src_lo[row] = be64(ip + 16);
        out->dst_hi[row] = be64(ip + 24);
        out->dst_lo[row] = be64(ip + 32);
    } else {
        if (sum->sixes) out->src_hi[row] = out->dst_hi[row] = 0;
        out->family[row] = 4;
        out->src_lo[row] = be32(ip + 12);
        out->dst_lo[row] = be32(ip + 16);
    }
}

static inline void write_ip(const struct columns *out, int64_t row, const uint8_t *ip, bool six) {
    out->ttl[row] = ip[six ? 7 : 8];
    out->tos[row] = six ? (uint8_t)(be16(ip) >> 4) : ip[1];
    out->ip_id[row] = six ? 0 : be16(ip + 4);
}

/* An ICMP error that quotes TCP; `l4` and `end` count from the frame's first byte, like everything below. */
static int icmp_row(
    const uint8_t *frame, const uint8_t *ip, int64_t l4, int64_t end, bool six, const struct meanings *means,
    const struct columns *out, int64_t row, struct totals *sum) {
    const uint8_t *head = frame + l4, *inner = head + 8;
    if (means->number[head[0]] & (six ? ECHO6 : ECHO4)) return SLOWLY;
    if (!(means->number[head[0]] & (six ? ERROR6 : ERROR4))) return OTHER;
    int64_t size = 40;
    bool plain;
    if (six) {
        plain = inner[0] >> 4 == 6 && inner[6] == 6;
    } else {
        size = (inner[0] & 15) * 4;
        plain = inner[0] >> 4 == 4 && size >= 20 && inner[9] == 6 && !(be16(inner + 6) & 0x1FFF);
    }
    if (!plain || l4 + 8 + size + 8 > end) return SLOWLY;
    const uint8_t *tcp = inner + size;
    if (!sum->errors++) { /* until then nobody needed these columns */
        memset(out->icmp, 0, (size_t)row);
        memset(out->icmp_type, 0, (size_t)row);
        memset(out->icmp_code, 0, (size_t)row);
        memset(out->quoted_ttl, 0, (size_t)row);
        memset(out->sender_hi, 0, (size_t)row * sizeof *out->sender_hi);
        memset(out->sender_lo, 0, (size_t)row * sizeof *out->sender_lo);
    }
    write_addresses(out, row, inner, six, sum);
    write_ip(out, row, ip, six);
    out->sport[row] = be16(tcp);
    out->dport[row] = be16(tcp + 2);
    out->seq[row] = be32(tcp + 4);
    out->ack[row] = 0;
    out->flags[row] = 0;
    out->window[row] = 0;
    out->length[row] = out->payload_start[row] = out->payload_caplen[row] = 0;
    out->icmp[row] = 1;
    out->icmp_type[row] = head[0];
    out->icmp_code[row] = head[1];
    out->quoted_ttl[row] = inner[six ? 7 : 8];
    out->sender_hi[row] = six ? be64(ip + 8) : 0;
    out->sender_lo[row] = six ? be64(ip + 16) : be32(ip + 12);
    return ROW;
}

/* One frame; `frame` has HEADERS readable bytes, whatever `captured` says. */
static inline int read_frame(
    const uint8_t *frame, int64_t start, int64_t captured, int64_t wire, int64_t link, const struct meanings *means,
    const struct columns *out, int64_t row, struct totals *sum) {
    if (link < 0 || link >= LINKS || means->link_size[link] == -1) return UNREADABLE;
    int64_t l3 = means->link_size[link];
    if (l3 < 0) return SLOWLY;
    if (means->link_type[link] >= 0) {
        uint16_t type = be16(frame + means->link_type[link]);
        for (int tags = 0; tags < 4 && means->ethertype[type] & VLAN; tags++) {
            type = be16(frame + l3 + 2);
            l3 += 4;
        }
        if (l3 > captured) return SLOWLY;
        if (!(means->ethertype[type] & IP)) return means->ethertype[type] & (SLOW | VLAN) ? SLOWLY : OTHER;
    }
    if (l3 >= captured) return SLOWLY;
    const uint8_t *ip = frame + l3;
    bool six = ip[0] >> 4 == 6;
    if (!six && ip[0] >> 4 != 4) return SLOWLY;

    int64_t l4, end, wire_end;
    bool odd, later = false;
    uint8_t protocol;
    if (six) {
        int64_t length = be16(ip + 4);
        l4 = l3 + 40;
        wire_end = l4 + length;
        end = least(captured, wire_end);
        odd = !length || l4 > end;
        protocol = ip[6];
    } else {
        int64_t size = (ip[0] & 15) * 4, total = be16(ip + 2);
        uint16_t fragment = be16(ip + 6);
        if (!total) total = (wire > captured ? wire : captured) - l3; /* left to the network card */
        l4 = l3 + size;
        wire_end = l3 + total;
        end = least(captured, wire_end);
        later = fragment & 0x1FFF;
        odd = (fragment & 0x2000 && !later) || size < 20 || total < size || l3 + 20 > end || l4 > end;
        protocol = ip[9];
    }

    const uint8_t *tcp = frame + l4;
    if (protocol != 6 || odd || later || l4 + 20 > end) {
        bool icmp = protocol == (six ? 58 : 1) && !odd && !later;
        bool tunnel = means->number[protocol] & SLOW_PROTOCOL;
        if (protocol == 17 && !later) {
            tunnel = (means->udp[be16(tcp)] | means->udp[be16(tcp + 2)]) & TUNNEL;
            tunnel |= means->udp[be16(tcp + 2)] & PROBED && ip[six ? 7 : 8] <= means->most_hops[0];
        }
        if (later && !odd) return FRAGMENT;
        bool cut = l4 + 8 > end;
        if (tunnel || odd || (cut && (icmp || protocol == 17)) || protocol == 6) return SLOWLY;
        return icmp ? icmp_row(frame, ip, l4, end, six, means, out, row, sum) : OTHER;
    }
    int64_t payload = l4 + (tcp[12] >> 4) * 4;
    if (payload < l4 + 20 || payload > wire_end) return SLOWLY;
    write_addresses(out, row, ip, six, sum);
    write_ip(out, row, ip, six);
    out->sport[row] = be16(tcp);
    out->dport[row] = be16(tcp + 2);
    out->seq[row] = be32(tcp + 4);
    out->ack[row] = be32(tcp + 8);
    out->flags[row] = tcp[13];
    out->window[row] = be16(tcp + 14);
    int64_t begin = least(payload, end);
    out->length[row] = wire_end - payload;
    out->payload_start[row] = start + begin;
    out->payload_caplen[row] = end - begin;
    if (sum->errors) {
        out->icmp[row] = out->icmp_type[row] = out->icmp_code[row] = out->quoted_ttl[row] = 0;
        out->sender_hi[row] = out->sender_lo[row] = 0;
    }
    return ROW;
}

/* The rows of `count` frames, `columns`, `index` (of each row's frame) and `slow` (frames for the full decode) with room for
 * as many. Columns that nobody needed are not written: the upper halves of addresses without `sixes`, those of ICMP without
 * `errors`. */
EXPORT void netprobe_scan(
    const uint8_t *buffer, int64_t size, int64_t count, const struct frames *in, const struct meanings *means,
    const struct columns *out, int64_t *index, int64_t *slow, struct totals *sum) {
    uint8_t padded[HEADERS];
    memset(sum, 0, sizeof *sum);
    for (int64_t i = 0; i < count; i++) {
        int64_t start = in->start[i], captured = in->caplen[i];
        if (start < 0 || captured < 0 || start > size || captured > size - start) {
            slow[sum->slow++] = i;
            continue;
        }
        const uint8_t *frame = buffer + start;
        if (size - start < HEADERS) {
            memset(padded, 0, sizeof padded);
            memcpy(padded, frame, (size_t)(size - start));
            frame = padded;
        }
        switch (read_frame(frame, start, captured, in->origlen[i], in->link[i * in->link_step], means, out, sum->rows, sum)) {
        case ROW: index[sum->rows++] = i; break;
        case SLOWLY: slow[sum->slow++] = i; break;
        case FRAGMENT: sum->fragments++; break;
        case OTHER: sum->others++; break;
        default: sum->unreadable++;
        }
    }
}
