/* What a model learns by, between its products and on the way back through them: dropout, the norm of a sum, GELU, sums of columns. */

#include "native_vectors.h"

/* Which numbers are dropped: by two words that are drawn once a call, and the place of a number alone, so that the way back knows them
   again and nothing is kept. */
typedef struct {
    uint32_t first, second;
    uint32_t below; /* a number whose bits are less is dropped; 0: none is */
    float by;       /* what the others are multiplied by */
} Dropout;

/* What sixteen numbers from a place on are multiplied by. The bits are mixed by shifts and odd factors (Wellons' lowbias32), with the
   second word between, so that no two calls drop the same some places apart. */
INLINE V kept(const Dropout *d, uint32_t place) {
    if (!d->below) return _mm512_set1_ps(1.0f);
    __m512i x = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    x = _mm512_add_epi32(x, _mm512_set1_epi32((int)(place + d->first)));
    x = _mm512_xor_epi32(x, _mm512_srli_epi32(x, 16));
    x = _mm512_mullo_epi32(x, _mm512_set1_epi32(0x7feb352d));
    x = _mm512_xor_epi32(x, _mm512_set1_epi32((int)d->second));
    x = _mm512_xor_epi32(x, _mm512_srli_epi32(x, 15));
    x = _mm512_mullo_epi32(x, _mm512_set1_epi32((int)0x846ca68b));
    x = _mm512_xor_epi32(x, _mm512_srli_epi32(x, 16));
    return _mm512_maskz_mov_ps(_mm512_cmpge_epu32_mask(x, _mm512_set1_epi32((int)d->below)), _mm512_set1_ps(d->by));
}

void dropped(const N *x, N *out, int64_t count, const Dropout *d) {
#pragma omp parallel for schedule(static)
    for (int64_t start = 0; start < count; start += 4096)
        for (int64_t i = start; i < count && i < start + 4096; i += 16)
            store(out + i, FIRST(count - i), _mm512_mul_ps(load(x + i, FIRST(count - i)), kept(d, (uint32_t)i)));
}

/* ── sums of columns ─────────────────────────────────────────────────────────────────────────────────────────── */

#define TOGETHER 32 /* rows whose columns are summed by one thread: any number of threads sums in the same order */
#define PARTS(rows) (((rows) + TOGETHER - 1) / TOGETHER)

INLINE void onto(float *at, __mmask16 m, V x) { _mm512_mask_storeu_ps(at, m, _mm512_add_ps(_mm512_maskz_loadu_ps(m, at), x)); }

/* Of sums of parts, (parts, size), the first becomes the sum of all. */
static void put_together(float *sums, int64_t parts, int64_t size) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < size; i += 16) {
        __mmask16 m = FIRST(size - i);
        V sum = _mm512_maskz_loadu_ps(m, sums + i);
        for (int64_t part = 1; part < parts; part++) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(m, sums + part * size + i));
        _mm512_mask_storeu_ps(sums + i, m, sum);
    }
}

/* sums: zeros, (parts, size) */
void columns_summed(const N *x, int64_t rows, int64_t size, float *sums) {
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < PARTS(rows); part++)
        for (int64_t row = part * TOGETHER; row < rows && row < (part + 1) * TOGETHER; row++)
            for (int64_t i = 0; i < size; i += 16) onto(sums + part * size + i, FIRST(size - i), load(x + row * size + i, FIRST(size - i)));
    put_together(sums, PARTS(rows), size);
}

/* ── the norm of a sum ───────────────────────────────────────────────────────────────────────────────────────── */

typedef struct {
    const float *before; /* what is added to every row of the first of both */
    const float *weight, *bias;
    int64_t rows, size; /* size: at most WIDEST */
    float epsilon;
    Dropout dropout; /* of the first of both */
} Norm;

/* The norm of each row of the sum of x, of which some is dropped, and more.
   apart: how far each number lies from its row's mean, times by, one over the deviation: what the way back needs */
void norm_learned(const Norm *n, const N *x, const N *more, N *out, N *apart, float *by) {
    int64_t size = n->size;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < n->rows; row++) {
        float space[WIDEST + 16];
        V sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
        for (int64_t i = 0, at = row * size; i < size; i += 16) {
            __mmask16 m = FIRST(size - i);
            V s = _mm512_add_ps(load(x + at + i, m), _mm512_maskz_loadu_ps(m, n->before + i));
            if (n->dropout.below) s = _mm512_mul_ps(s, kept(&n->dropout, (uint32_t)(at + i)));
            s = _mm512_add_ps(s, load(more + at + i, m));
            _mm512_storeu_ps(space + i, s);
            sum = _mm512_add_ps(sum, s);
        }
        V mean = _mm512_set1_ps(over_all(sum, 0) / (float)size);
        for (int64_t i = 0; i < size; i += 16) {
            V off = _mm512_maskz_sub_ps(FIRST(size - i), _mm512_loadu_ps(space + i), mean);
            squares = added(off, off, squares);
        }
        by[row] = 1.0f / sqrtf(over_all(squares, 0) / (float)size + n->epsilon);
        for (int64_t i = 0, at = row * size; i < size; i += 16) {
            __mmask16 m = FIRST(size - i);
            V off = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(space + i), mean), _mm512_set1_ps(by[row]));
            store(apart + at + i, m, off);
            store(out + at + i, m, added(off, _mm512_maskz_loadu_ps(m, n->weight + i), _mm512_maskz_loadu_ps(m, n->bias + i)));
        }
    }
}

