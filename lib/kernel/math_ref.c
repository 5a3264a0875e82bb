/* SPDX-License-Identifier: Apache-2.0 */
/* Elementary functions of our own. A C library's exp, log, sin and pow differ from the next
 * one's in the last bits, and a logit must not: these use only +, -, *, / and fused multiply-add,
 * which IEEE 754 rounds one way. Coefficients are minimax (Remez) on the reduced range. */
#include "kernel/exp_ref.h"
#include "kernel/kernel.h"

float ssi_expf(float x)
{
    return ssi_exp_ref(x);
}

/* x = 2^e * (1 + f), 1 + f in [sqrt(1/2), sqrt(2)); log(1 + f) = f - f^2 / 2 + f^3 * P(f). */
float ssi_logf(float x)
{
    if (!(x > 0.0f))
        return x == 0.0f ? -INFINITY : NAN;
    if (x == INFINITY)
        return x;
    int32_t exponent = 0;
    if (x < 0x1p-126f) { /* denormal */
        x *= 0x1p+24f;
        exponent = -24;
    }
    const uint32_t root_half = 0x3f3504f3u; /* sqrt(1/2) */
    uint32_t offset = ssi_bits_from_float(x) - root_half + (128u << 23);
    exponent += (int32_t)(offset >> 23) - 128;
    float f = ssi_float_from_bits((offset & 0x7fffffu) + root_half) - 1.0f, e = (float)exponent;
    float p = fmaf(0x1.1457c4p-4f, f, -0x1.de3c1cp-4f);
    p = fmaf(p, f, 0x1.e6f062p-4f);
    p = fmaf(p, f, -0x1.fc2206p-4f);
    p = fmaf(p, f, 0x1.233768p-3f);
    p = fmaf(p, f, -0x1.555c4ep-3f);
    p = fmaf(p, f, 0x1.99a4b6p-3f);
    p = fmaf(p, f, -0x1.000006p-2f);
    p = fmaf(p, f, 0x1.555548p-2f);
    float square = f * f;
    float tail = fmaf(p, square * f, e * SSI_EXP_LN2_LOW);
    tail = fmaf(-0.5f, square, tail);
    return fmaf(e, SSI_EXP_LN2_HIGH, f + tail);
}

/* angle - n * pi/2 with pi/2 in 106 bits, then polynomials on |r| <= pi/4, all in binary64: the
 * float results are correctly rounded but for one case in millions. |angle| < 2^50. */
void ssi_sincosf(double angle, float *sine, float *cosine)
{
    double rounded = fma(angle, 0x1.45f306dc9c883p-1, 0x1.8p+52), n = rounded - 0x1.8p+52;
    double r = fma(n, -0x1.921fb54442d18p+0, angle);
    r = fma(n, -0x1.1a62633145c07p-54, r);
    double y = r * r;
    double s = fma(-0x1.a966d6084a86ap-26, y, 0x1.71d77cda5e794p-19);
    s = fma(s, y, -0x1.a019f95a5a138p-13);
    s = fma(s, y, 0x1.1111110ca25bcp-7);
    s = fma(s, y, -0x1.55555555523f7p-3);
    s = fma(s * y, r, r);
    double c = fma(0x1.1bc79c1866012p-29, y, -0x1.27e02a0d6b5fp-22);
    c = fma(c, y, 0x1.a019faa9542c6p-16);
    c = fma(c, y, -0x1.6c16c1676ab7p-10);
    c = fma(c, y, 0x1.555555555310ap-5);
    c = fma(c, y, -0.5);
    c = fma(c, y, 1.0);
    uint64_t quadrant; /* n modulo 4: the low bits of the shifted sum */
    memcpy(&quadrant, &rounded, sizeof quadrant);
    double turned_sine = quadrant & 1 ? c : s, turned_cosine = quadrant & 1 ? s : c;
    *sine = (float)(quadrant & 2 ? -turned_sine : turned_sine);
    *cosine = (float)((quadrant + 1) & 2 ? -turned_cosine : turned_cosine);
}

/* log(base) as high + low, about 2^-60 relative: atanh's series in s = (m - 1) / (m + 1). */
static void log_in_two(double base, double *high, double *low)
{
    const double ln2_high = 0x1.62e42p-1; /* 21 bits: e * it is exact */
    const double ln2_low = 0x1.fdf473de6af28p-22;
    uint64_t bits;
    memcpy(&bits, &base, sizeof bits);
    const uint64_t root_half = 0x3fe6a09e667f3bcdu; /* sqrt(1/2) */
    uint64_t offset = bits - root_half + ((uint64_t)1024 << 52), fraction;
    double e = (double)((int64_t)(offset >> 52) - 1024), m;
    fraction = (offset & 0xfffffffffffffu) + root_half;
    memcpy(&m, &fraction, sizeof m);

    double below = m + 1.0, below_low = m - (below - 1.0), s = (m - 1.0) / below;
    double s_low = (fma(-s, below, m - 1.0) - s * below_low) / below;
    double square = s * s, series = 0.0;
    for (int k = 25; k >= 3; k -= 2) /* s <= 0.1716: s^26 / 27 < 2^-70 */
        series = fma(series, square, 1.0 / k);
    series = fma(2.0 * s * square, series, 2.0 * s_low);

    double whole = e * ln2_high, sum = whole + 2.0 * s; /* whole is exact; |whole| > |2s| or 0 */
    double rest = e == 0.0 ? 0.0 : 2.0 * s - (sum - whole);
    rest += fma(e, ln2_low, series);
    *high = sum + rest;
    *low = rest - (*high - sum);
}

/* base finite and at least 2^-1022. Within 1 ulp; 0 below e^-708.3, infinite from e^709.7. */
double ssi_pow(double base, double exponent)
{
    double high, low;
    log_in_two(base, &high, &low);
    double x = exponent * high, x_low = fma(exponent, high, -x) + exponent * low;
    if (!(x < 709.7))
        return x == x ? INFINITY : x;
    if (x < -708.3)
        return 0.0;
    double rounded = fma(x, 0x1.71547652b82fep+0, 0x1.8p+52), n = rounded - 0x1.8p+52;
    double r = fma(n, -0x1.62e42p-1, x) + fma(n, -0x1.fdf473de6af28p-22, x_low);
    double p = 1.0;
    for (int k = 14; k >= 1; k--) /* r^15 / 15! < 2^-62 for |r| <= ln 2 / 2 */
        p = fma(p * (1.0 / k), r, 1.0);
    uint64_t bits, shift;
    memcpy(&bits, &p, sizeof bits);
    memcpy(&shift, &rounded, sizeof shift);
    bits += shift << 52;
    memcpy(&p, &bits, sizeof p);
    return p;
}
