/* What stands between a model's products, in one pass over memory each: attention, the sum of two layers and its norm, GELU by tanh,
   and what is read off logits. For processors with AVX-512. Attention is in native_attention.h, what a model learns by in
   native_learning.h and native_learning_attention.h, and native_vectors.h has sixteen numbers at once.

   Made once for numbers (N) of bfloat16, whose products within attention go by tiles where the processor has AMX, else by AVX-512's
   own, and once for numbers of float32 (FLOAT32). All other arithmetic is float32's, in an order that neither the compiler nor the
   number of threads changes: vectors of 16 are spelled out, and nothing is contracted. */

#include "native_learning_attention.h"

/* The norm of each row of x, or of the sum of x and more: (rows, size); size: at most WIDEST */
void layer_norm(const N *x, const N *more, const N *weight, const N *bias, N *out, int64_t rows, int64_t size, float epsilon) {
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

INLINE void gelu_of(N *x, __mmask16 m) {
    V a = load(x, m), c = _mm512_set1_ps(-1.5957691216f);
    V u = _mm512_mul_ps(added(_mm512_mul_ps(a, a), _mm512_set1_ps(0.044715f * -1.5957691216f), c), a);
    V e = _mm512_add_ps(exponential(u), _mm512_set1_ps(1.0f));
    store(x, m, over(a, e));
}

/* GELU by tanh, in place: x over 1 + e^(-2 sqrt(2/pi) (x + 0.044715 x^3)). */
void gelu(N *x, int64_t count) {
#pragma omp parallel for schedule(static)
    for (int64_t start = 0; start < count; start += 4096) {
        int64_t end = start + 4096 < count ? start + 4096 : count, i = start;
        for (; i + 16 <= end; i += 16) gelu_of(x + i, 0xffff);
        if (i < end) gelu_of(x + i, FIRST(end - i));
    }
}

/* Of each row of logits, (rows, width), the greatest, its first place (-1: there is no number among them), and the sum of what e makes
   of how far all lie below it. */
void read_off(const N *logits, int64_t rows, int64_t width, float *tops, int64_t *firsts, float *sums) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const N *own = logits + row * width;
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
