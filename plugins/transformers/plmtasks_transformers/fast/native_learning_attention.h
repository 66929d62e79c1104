/* Attention of bare rows while a model learns, with dropout, and the way back. */

#include "native_attention.h"
#include "native_learning.h"

typedef struct {
    const N *q, *k, *v;                /* of each token (heads, size); */
    const float *bias;                 /* what is added to those of every token, (3, heads, size); */
    N *seen;                           /* what is made of them, (queries, heads, size), on the way back its gradient; */
    N *q_back, *k_back, *v_back;       /* and on the way back the gradients of all three */
    int64_t q_token, k_token, v_token; /* how far a token is from the next, there and back */
    float *sums;                       /* (queries, heads): the logarithm of the sum of what e makes of a query's scores */
    int64_t heads, size;               /* size: a multiple of 32 */
    int64_t width;                     /* keys of the longest row, which has no more queries */
    float scale;
    Dropout dropout; /* of a query's shares */
} Learned;

/* ── products ────────────────────────────────────────────────────────────────────────────────────────────────── */

#define HIGH 12            /* rows that are multiplied together */
#define SOME 48            /* queries whose scores are held together */
#define PAIR (PART / 16)   /* numbers of a word, which are multiplied together: one, or two of bfloat16 */
#define WORDS(n) (((n) + PAIR - 1) / PAIR)

/* Rows of words that lie `row` and `step` apart, times columns of rows `stride` apart. */
typedef struct {
    const void *left;
    int64_t row, step;
    const void *right;
    int64_t stride;
    float *out;
    int64_t out_stride;
    int64_t rows, deep, columns; /* columns: a multiple of 32 */
    int more;                    /* whether they are added to what is there */
} Block;

INLINE void some_rows(const Block *b, int64_t first, int64_t column, const int count) {
    V sums[HIGH][2];
    const Word *left = (const Word *)b->left + first * b->row, *right = (const Word *)b->right + column;
    float *out = b->out + first * b->out_stride + column;
#pragma GCC unroll 12
    for (int i = 0; i < count; i++)
        for (int j = 0; j < 2; j++) sums[i][j] = b->more ? _mm512_loadu_ps(out + i * b->out_stride + j * 16) : _mm512_setzero_ps();
    for (int64_t k = 0; k < b->deep; k++) {
        V one = _mm512_loadu_ps(right + k * b->stride), other = _mm512_loadu_ps(right + k * b->stride + 16);
#pragma GCC unroll 12
        for (int i = 0; i < count; i++) {
            V word = _mm512_set1_ps(left[i * b->row + k * b->step]);
            sums[i][0] = further(sums[i][0], word, one);
            sums[i][1] = further(sums[i][1], word, other);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < count; i++)
        for (int j = 0; j < 2; j++) _mm512_storeu_ps(out + i * b->out_stride + j * 16, sums[i][j]);
}

static void block_multiplied(const Block *b) {
    for (int64_t first = 0, here; first < b->rows; first += here) {
        int64_t left = b->rows - first;
        here = left / (PLUS(left, HIGH) / HIGH); /* few rows take as long as many */
        for (int64_t column = 0; column < b->columns; column += 32) switch (here) {
#define AT(n) \
    case n: some_rows(b, first, column, n); break;
                AT(1) AT(2) AT(3) AT(4) AT(5) AT(6) AT(7) AT(8) AT(9) AT(10) AT(11) AT(12)
            }
    }
}

/* Rows as what others are multiplied by: words of one number, or of two below one another, (WORDS(count), columns). */
static const void *paired(const N *rows, int64_t count, int64_t columns, N *space) {
#ifdef FLOAT32
    return (void)count, (void)columns, (void)space, rows;
#else
    for (int64_t k = 0; k < count; k += 2)
        for (int64_t i = 0; i < columns; i += 16) {
            const N *from = rows + k * columns + i;
            __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)), high = _mm512_setzero_si512();
            if (k + 1 < count) high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(from + columns)));
            _mm512_storeu_si512(space + k * columns + 2 * i, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
    return space;
#endif
}

/* ── one head of one row ─────────────────────────────────────────────────────────────────────────────────────── */

/* Numbers of a head, of each token so many, `stride` apart. */
typedef struct {
    const N *from;
    int64_t stride;
    const float *bias; /* what is added to every token's; or none */
    float by;          /* what both are multiplied by */
    int64_t tokens, size;
} Head;

INLINE V of_token(const Head *h, int64_t token, int64_t i) {
    V x = load(h->from + token * h->stride + i, 0xffff);
    if (h->bias) x = _mm512_add_ps(x, _mm512_loadu_ps(h->bias + i));
    return _mm512_mul_ps(x, _mm512_set1_ps(h->by));
}

/* Sixteen words of a token, zeros behind the last. */
INLINE __m512i words_of(const Head *h, int64_t token, int64_t i) {
    if (token >= h->tokens) return _mm512_setzero_si512();
#ifdef FLOAT32
    return _mm512_castps_si512(of_token(h, token, i));
#else
    return (__m512i)_mm512_cvtne2ps_pbh(of_token(h, token, i + 16), of_token(h, token, i));
#endif
}

