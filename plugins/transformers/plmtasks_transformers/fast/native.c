/* What stands between a model's products in bfloat16, in one pass over memory each: attention, the sum of two layers and its norm,
   GELU by tanh, and what is read off logits. For processors with AMX.

   All arithmetic is float32's but for products of tiles, in an order that neither the compiler nor the number of threads changes:
   vectors of 16 are spelled out, and nothing is contracted. Numbers are bfloat16 unless said otherwise. */

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef __m512 V;
#define INLINE static inline __attribute__((always_inline))
#define FIRST(n) ((__mmask16)((n) >= 16 ? 0xffff : (1u << (n)) - 1))

/* ── sixteen numbers ─────────────────────────────────────────────────────────────────────────────────────────── */

INLINE V widened(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }

/* To the nearest bfloat16, ties to even. */
INLINE __m256i narrowed(V x) { return (__m256i)_mm512_cvtneps_pbh(x); }

INLINE V load(const uint16_t *at, __mmask16 m) { return widened(_mm256_maskz_loadu_epi16(m, at)); }

INLINE void store(uint16_t *at, __mmask16 m, V x) { _mm256_mask_storeu_epi16(at, m, narrowed(x)); }

INLINE V added(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }

/* e to the x, to about 2e-7 relative: 2^n times a polynomial of the rest (Cephes' coefficients). Nothing below e^-87, where a
   processor would slow down; what is no number stays none. */
