/* Attention of rows, whatever their lengths, causal or under a mask whose blocks of keys that nobody sees are left out. */

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "native_vectors.h"

/* ── products of blocks ──────────────────────────────────────────────────────────────────────────────────────── */

#define BLOCK 32 /* keys that are looked at together, and columns of a product */
#define TILE (16 * PART)
#define DEEP (BLOCK / PART) /* parts of so many keys */
#define LESS(a, b) ((a) < (b) ? (a) : (b))
#define PLUS(x, n) (((x) + (n) - 1) / (n) * (n))

/* Rows that are multiplied by blocks of 32 columns. A block is so many parts deep, each two tiles beside one another of 16 columns,
   64 bytes below one another that 64 bytes of a row are multiplied by. */
typedef struct {
    const N *rows;
    int64_t stride, count; /* numbers from one row to the next; rows */
    const N *blocks;
    const int64_t *which; /* key at which the block for each depth of a row begins; none: the first block alone */
    int64_t blocks_deep, deep;
    float *out;
    int64_t out_stride;
} Product;

INLINE const N *tiles_of(const Product *p, int64_t n) {
    return p->blocks + ((p->which ? p->which[n / p->deep] / BLOCK : 0) * p->deep + n % p->deep) * 2 * TILE;
}

/* One row's number, or two of them below one another, times those of 16 columns. */
INLINE V further(V sum, V row, V columns) {
#ifdef FLOAT32
    return added(row, columns, sum);
#else
    return _mm512_dpbf16_ps(sum, (__m512bh)row, (__m512bh)columns);
#endif
}

typedef float Word __attribute__((may_alias));

#ifdef __AMX_BF16__
#define QUERIES 16 /* that are multiplied together */

/* A tile reads 16 rows. */
static void multiplied(const Product *p) {
    _tile_zero(0);
    _tile_zero(1);
    for (int64_t n = 0; n < p->blocks_deep * p->deep; n++) {
        const N *own = tiles_of(p, n);
        _tile_loadd(2, p->rows + n * PART, p->stride * sizeof(N));
        _tile_loadd(3, own, 64);
        _tile_loadd(4, own + TILE, 64);
        _tile_dpbf16ps(0, 2, 3);
        _tile_dpbf16ps(1, 2, 4);
    }
    _tile_stored(0, p->out, p->out_stride * 4);
    _tile_stored(1, p->out + 16, p->out_stride * 4);
}
#else
#define QUERIES 12 /* with as many sums in two registers each, and what they come from */