/* One token after another, (tokens, size). */
static void head_laid(const Head *h, N *laid) {
    for (int64_t j = 0; j < h->tokens; j++)
        for (int64_t i = 0; i < h->size; i += 16) store(laid + j * h->size + i, 0xffff, of_token(h, j, i));
}

/* As columns of words, (WORDS(size), width). */
static void head_across(const Head *h, N *laid) {
    int64_t width = PLUS(h->tokens, BLOCK);
    for (int64_t i = 0; i < h->size; i += PART)
        for (int64_t j = 0; j < width; j += 16) {
            __m512i block[16];
#pragma GCC unroll 16
            for (int n = 0; n < 16; n++) block[n] = words_of(h, j + n, i);
            transposed(block);
#pragma GCC unroll 16
            for (int n = 0; n < 16; n++) _mm512_storeu_si512(laid + ((i / PAIR + n) * width + j) * PAIR, block[n]);
        }
}

static void head_stored(const float *from, float by, int64_t tokens, int64_t size, N *to, int64_t stride) {
    for (int64_t n = 0; n < tokens; n++)
        for (int64_t i = 0; i < size; i += 16)
            store(to + n * stride + i, 0xffff, _mm512_mul_ps(_mm512_loadu_ps(from + n * size + i), _mm512_set1_ps(by)));
}

/* What is written into for a head of a row. */
typedef struct {
    float *scores, *back, *made, *keys_back, *values_back;
    N *queries, *keys, *values, *seen, *keys_across, *values_across, *queries_paired, *keys_paired, *seen_paired;
    N *shares, *shares_back, *shares_paired, *back_paired;
} Space;

static size_t space_for_learning(int64_t width, int64_t size) {
    return sizeof(float) * (2 * SOME * width + SOME * size + 2 * width * size) + sizeof(N) * (9 * width * size + 4 * SOME * width);
}

static Space space_laid(void *space, int64_t width, int64_t size) {
    Space s = {.scores = space};
    s.back = s.scores + SOME * width;
    s.made = s.back + SOME * width;
    s.keys_back = s.made + SOME * size;
    s.values_back = s.keys_back + width * size;
    N **each = &s.queries, *at = (N *)(s.values_back + width * size);
    for (int i = 0; i < 9; i++, at += width * size) each[i] = at;
    for (int i = 9; i < 13; i++, at += SOME * width) each[i] = at;
    return s;
}

INLINE uint32_t place_of(const Learned *a, int64_t query, int64_t head) { return (uint32_t)((query * a->heads + head) * a->width); }

/* What is made of a query's scores: its shares, of which some are dropped; returns the logarithm of their sum. */
INLINE float shares_of(const Learned *a, float *scores, int64_t keys, uint32_t place, N *shares) {
    V most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (int64_t j = 0; j < keys; j += 16) most = _mm512_mask_max_ps(most, FIRST(keys - j), most, _mm512_loadu_ps(scores + j));
    float top = over_all(most, 1);
    for (int64_t j = 0; j < keys; j += 16) {
        V e = exponential(_mm512_sub_ps(_mm512_loadu_ps(scores + j), _mm512_set1_ps(top)));
        e = _mm512_maskz_mov_ps(FIRST(keys - j), e);
        _mm512_storeu_ps(scores + j, e);
        sum = _mm512_add_ps(sum, e);
    }
    float whole = over_all(sum, 0);
    V by = _mm512_set1_ps(1.0f / whole);
    for (int64_t j = 0; j < keys; j += 16) {
        V share = _mm512_mul_ps(_mm512_loadu_ps(scores + j), by);
        store(shares + j, 0xffff, _mm512_mul_ps(share, kept(&a->dropout, place + (uint32_t)j)));
    }
    return top + logf(whole);
}

/* Query, key and value of one head of one row. */
INLINE void heads_of(const Learned *a, const Row *r, int64_t head, Head of[3]) {
    int64_t own = head * a->size, whole = a->heads * a->size;
    of[0] = (Head){a->q + r->q * a->q_token + own, a->q_token, a->bias + own, a->scale, r->queries, a->size};
    of[1] = (Head){a->k + r->k * a->k_token + own, a->k_token, a->bias + whole + own, 1.0f, r->keys, a->size};
    of[2] = (Head){a->v + r->k * a->v_token + own, a->v_token, a->bias + 2 * whole + own, 1.0f, r->keys, a->size};
}