INLINE V exponential(V x) {
    V least = _mm512_set1_ps(-87.0f);
    __mmask16 there = _mm512_cmp_ps_mask(x, least, _CMP_NLT_UQ);
    x = _mm512_max_ps(least, _mm512_min_ps(_mm512_set1_ps(88.0f), x)); /* the second where one of them is no number */
    V n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    V r = added(n, _mm512_set1_ps(-0.693359375f), x);
    r = added(n, _mm512_set1_ps(2.12194440e-4f), r);
    V p = _mm512_set1_ps(1.9875691500e-4f);
    p = added(p, r, _mm512_set1_ps(1.3981999507e-3f));
    p = added(p, r, _mm512_set1_ps(8.3334519073e-3f));
    p = added(p, r, _mm512_set1_ps(4.1665795894e-2f));
    p = added(p, r, _mm512_set1_ps(1.6666665459e-1f));
    p = added(p, r, _mm512_set1_ps(5.0000001201e-1f));
    p = added(_mm512_mul_ps(p, r), r, _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
    return _mm512_maskz_scalef_ps(there, p, n);
}

/* The sum of all, or the greatest: halves are put together, in an order of ours. */
INLINE float over_all(V x, int greatest) {
    V y = _mm512_shuffle_f32x4(x, x, 0x4e);
    x = greatest ? _mm512_max_ps(x, y) : _mm512_add_ps(x, y);
    y = _mm512_shuffle_f32x4(x, x, 0xb1);
    x = greatest ? _mm512_max_ps(x, y) : _mm512_add_ps(x, y);
    y = _mm512_permute_ps(x, 0x4e);
    x = greatest ? _mm512_max_ps(x, y) : _mm512_add_ps(x, y);
    y = _mm512_permute_ps(x, 0xb1);
    return _mm512_cvtss_f32(greatest ? _mm512_max_ps(x, y) : _mm512_add_ps(x, y));
}

/* Rows become columns. */
INLINE void transposed(__m512i r[16]) {
    __m512i t[16];
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

/* ── attention ───────────────────────────────────────────────────────────────────────────────────────────────── */

/* Where query, key, value and what is made of them lie: how far a token is from the next, and a head from the next. */
typedef struct {
    const uint16_t *q, *k, *v;
    uint16_t *out;
    int64_t q_token, q_head, k_token, k_head, v_token, v_head, out_token, out_head;
    const uint16_t *mask; /* added to the scores, a row a query, of one row alone; or none */
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

#define BLOCK 32      /* keys that are looked at together */
#define QUERIES 16    /* queries that are */
#define HIDDEN 0xfe00 /* as far down as this, -4e37, a mask hides */
#define PLUS(x, n) (((x) + (n) - 1) / (n) * (n))

/* How many keys of a block, of which the query sees so many and those before, are seen. */
INLINE __mmask16 seen_of(int64_t seen) { return seen <= 0 ? 0 : FIRST(seen); }

/* Which blocks of keys any of some queries sees; returns how many. */
static int64_t blocks_seen(const Attention *a, const Row *r, int64_t first, int64_t queries, int64_t *blocks) {
    int64_t count = 0, keys = a->causal ? first + queries + r->keys - r->queries : r->keys;
    for (int64_t j = 0; j < keys; j += BLOCK) {
        __mmask32 any = !a->mask, there = keys - j >= BLOCK ? 0xffffffff : (1u << (keys - j)) - 1;
        for (int64_t n = first; n < first + queries && !any; n++) {
            __m512i x = _mm512_maskz_loadu_epi16(there, a->mask + n * a->mask_row + j);
            any = _mm512_mask_cmplt_epu16_mask(there, x, _mm512_set1_epi16((short)HIDDEN));
        }
        if (any) blocks[count++] = j;
    }
    return count;
}

/* Scores of one query become what e makes of them, in `made`; returns one over their sum. */
INLINE float softened(const Attention *a, const Row *r, int64_t query, const int64_t *blocks, int64_t count, float *scores,
                      uint16_t *made) {
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
        _mm256_storeu_si256((__m256i *)(made + j), narrowed(e));
    }
    return 1.0f / over_all(sum, 0);
}

typedef struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} Tiles;

/* Keys as tiles: pairs of a key's numbers below one another, 16 keys beside one another. */
static void keys_laid(const Attention *a, const uint16_t *k, int64_t keys, int64_t width, uint16_t *laid) {
    int64_t parts = a->size / 32;
    for (int64_t j = 0; j < width; j += 16)
        for (int64_t b = 0; b < parts; b++) {
            __m512i block[16];
            for (int64_t n = 0; n < 16; n++)
                block[n] = j + n < keys ? _mm512_loadu_si512(k + (j + n) * a->k_token + b * 32) : _mm512_setzero_si512();
            transposed(block);
            for (int64_t n = 0; n < 16; n++) _mm512_storeu_si512(laid + (j / 16 * parts + b) * 512 + n * 32, block[n]);
        }
}

/* Values as tiles: the same number of two keys beside one another, 16 pairs of keys below one another. */
static void values_laid(const Attention *a, const uint16_t *v, int64_t keys, int64_t width, uint16_t *laid) {
    __m512i paired = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __m256i none = _mm256_setzero_si256();
    for (int64_t j = 0; j < width; j += 2)
        for (int64_t i = 0; i < a->size; i += 16) {
            const uint16_t *at = v + j * a->v_token + i;
            __m256i one = j < keys ? _mm256_loadu_si256((const __m256i *)at) : none;
            __m256i other = j + 1 < keys ? _mm256_loadu_si256((const __m256i *)(at + a->v_token)) : none;
            __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(one), other, 1);
            _mm512_storeu_si512(
                laid + (j / 32 * (a->size / 16) + i / 16) * 512 + j % 32 / 2 * 32, _mm512_permutexvar_epi16(paired, both));
        }
}

/* What `attend_one` writes into, in bytes: keys, values, 16 queries, what e makes of their scores, the scores, two tiles of what is
   made, and the blocks that are seen. */
static size_t space_for(int64_t keys, int64_t size) {
    int64_t width = PLUS(keys, BLOCK);
    return PLUS(2 * (2 * width * size + QUERIES * size + QUERIES * width) + 4 * (QUERIES * width + QUERIES * 32) + 8 * width, 64);
}