INLINE void rows_multiplied(const Product *p, const int count) {
    V sums[QUERIES][2];
#pragma GCC unroll 12
    for (int i = 0; i < count; i++) sums[i][0] = sums[i][1] = _mm512_setzero_ps();
    for (int64_t n = 0; n < p->blocks_deep * p->deep; n++) {
        const Word *left = (const Word *)tiles_of(p, n), *row = (const Word *)(p->rows + n * PART);
        int64_t stride = p->stride * (int64_t)sizeof(N) / 4;
        for (int64_t k = 0; k < 16; k++) {
            V one = _mm512_loadu_ps(left + k * 16), other = _mm512_loadu_ps(left + 256 + k * 16);
#pragma GCC unroll 12
            for (int i = 0; i < count; i++) {
                V word = _mm512_set1_ps(row[i * stride + k]);
                sums[i][0] = further(sums[i][0], word, one);
                sums[i][1] = further(sums[i][1], word, other);
            }
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < count; i++) {
        _mm512_storeu_ps(p->out + i * p->out_stride, sums[i][0]);
        _mm512_storeu_ps(p->out + i * p->out_stride + 16, sums[i][1]);
    }
}

static void multiplied(const Product *p) {
    switch (p->count) {
#define OF(n) \
    case n: rows_multiplied(p, n); break;
        OF(1) OF(2) OF(3) OF(4) OF(5) OF(6) OF(7) OF(8) OF(9) OF(10) OF(11) OF(12)
    }
}
#endif

/* ── attention ───────────────────────────────────────────────────────────────────────────────────────────────── */

/* Where query, key, value and what is made of them lie: how far a token is from the next, and a head from the next. */
typedef struct {
    const N *q, *k, *v;
    N *out;
    int64_t q_token, q_head, k_token, k_head, v_token, v_head, out_token, out_head;
    const N *mask; /* added to the scores, a row a query, of one row alone; or none */
    int64_t mask_row;
    int64_t heads, shared; /* so many heads of queries share one of keys and values */
    int64_t size;          /* numbers of a head: a multiple of 32 */
    int64_t causal;
    float scale;
} Attention;

/* Tokens that see one another: so many queries and keys, from these on. */
typedef struct {
    int64_t q, k, queries, keys;
} Row;

/* How many keys of a block, of which the query sees so many and those before, are seen. */
INLINE __mmask16 seen_of(int64_t seen) { return seen <= 0 ? 0 : FIRST(seen); }

/* Which blocks of keys any of some queries sees; returns how many. */
static int64_t blocks_seen(const Attention *a, const Row *r, int64_t first, int64_t queries, int64_t *blocks) {
    int64_t count = 0, keys = a->causal ? first + queries + r->keys - r->queries : r->keys;
    for (int64_t j = 0; j < keys; j += BLOCK) {
        int any = !a->mask;
        for (int64_t n = first; n < first + queries && !any; n++)
            for (int64_t i = j; i < LESS(keys, j + BLOCK) && !any; i += 16) any = shown(a->mask + n * a->mask_row + i, FIRST(keys - i));
        if (any) blocks[count++] = j;
    }
    return count;
}

/* Scores of one query become what e makes of them, in `made`; returns one over their sum. */
INLINE float softened(const Attention *a, const Row *r, int64_t query, const int64_t *blocks, int64_t count, float *scores, N *made) {
    int64_t seen = a->causal ? query + 1 + r->keys - r->queries : r->keys;
    V scale = _mm512_set1_ps(a->scale), nothing = _mm512_set1_ps(-INFINITY), most = nothing, sum = _mm512_setzero_ps();
    for (int64_t j = 0; j < count * BLOCK; j += 16) {
        int64_t key = blocks[j / BLOCK] + j % BLOCK;
        __mmask16 m = seen_of(seen - key);
        V x = _mm512_mul_ps(_mm512_loadu_ps(scores + j), scale);
        if (a->mask) x = _mm512_add_ps(x, load(a->mask + query * a->mask_row + key, m));
        x = _mm512_mask_mov_ps(nothing, m, x);
        _mm512_storeu_ps(scores + j, x);
        most = _mm512_max_ps(most, x);
    }
    V top = _mm512_set1_ps(over_all(most, 1));
    for (int64_t j = 0; j < count * BLOCK; j += 16) {
        V e = exponential(_mm512_sub_ps(_mm512_loadu_ps(scores + j), top));
        sum = _mm512_add_ps(sum, e);
        store(made + j, 0xffff, e);
    }
    return 1.0f / over_all(sum, 0);
}

/* Keys as tiles: 4 bytes of a key's numbers below one another, 16 keys beside one another. */
static void keys_laid(const Attention *a, const N *k, int64_t keys, int64_t width, N *laid) {
    int64_t parts = a->size / PART;
    for (int64_t j = 0; j < width; j += 16)
        for (int64_t b = 0; b < parts; b++) {
            __m512i block[16];
            for (int64_t n = 0; n < 16; n++)
                block[n] = j + n < keys ? _mm512_loadu_si512(k + (j + n) * a->k_token + b * PART) : _mm512_setzero_si512();
            transposed(block);
            N *at = laid + ((j / BLOCK * parts + b) * 2 + j % BLOCK / 16) * TILE;
            for (int64_t n = 0; n < 16; n++) _mm512_storeu_si512(at + n * PART, block[n]);
        }
}

/* Values as tiles, all blocks of 32 columns before those of the next: a key's numbers beside one another, or those of two keys in turn. */
static void values_laid(const Attention *a, const N *v, int64_t keys, int64_t width, N *laid) {
    for (int64_t j = 0; j < width; j += PART / 16)
        for (int64_t i = 0; i < a->size; i += 16) {
            const N *from = v + j * a->v_token + i;
            N *at = laid + (((i / BLOCK * (width / PART) + j / PART) * 2) + i % BLOCK / 16) * TILE + j % PART * 16;
#ifdef FLOAT32
            store(at, 0xffff, load(from, j < keys ? 0xffff : 0));
#else
            __m512i paired = _mm512_set_epi16(
                31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
            __m256i none = _mm256_setzero_si256();
            __m256i one = j < keys ? _mm256_loadu_si256((const __m256i *)from) : none;
            __m256i other = j + 1 < keys ? _mm256_loadu_si256((const __m256i *)(from + a->v_token)) : none;
            __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(one), other, 1);
            _mm512_storeu_si512(at, _mm512_permutexvar_epi16(paired, both));
#endif
        }
}

/* What `attend_one` writes into, in bytes: keys, values, queries, what e makes of their scores, the scores, a block of what is made, and
   the blocks that are seen. */
static size_t space_for(int64_t keys, int64_t size) {
    int64_t width = PLUS(keys, BLOCK);
    size_t numbers = 2 * width * size + QUERIES * size + QUERIES * width;
    return PLUS(sizeof(N) * numbers + 4 * (QUERIES * width + QUERIES * BLOCK) + 8 * width, 64);
}

/* One head of one row. */
static void attend_one(const Attention *a, const Row *r, int64_t head, void *space) {
    int64_t d = a->size, width = PLUS(r->keys, BLOCK), parts = d / PART, of = head / a->shared;
    N *keys = space, *values = keys + width * d, *query = values + width * d, *likely = query + QUERIES * d;
    float *scores = (float *)(likely + QUERIES * width), *made = scores + QUERIES * width, by[QUERIES];
    int64_t *blocks = (int64_t *)(made + QUERIES * BLOCK);
    keys_laid(a, a->k + r->k * a->k_token + of * a->k_head, r->keys, width, keys);
    values_laid(a, a->v + r->k * a->v_token + of * a->v_head, r->keys, width, values);
    for (int64_t first = 0, here; first < r->queries; first += here) {
        int64_t left = r->queries - first, stride = a->q_token;
        const N *q = a->q + (r->q + first) * a->q_token + head * a->q_head;
#ifdef __AMX_BF16__
        here = LESS(QUERIES, left);
        if (here < QUERIES) {
            memset(query, 0, 2 * QUERIES * d);
            for (int64_t n = 0; n < here; n++) memcpy(query + n * d, q + n * stride, 2 * d);
            q = query, stride = d;
        }
#else
        here = left / (PLUS(left, QUERIES) / QUERIES); /* few rows take as long as many */
#endif
        int64_t count = blocks_seen(a, r, first, here, blocks);
        for (int64_t n = 0; n < count; n++) {
            const N *own = keys + blocks[n] / BLOCK * parts * 2 * TILE;
            multiplied(&(Product){q, stride, here, own, NULL, 1, parts, scores + n * BLOCK, width});
        }
        for (int64_t n = 0; n < here; n++)
            by[n] = softened(a, r, first + n, blocks, count, scores + n * width, likely + n * width);
        for (int64_t i = 0; i < d; i += BLOCK) {
            multiplied(&(Product){likely, width, here, values + i * width, blocks, count, DEEP, made, BLOCK});
            for (int64_t n = 0; n < here; n++) {
                N *at = a->out + (r->q + first + n) * a->out_token + head * a->out_head + i;
                for (int64_t half = 0; half < BLOCK; half += 16)
                    store(at + half, 0xffff, _mm512_mul_ps(_mm512_loadu_ps(made + n * BLOCK + half), _mm512_set1_ps(by[n])));
            }
        }
    }
}

#ifdef __AMX_BF16__
typedef struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} Tiles;

