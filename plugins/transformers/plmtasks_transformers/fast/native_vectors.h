/* Sixteen numbers at once, in the one order in which they are summed. */

#pragma once

#include <immintrin.h>
#include <math.h>
#include <stdint.h>

typedef __m512 V;
#ifdef FLOAT32
typedef float N;
#define PART 16 /* numbers of 64 bytes */
#else
typedef uint16_t N;
#define PART 32
#endif
#define INLINE static inline __attribute__((always_inline))
#define FIRST(n) ((__mmask16)((n) >= 16 ? 0xffff : (1u << (n)) - 1))

#define WIDEST 8192 /* numbers of a row whose norm is taken */
#define HIDDEN 0xfe00 /* the upper half of -4e37: as far down as this a mask hides */

/* Some processors take long to read and write under a mask: not where all 16 are meant. */
#ifdef FLOAT32
INLINE V load(const N *at, __mmask16 m) { return _mm512_maskz_loadu_ps(m, at); }

INLINE void store(N *at, __mmask16 m, V x) {
    if (m == 0xffff) _mm512_storeu_ps(at, x);
    else _mm512_mask_storeu_ps(at, m, x);
}

/* Which of 16 numbers a mask does not hide. */
INLINE __mmask16 shown(const N *mask, __mmask16 m) {
    return _mm512_mask_cmplt_epu32_mask(m, _mm512_maskz_loadu_epi32(m, mask), _mm512_set1_epi32((int)(HIDDEN * 65536u)));
}

INLINE V over(V a, V b) { return _mm512_div_ps(a, b); }
#else
INLINE V load(const N *at, __mmask16 m) {
    __m256i found = m == 0xffff ? _mm256_loadu_si256((const __m256i *)at) : _mm256_maskz_loadu_epi16(m, at);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(found), 16));
}

/* To the nearest bfloat16, ties to even. */
INLINE void store(N *at, __mmask16 m, V x) {
    __m256i made = (__m256i)_mm512_cvtneps_pbh(x);
    if (m == 0xffff) _mm256_storeu_si256((__m256i *)at, made);
    else _mm256_mask_storeu_epi16(at, m, made);
}

INLINE __mmask16 shown(const N *mask, __mmask16 m) {
    return _mm256_mask_cmplt_epu16_mask(m, _mm256_maskz_loadu_epi16(m, mask), _mm256_set1_epi16((short)HIDDEN));
}

/* To 14 bits, of which bfloat16 keeps 8. */
INLINE V over(V a, V b) { return _mm512_mul_ps(a, _mm512_rcp14_ps(b)); }
#endif

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
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}