/* One head of one row. */
static void attend_one(const Attention *a, const Row *r, int64_t head, void *space) {
    int64_t d = a->size, width = PLUS(r->keys, BLOCK), parts = d / 32, of = head / a->shared;
    uint16_t *keys = space, *values = keys + width * d, *query = values + width * d, *likely = query + QUERIES * d;
    float *scores = (float *)(likely + QUERIES * width), *made = scores + QUERIES * width, over[QUERIES];
    int64_t *blocks = (int64_t *)(made + QUERIES * 32);
    keys_laid(a, a->k + r->k * a->k_token + of * a->k_head, r->keys, width, keys);
    values_laid(a, a->v + r->k * a->v_token + of * a->v_head, r->keys, width, values);
    for (int64_t first = 0; first < r->queries; first += QUERIES) {
        int64_t here = r->queries - first < QUERIES ? r->queries - first : QUERIES, stride = a->q_token;
        int64_t count = blocks_seen(a, r, first, here, blocks);
        const uint16_t *q = a->q + (r->q + first) * a->q_token + head * a->q_head;
        if (here < QUERIES) { /* a tile reads 16 rows */
            memset(query, 0, 2 * QUERIES * d);
            for (int64_t n = 0; n < here; n++) memcpy(query + n * d, q + n * stride, 2 * d);
            q = query, stride = d;
        }
        for (int64_t n = 0; n < count; n++) {
            const uint16_t *own = keys + blocks[n] / 16 * parts * 512;
            _tile_zero(0);
            _tile_zero(1);
            for (int64_t b = 0; b < parts; b++) {
                _tile_loadd(2, q + b * 32, stride * 2);
                _tile_loadd(3, own + b * 512, 64);
                _tile_loadd(4, own + (parts + b) * 512, 64);
                _tile_dpbf16ps(0, 2, 3);
                _tile_dpbf16ps(1, 2, 4);
            }
            _tile_stored(0, scores + n * BLOCK, width * 4);
            _tile_stored(1, scores + n * BLOCK + 16, width * 4);
        }
        for (int64_t n = 0; n < here; n++)
            over[n] = softened(a, r, first + n, blocks, count, scores + n * width, likely + n * width);
        for (int64_t i = 0; i < d; i += 32) {
            _tile_zero(0);
            _tile_zero(1);
            for (int64_t n = 0; n < count; n++) {
                const uint16_t *own = values + (blocks[n] / 32 * (d / 16) + i / 16) * 512;
                _tile_loadd(2, likely + n * BLOCK, width * 2);
                _tile_loadd(3, own, 64);
                _tile_loadd(4, own + 512, 64);
                _tile_dpbf16ps(0, 2, 3);
                _tile_dpbf16ps(1, 2, 4);
            }
            _tile_stored(0, made, 128);
            _tile_stored(1, made + 16, 128);
            for (int64_t n = 0; n < here; n++) {
                uint16_t *at = a->out + (r->q + first + n) * a->out_token + head * a->out_head + i;
                V by = _mm512_set1_ps(over[n]);
                store(at, 0xffff, _mm512_mul_ps(_mm512_loadu_ps(made + n * 32), by));
                store(at + 16, 0xffff, _mm512_mul_ps(_mm512_loadu_ps(made + n * 32 + 16), by));
            }
        }
    }
}

/* Whether this process may use tiles: asked of the system. */
int has_tiles(void) { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; } /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */

/* Each row sees itself alone. Returns 0 where there is no memory. */
int attend(const Attention *a, const Row *rows, int64_t count) {
    int64_t keys = 0, failed = 0;
    for (int64_t i = 0; i < count; i++) keys = rows[i].keys > keys ? rows[i].keys : keys;
#pragma omp parallel
    {
        void *space = aligned_alloc(64, space_for(keys, a->size));
        Tiles before, ours = {.palette = 1};
        for (int i = 0; i < 8; i++) ours.bytes[i] = 64, ours.rows[i] = 16;
        _tile_storeconfig(&before);
        _tile_loadconfig(&ours);
        if (!space) {
#pragma omp atomic write
            failed = 1;
        }
#pragma omp for schedule(dynamic)
        for (int64_t unit = 0; unit < count * a->heads; unit++)
            if (space) attend_one(a, rows + unit / a->heads, unit % a->heads, space);
        /* whoever used tiles before finds them laid out as they were */
        if (before.palette) _tile_loadconfig(&before);
        else _tile_release();
        free(space);
    }
    return !failed;
}