/* Tiles as products here take them; returns how they were laid out before. */
static Tiles begun(void) {
    Tiles before, ours = {.palette = 1};
    for (int i = 0; i < 8; i++) ours.bytes[i] = 64, ours.rows[i] = 16;
    _tile_storeconfig(&before);
    _tile_loadconfig(&ours);
    return before;
}

/* Whoever used tiles before finds them laid out as they were. */
static void ended(const Tiles *before) {
    if (before->palette) _tile_loadconfig(before);
    else _tile_release();
}
#endif

/* Whether this process may use what these were made for. */
int usable(void) {
#ifdef __AMX_BF16__
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0; /* the system is asked: ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
#else
    int wide = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#ifdef FLOAT32
    return wide;
#else
    unsigned a = 0, b, c, d; /* compilers that know the products need not know their name here */
    return wide && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
#endif
#endif
}

/* Each row sees itself alone. Returns 0 where there is no memory. */
int attend(const Attention *a, const Row *rows, int64_t count) {
    int64_t keys = 0, failed = 0;
    for (int64_t i = 0; i < count; i++) keys = rows[i].keys > keys ? rows[i].keys : keys;
#pragma omp parallel
    {
        void *space = aligned_alloc(64, space_for(keys, a->size));
#ifdef __AMX_BF16__
        Tiles before = begun();
#endif
        if (!space) {
#pragma omp atomic write
            failed = 1;
        }
#pragma omp for schedule(dynamic)
        for (int64_t unit = 0; unit < count * a->heads; unit++)
            if (space) attend_one(a, rows + unit / a->heads, unit % a->heads, space);
#ifdef __AMX_BF16__
        ended(&before);
#endif
        free(space);
    }
    return !failed;
}