/* From the gradient of the norm that of both it was a sum of, and in the first rows of the sums those of weight, bias and what was
   before.
   x_back: none where nothing was dropped, and both are the same; sums: zeros, 3 times (parts, size) */
void norm_back(const Norm *n, const N *back, const N *apart, const float *by, N *more_back, N *x_back, float *sums) {
    int64_t size = n->size, parts = PARTS(n->rows);
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < parts; part++) {
        float *weight = sums + part * size, *bias = weight + parts * size, *first = bias + parts * size;
        for (int64_t row = part * TOGETHER; row < n->rows && row < (part + 1) * TOGETHER; row++) {
            const N *own = back + row * size, *off = apart + row * size;
            V sum = _mm512_setzero_ps(), along = _mm512_setzero_ps();
            for (int64_t i = 0; i < size; i += 16) {
                __mmask16 m = FIRST(size - i);
                V g = _mm512_mul_ps(load(own + i, m), _mm512_maskz_loadu_ps(m, n->weight + i));
                sum = _mm512_add_ps(sum, g);
                along = added(g, load(off + i, m), along);
            }
            V mean = _mm512_set1_ps(over_all(sum, 0) / (float)size), slope = _mm512_set1_ps(over_all(along, 0) / (float)size);
            for (int64_t i = 0, at = row * size; i < size; i += 16) {
                __mmask16 m = FIRST(size - i);
                V dy = load(own + i, m), o = load(off + i, m);
                V g = _mm512_sub_ps(_mm512_mul_ps(dy, _mm512_maskz_loadu_ps(m, n->weight + i)), mean);
                g = _mm512_mul_ps(_mm512_sub_ps(g, _mm512_mul_ps(o, slope)), _mm512_set1_ps(by[row]));
                store(more_back + at + i, m, g);
                onto(weight + i, m, _mm512_mul_ps(dy, o));
                onto(bias + i, m, dy);
                if (x_back) {
                    g = _mm512_mul_ps(g, kept(&n->dropout, (uint32_t)(at + i)));
                    store(x_back + at + i, m, g);
                }
                onto(first + i, m, g);
            }
        }
    }
    for (int i = 0; i < 3; i++) put_together(sums + i * parts * size, parts, size);
}

/* ── activation ──────────────────────────────────────────────────────────────────────────────────────────────── */

/* What GELU multiplies a number by, and its slope there: the normal distribution below it, to 2e-7 (Abramowitz and Stegun, 7.1.26), or
   what tanh makes of it. */
INLINE V share_of(V x, int by_tanh, V *slope) {
    V one = _mm512_set1_ps(1.0f);
    if (by_tanh) {
        V c = _mm512_set1_ps(1.5957691216f), cube = _mm512_mul_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(1.5957691216f * 0.044715f));
        V share = over(one, _mm512_add_ps(one, exponential(_mm512_mul_ps(_mm512_sub_ps(_mm512_setzero_ps(), x), _mm512_add_ps(c, cube)))));
        V steep = _mm512_mul_ps(added(_mm512_set1_ps(3.0f), cube, c), _mm512_mul_ps(x, _mm512_sub_ps(one, share)));
        *slope = added(share, steep, share);
        return share;
    }
    V z = _mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(0.70710678f));
    V t = over(one, added(z, _mm512_set1_ps(0.3275911f), one));
    V e = exponential(_mm512_mul_ps(x, _mm512_mul_ps(x, _mm512_set1_ps(-0.5f))));
    V p = added(_mm512_set1_ps(1.061405429f), t, _mm512_set1_ps(-1.453152027f));
    p = added(p, t, _mm512_set1_ps(1.421413741f));
    p = added(p, t, _mm512_set1_ps(-0.284496736f));
    p = added(p, t, _mm512_set1_ps(0.254829592f));
    V beyond = _mm512_mul_ps(_mm512_mul_ps(_mm512_mul_ps(p, t), e), _mm512_set1_ps(0.5f));
    V share = _mm512_mask_sub_ps(beyond, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NLT_UQ), one, beyond);
    *slope = added(_mm512_mul_ps(x, e), _mm512_set1_ps(0.39894228f), share);
    return share;
}

/* GELU of x and what is added to each of its rows; x becomes the slope there, which is all that the way back needs. */
void gelu_learned(N *x, const float *bias, N *out, int64_t rows, int64_t size, int by_tanh) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0, at = row * size; i < size; i += 16) {
            __mmask16 m = FIRST(size - i);
            V slope, a = _mm512_add_ps(load(x + at + i, m), _mm512_maskz_loadu_ps(m, bias + i));
            store(out + at + i, m, _mm512_mul_ps(a, share_of(a, by_tanh, &slope)));
            store(x + at + i, m, slope);
        }
}

/* The gradient of GELU becomes that of x; in the first row of the sums those of its columns. sums: zeros, (parts, size) */
void gelu_back(N *back, const N *slope, int64_t rows, int64_t size, float *sums) {
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < PARTS(rows); part++)
        for (int64_t row = part * TOGETHER; row < rows && row < (part + 1) * TOGETHER; row++)
            for (int64_t i = 0, at = row * size; i < size; i += 16) {
                __mmask16 m = FIRST(size - i);
                V g = _mm512_mul_ps(load(back + at + i, m), load(slope + at + i, m));
                store(back + at + i, m, g);
                onto(sums + part * size + i, m, g);
            }
    put_together(sums, PARTS(rows), size);
}