/* ── element by element ──────────────────────────────────────────────────────────────────────────────────────── */

/* The norm of each row of x, or of the sum of x and more: (rows, size); size: at most WIDEST */
#define WIDEST 8192
void layer_norm(const uint16_t *x, const uint16_t *more, const uint16_t *weight, const uint16_t *bias, uint16_t *out, int64_t rows,
                int64_t size, float epsilon) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        float space[WIDEST + 16];
        V sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
        for (int64_t i = 0; i < size; i += 16) {
            __mmask16 m = FIRST(size - i);
            V s = load(x + row * size + i, m);
            if (more) s = _mm512_add_ps(s, load(more + row * size + i, m));
            _mm512_storeu_ps(space + i, s);
            sum = _mm512_add_ps(sum, s);
        }
        V mean = _mm512_set1_ps(over_all(sum, 0) / (float)size);
        for (int64_t i = 0; i < size; i += 16) {
            V apart = _mm512_maskz_sub_ps(FIRST(size - i), _mm512_loadu_ps(space + i), mean);
            squares = added(apart, apart, squares);
        }
        V by = _mm512_set1_ps(1.0f / sqrtf(over_all(squares, 0) / (float)size + epsilon));
        for (int64_t i = 0; i < size; i += 16) {
            __mmask16 m = FIRST(size - i);
            V made = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(space + i), mean), by);
            store(out + row * size + i, m, added(made, load(weight + i, m), load(bias + i, m)));
        }
    }
}

INLINE void gelu_of(uint16_t *x, __mmask16 m) {
    V a = load(x, m), c = _mm512_set1_ps(-1.5957691216f);
    V u = _mm512_mul_ps(added(_mm512_mul_ps(a, a), _mm512_set1_ps(0.044715f * -1.5957691216f), c), a);
    V e = _mm512_add_ps(exponential(u), _mm512_set1_ps(1.0f));
    /* to 14 bits, of which bfloat16 keeps 8 */
    store(x, m, _mm512_mul_ps(a, _mm512_rcp14_ps(e)));
}

/* GELU by tanh, in place: x over 1 + e^(-2 sqrt(2/pi) (x + 0.044715 x^3)). */
void gelu(uint16_t *x, int64_t count) {
#pragma omp parallel for schedule(static)
    for (int64_t start = 0; start < count; start += 4096) {
        int64_t end = start + 4096 < count ? start + 4096 : count, i = start;
        for (; i + 16 <= end; i += 16) gelu_of(x + i, 0xffff);
        if (i < end) gelu_of(x + i, FIRST(end - i));
    }
}

/* Of each row of logits, (rows, width), the greatest, its first place (-1: there is no number among them), and the sum of what e makes
   of how far all lie below it. */
void read_off(const uint16_t *logits, int64_t rows, int64_t width, float *tops, int64_t *firsts, float *sums) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const uint16_t *own = logits + row * width;
        V most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
        int64_t first = -1;
        for (int64_t j = 0; j < width; j += 16) {
            __mmask16 m = FIRST(width - j);
            most = _mm512_mask_max_ps(most, m, most, load(own + j, m));
        }
        V top = _mm512_set1_ps(over_all(most, 1));
        for (int64_t j = 0; j < width; j += 16) {
            __mmask16 m = FIRST(width - j);
            V x = load(own + j, m);
            __mmask16 equal = _mm512_mask_cmp_ps_mask(m, x, top, _CMP_EQ_OQ);
            if (first < 0 && equal) first = j + __builtin_ctz(equal);
            sum = _mm512_mask_add_ps(sum, m, sum, exponential(_mm512_sub_ps(x, top)));
        }
        tops[row] = _mm512_cvtss_f32(top);
        firsts[row] = first;
        sums[row] = over_all(sum, 0);
    }
}