static void head_learned(const Learned *a, const Row *r, int64_t head, void *space) {
    int64_t d = a->size, keys = r->keys, width = PLUS(keys, BLOCK), token = a->heads * d;
    Space s = space_laid(space, width, d);
    Head of[3];
    heads_of(a, r, head, of);
    head_laid(of, s.queries);
    head_across(of + 1, s.keys_across);
    head_laid(of + 2, s.values);
    const void *values = paired(s.values, keys, d, s.keys_paired);
    for (int64_t first = 0; first < r->queries; first += SOME) {
        int64_t here = LESS(SOME, r->queries - first);
        block_multiplied(&(Block){s.queries + first * d, WORDS(d), 1, s.keys_across, width, s.scores, width, here, WORDS(d), width, 0});
        for (int64_t i = 0, query = r->q + first; i < here; i++, query++)
            a->sums[query * a->heads + head] = shares_of(a, s.scores + i * width, keys, place_of(a, query, head), s.shares + i * width);
        block_multiplied(&(Block){s.shares, WORDS(width), 1, values, d, s.made, d, here, WORDS(keys), d, 0});
        head_stored(s.made, 1.0f, here, d, a->seen + (r->q + first) * token + head * d, token);
    }
}

/* From a query's scores its shares, as they were dropped, and from the gradient of the shares that of the scores. */
INLINE void shares_back(const Learned *a, const Space *s, int64_t row, int64_t keys, float sum, uint32_t place) {
    float *scores = s->scores + row, *back = s->back + row;
    V all = _mm512_setzero_ps();
    for (int64_t j = 0; j < keys; j += 16) {
        V share = exponential(_mm512_sub_ps(_mm512_loadu_ps(scores + j), _mm512_set1_ps(sum)));
        share = _mm512_maskz_mov_ps(FIRST(keys - j), share);
        V by = kept(&a->dropout, place + (uint32_t)j), g = _mm512_mul_ps(share, _mm512_mul_ps(_mm512_loadu_ps(back + j), by));
        all = _mm512_add_ps(all, g);
        _mm512_storeu_ps(back + j, g);
        _mm512_storeu_ps(scores + j, share);
        store(s->shares + row + j, 0xffff, _mm512_mul_ps(share, by));
    }
    V mean = _mm512_set1_ps(-over_all(all, 0));
    for (int64_t j = 0; j < keys; j += 16)
        store(s->shares_back + row + j, 0xffff, added(_mm512_loadu_ps(scores + j), mean, _mm512_loadu_ps(back + j)));
}

static void head_back(const Learned *a, const Row *r, int64_t head, void *space) {
    int64_t d = a->size, keys = r->keys, width = PLUS(keys, BLOCK), token = a->heads * d, own = head * d, deep = WORDS(d);
    Space s = space_laid(space, width, d);
    Head of[3];
    heads_of(a, r, head, of);
    head_laid(of, s.queries);
    head_laid(of + 1, s.keys);
    head_across(of + 1, s.keys_across);
    head_across(of + 2, s.values_across);
    head_laid(&(Head){a->seen + r->q * token + own, token, NULL, 1.0f, r->queries, d}, s.seen);
    const void *keys_paired = paired(s.keys, keys, d, s.keys_paired);
    for (int64_t first = 0; first < r->queries; first += SOME) {
        int64_t here = LESS(SOME, r->queries - first), words = WORDS(here), more = first > 0;
        const N *asked = s.queries + first * d, *given = s.seen + first * d;
        block_multiplied(&(Block){asked, deep, 1, s.keys_across, width, s.scores, width, here, deep, width, 0});
        block_multiplied(&(Block){given, deep, 1, s.values_across, width, s.back, width, here, deep, width, 0});
        for (int64_t i = 0, query = r->q + first; i < here; i++, query++)
            shares_back(a, &s, i * width, keys, a->sums[query * a->heads + head], place_of(a, query, head));
        const void *shares = paired(s.shares, here, width, s.shares_paired), *back = paired(s.shares_back, here, width, s.back_paired);
        const void *asked_paired = paired(asked, here, d, s.queries_paired), *given_paired = paired(given, here, d, s.seen_paired);
        block_multiplied(&(Block){shares, 1, width, given_paired, d, s.values_back, d, keys, words, d, more});
        block_multiplied(&(Block){back, 1, width, asked_paired, d, s.keys_back, d, keys, words, d, more});
        block_multiplied(&(Block){s.shares_back, WORDS(width), 1, keys_paired, d, s.made, d, here, WORDS(keys), d, 0});
        head_stored(s.made, a->scale, here, d, a->q_back + (r->q + first) * a->q_token + own, a->q_token);
    }
    head_stored(s.keys_back, 1.0f, keys, d, a->k_back + r->k * a->k_token + own, a->k_token);
    head_stored(s.values_back, 1.0f, keys, d, a->v_back + r->k * a->v_token + own, a->v_token);
}

/* Each row sees itself alone; back: the other way. Returns 0 where there is no memory. */
int attention_learned(const Learned *a, const Row *rows, int64_t count, int back) {
    int64_t failed = 0, width = PLUS(a->width, BLOCK);
#pragma omp parallel
    {
        void *space = aligned_alloc(64, space_for_learning(width, a->size));
        if (!space) {
#pragma omp atomic write
            failed = 1;
        }
#pragma omp for schedule(dynamic)
        for (int64_t unit = 0; unit < count * a->heads; unit++)
            if (space) (back ? head_back : head_learned)(a, rows + unit / a->heads, unit % a->heads, space);
        free(space);
    }
    return !failed;
}
