/* Attention of bare rows while a model learns, with dropout, and the way back. Inside, all numbers are float32. */

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

#define HIGH 12   /* rows that are multiplied together */
#define SOME 48   /* queries whose scores are held together */

/* Rows of numbers that lie `row` and `step` apart, times columns of rows `stride` apart. */
typedef struct {
    const float *left;
    int64_t row, step;
    const float *right;
    int64_t stride;
    float *out;
    int64_t out_stride;
    int64_t rows, deep, columns; /* columns: a multiple of 32 */
    int more;                    /* whether they are added to what is there */
} Block;

INLINE void some_rows(const Block *b, int64_t first, int64_t column, const int count) {
    V sums[HIGH][2];
    const float *left = b->left + first * b->row, *right = b->right + column;
    float *out = b->out + first * b->out_stride + column;
#pragma GCC unroll 12
    for (int i = 0; i < count; i++)
        for (int j = 0; j < 2; j++) sums[i][j] = b->more ? _mm512_loadu_ps(out + i * b->out_stride + j * 16) : _mm512_setzero_ps();
    for (int64_t k = 0; k < b->deep; k++) {
        V one = _mm512_loadu_ps(right + k * b->stride), other = _mm512_loadu_ps(right + k * b->stride + 16);
#pragma GCC unroll 12
        for (int i = 0; i < count; i++) {
            V number = _mm512_set1_ps(left[i * b->row + k * b->step]);
            sums[i][0] = added(number, one, sums[i][0]);
            sums[i][1] = added(number, other, sums[i][1]);
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

/* ── one head of one row ─────────────────────────────────────────────────────────────────────────────────────── */

/* Numbers of a head, of each token so many, `stride` apart. */
typedef struct {
    const N *from;
    int64_t stride;
    const float *bias; /* what is added to every token's; or none */
    float by;          /* what both are multiplied by */
    int64_t tokens, size;
} Head;

INLINE V of_token(const Head *h, int64_t token, int64_t i, V by, V more) {
    return added(load(h->from + token * h->stride + i, 0xffff), by, more);
}

/* They are laid one token after another, and across: as columns, (size, width), zeros behind the tokens. */
static void head_laid(const Head *h, float *laid, float *across) {
    int64_t tokens = h->tokens, size = h->size, width = PLUS(tokens, BLOCK);
    V by = _mm512_set1_ps(h->by);
    for (int64_t i = 0; i < size; i += 16) {
        V more = h->bias ? _mm512_mul_ps(_mm512_loadu_ps(h->bias + i), by) : _mm512_setzero_ps();
        for (int64_t j = 0; j < tokens && laid; j++) _mm512_storeu_ps(laid + j * size + i, of_token(h, j, i, by, more));
        for (int64_t j = 0; j < width && across; j += 16) {
            __m512i block[16];
            if (j + 16 <= tokens) {
#pragma GCC unroll 16
                for (int n = 0; n < 16; n++) block[n] = _mm512_castps_si512(of_token(h, j + n, i, by, more));
            } else {
                for (int n = 0; n < 16; n++)
                    block[n] = _mm512_castps_si512(j + n < tokens ? of_token(h, j + n, i, by, more) : _mm512_setzero_ps());
            }
            transposed(block);
#pragma GCC unroll 16
            for (int n = 0; n < 16; n++) _mm512_storeu_si512(across + (i + n) * width + j, block[n]);
        }
    }
}

static void head_stored(const float *from, float by, int64_t tokens, int64_t size, N *to, int64_t stride) {
    for (int64_t n = 0; n < tokens; n++)
        for (int64_t i = 0; i < size; i += 16)
            store(to + n * stride + i, 0xffff, _mm512_mul_ps(_mm512_loadu_ps(from + n * size + i), _mm512_set1_ps(by)));
}

INLINE uint32_t place_of(const Learned *a, int64_t query, int64_t head) { return (uint32_t)((query * a->heads + head) * a->width); }

/* A query's scores become its shares, of which some are dropped; returns the logarithm of their sum. */
INLINE float shares_of(const Learned *a, float *scores, int64_t keys, uint32_t place) {
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
    for (int64_t j = 0; j < keys; j += 16)
        _mm512_storeu_ps(scores + j, _mm512_mul_ps(_mm512_mul_ps(_mm512_loadu_ps(scores + j), by), kept(&a->dropout, place + (uint32_t)j)));
    return top + logf(whole);
}

/* Query, key and value of one head of one row. */
INLINE void heads_of(const Learned *a, const Row *r, int64_t head, Head of[3]) {
    int64_t own = head * a->size, whole = a->heads * a->size;
    of[0] = (Head){a->q + r->q * a->q_token + own, a->q_token, a->bias + own, a->scale, r->queries, a->size};
    of[1] = (Head){a->k + r->k * a->k_token + own, a->k_token, a->bias + whole + own, 1.0f, r->keys, a->size};
    of[2] = (Head){a->v + r->k * a->v_token + own, a->v_token, a->bias + 2 * whole + own, 1.0f, r->keys, a->size};
}

static void head_learned(const Learned *a, const Row *r, int64_t head, float *space) {
    int64_t d = a->size, width = PLUS(r->keys, BLOCK), token = a->heads * d;
    float *q = space, *keys = q + width * d, *values = keys + width * d, *scores = values + width * d, *made = scores + SOME * width;
    Head of[3];
    heads_of(a, r, head, of);
    head_laid(of, q, NULL);
    head_laid(of + 1, NULL, keys);
    head_laid(of + 2, values, NULL);
    for (int64_t first = 0; first < r->queries; first += SOME) {
        int64_t here = LESS(SOME, r->queries - first);
        block_multiplied(&(Block){q + first * d, d, 1, keys, width, scores, width, here, d, width, 0});
        for (int64_t i = 0, query = r->q + first; i < here; i++, query++)
            a->sums[query * a->heads + head] = shares_of(a, scores + i * width, r->keys, place_of(a, query, head));
        block_multiplied(&(Block){scores, width, 1, values, d, made, d, here, r->keys, d, 0});
        head_stored(made, 1.0f, here, d, a->seen + (r->q + first) * token + head * d, token);
    }
}

/* A query's scores become its shares, as they were dropped, and the gradient of the shares that of the scores. */
INLINE void shares_back(const Learned *a, float *scores, float *back, int64_t keys, float sum, uint32_t place) {
    V all = _mm512_setzero_ps();
    for (int64_t j = 0; j < keys; j += 16) {
        V share = exponential(_mm512_sub_ps(_mm512_loadu_ps(scores + j), _mm512_set1_ps(sum)));
        share = _mm512_maskz_mov_ps(FIRST(keys - j), share);
        V by = kept(&a->dropout, place + (uint32_t)j), g = _mm512_mul_ps(_mm512_loadu_ps(back + j), by);
        all = added(share, g, all);
        _mm512_storeu_ps(back + j, _mm512_mul_ps(share, g));
        _mm512_storeu_ps(scores + j, share);
    }
    V mean = _mm512_set1_ps(-over_all(all, 0));
    for (int64_t j = 0; j < keys; j += 16) {
        V share = _mm512_loadu_ps(scores + j);
        _mm512_storeu_ps(back + j, added(share, mean, _mm512_loadu_ps(back + j)));
        _mm512_storeu_ps(scores + j, _mm512_mul_ps(share, kept(&a->dropout, place + (uint32_t)j)));
    }
}

static void head_back(const Learned *a, const Row *r, int64_t head, float *space) {
    int64_t d = a->size, width = PLUS(r->keys, BLOCK), whole = width * d, token = a->heads * d, own = head * d;
    float *q = space, *keys = q + whole, *keys_across = keys + whole, *values_across = keys_across + whole, *seen = values_across + whole;
    float *keys_back = seen + whole, *values_back = keys_back + whole, *made = values_back + whole;
    float *scores = made + SOME * d, *back = scores + SOME * width;
    Head of[3];
    heads_of(a, r, head, of);
    head_laid(of, q, NULL);
    head_laid(of + 1, keys, keys_across);
    head_laid(of + 2, NULL, values_across);
    head_laid(&(Head){a->seen + r->q * token + own, token, NULL, 1.0f, r->queries, d}, seen, NULL);
    for (int64_t first = 0; first < r->queries; first += SOME) {
        int64_t here = LESS(SOME, r->queries - first), more = first > 0;
        const float *asked = q + first * d, *given = seen + first * d;
        block_multiplied(&(Block){asked, d, 1, keys_across, width, scores, width, here, d, width, 0});
        block_multiplied(&(Block){given, d, 1, values_across, width, back, width, here, d, width, 0});
        for (int64_t i = 0, query = r->q + first; i < here; i++, query++)
            shares_back(a, scores + i * width, back + i * width, r->keys, a->sums[query * a->heads + head], place_of(a, query, head));
        block_multiplied(&(Block){scores, 1, width, given, d, values_back, d, r->keys, here, d, more});
        block_multiplied(&(Block){back, 1, width, asked, d, keys_back, d, r->keys, here, d, more});
        block_multiplied(&(Block){back, width, 1, keys, d, made, d, here, r->keys, d, 0});
        head_stored(made, a->scale, here, d, a->q_back + (r->q + first) * a->q_token + own, a->q_token);
    }
    head_stored(keys_back, 1.0f, r->keys, d, a->k_back + r->k * a->k_token + own, a->k_token);
    head_stored(values_back, 1.0f, r->keys, d, a->v_back + r->k * a->v_token + own, a->v_token);
}

/* Each row sees itself alone; back: the other way. Returns 0 where there is no memory. */
int attention_learned(const Learned *a, const Row *rows, int64_t count, int back) {
    int64_t failed = 0, width = PLUS(a->width, BLOCK);
#pragma omp parallel
    {
        float *space = aligned_alloc(64, sizeof(float) * (7 * width * a->size + 2 * SOME * width + SOME * a->size));
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
