/* 3x3 convolutions of stride 1 with one pixel of zero padding, for small images in float32.
 *
 * Every product of the definition is computed and summed, in an order that depends on the shapes alone: what is
 * exactly zero stays exactly zero (Winograd's method, faster for large images, turns some zeros into rounding errors,
 * which a scale-free optimizer then magnifies). One thread, no allocation.
 *
 * Arrays are dense with the channels innermost: images (images, height, width, channels), weights
 * (outputs, 3, 3, inputs). Channels are multiples of LANES. Groups of images are copied into a scratch with their
 * padding, so that a window never leaves it and what is worked on stays in the cache.
 */

#include <stddef.h>
#include <string.h>

#define LANES 8
#define INLINE static inline __attribute__((always_inline)) /* with constants for V and P, which size the loops */

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int Bits __attribute__((vector_size(4 * LANES), may_alias));

/* How many sums are kept in registers: by P pixels (or outputs) and V vectors of channels. */
#ifdef __AVX512VL__
enum { PIXELS_OF_TWO = 8, OUTPUTS = 8 }; /* 32 registers */
#else
enum { PIXELS_OF_TWO = 6, OUTPUTS = 4 }; /* 16 */
#endif
enum { PIXELS_OF_ONE = 8, MOST = 8 };

/* Pixels that one group has at least, where there are as many. */
enum { GROUP_PIXELS = 256 };

typedef struct {
    int images, height, width, inputs, outputs;
} Shape;

static int group_of(const Shape *s) {
    const int group = GROUP_PIXELS / (s->height * s->width);
    return group < 1 ? 1 : group < s->images ? group : s->images;
}

static size_t padded_pixels(const Shape *s) { return (size_t)group_of(s) * (s->height + 2) * (s->width + 2); }

/* Floats that the functions below need as scratch: weights, padded inputs and outputs, an index of pixels. */
size_t conv3x3_scratch(const Shape *s) {
    return (size_t)9 * s->inputs * s->outputs + padded_pixels(s) * (s->inputs + s->outputs) +
           (size_t)group_of(s) * s->height * s->width;
}

/* The place in a padded group of the window's upper left pixel, for each pixel of the group. */
static void index_windows(const Shape *s, int *window) {
    for (int n = 0; n < group_of(s); n++)
        for (int i = 0; i < s->height; i++)
            for (int j = 0; j < s->width; j++) *window++ = (n * (s->height + 2) + i) * (s->width + 2) + j;
}

/* Copy images into the padded scratch, whose border stays zero. Where `y`, the output of a ReLU, is given, its gradient:
 * x where y > 0, also kept in `masked` if that is given. NaN passes, as in torch. */
static void pad(const Shape *s, int images, int channels, const float *x, const float *y, float *masked, float *padded) {
    const ptrdiff_t row = (ptrdiff_t)s->width * channels, wide = row + 2 * channels;
    for (int n = 0; n < images; n++)
        for (int i = 0; i < s->height; i++) {
            float *to = padded + ((ptrdiff_t)n * (s->height + 2) + i + 1) * wide + channels;
            const ptrdiff_t from = ((ptrdiff_t)n * s->height + i) * row;
            if (y == NULL) {
                memcpy(to, x + from, row * sizeof(float));
                continue;
            }
            for (ptrdiff_t e = 0; e < row; e++) to[e] = y[from + e] <= 0 ? 0 : x[from + e];
            if (masked != NULL) memcpy(masked + from, to, row * sizeof(float));
        }
}

/* Weights as a convolution reads them: input c of tap t at w + t * tap + c * input, outputs side by side. */
typedef struct {
    const float *w;
    ptrdiff_t tap, input;
} Weights;

/* V vectors of outputs at P pixels (at most `left`): y = [relu] (sum over taps and inputs + [residual]). */
INLINE void convolve_pixels(const int P, const int V, const int *window, int left, const float *padded, ptrdiff_t wide,
                            int inputs, Weights weights, const float *residual, int relu, float *y, int outputs) {
    const float *corner[MOST];
    Vector sum[MOST][2];
    for (int p = 0; p < P; p++) {
        corner[p] = padded + (ptrdiff_t)window[p < left ? p : 0] * inputs;
        for (int v = 0; v < V; v++) sum[p][v] = (Vector){0};
    }
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const float *w = weights.w + (3 * i + j) * weights.tap;
            const ptrdiff_t pixel = i * wide + (ptrdiff_t)j * inputs;
            for (int c = 0; c < inputs; c++) {
                Vector of_input[2];
                for (int v = 0; v < V; v++) of_input[v] = *(const Vector *)(w + c * weights.input + v * LANES);
#pragma GCC unroll 8
                for (int p = 0; p < P; p++)
#pragma GCC unroll 2
                    for (int v = 0; v < V; v++) sum[p][v] += corner[p][pixel + c] * of_input[v];
            }
        }
    for (int p = 0; p < P && p < left; p++)
        for (int v = 0; v < V; v++) {
            const ptrdiff_t place = (ptrdiff_t)p * outputs + v * LANES;
            Vector out = sum[p][v];
            if (residual != NULL) out += *(const Vector *)(residual + place);
            if (relu) out = (Vector)((Bits)out & ~(out < 0));
            *(Vector *)(y + place) = out;
        }
}

INLINE void convolve_all(const int P, const int V, const int *window, int pixels, const float *padded, ptrdiff_t wide,
                         int inputs, Weights weights, const float *residual, int relu, float *y, int outputs) {
    for (int k = 0; k < outputs; k += V * LANES, weights.w += V * LANES)
        for (int p = 0; p < pixels; p += P) {
            const ptrdiff_t place = (ptrdiff_t)p * outputs + k;
            convolve_pixels(P, V, window + p, pixels - p, padded, wide, inputs, weights,
                            residual == NULL ? NULL : residual + place, relu, y + place, outputs);
        }
}

static void convolve(const int *window, int pixels, const float *padded, ptrdiff_t wide, int inputs, Weights weights,
                     const float *residual, int relu, float *y, int outputs) {
    if (outputs % (2 * LANES) == 0)
        convolve_all(PIXELS_OF_TWO, 2, window, pixels, padded, wide, inputs, weights, residual, relu, y, outputs);
    else
        convolve_all(PIXELS_OF_ONE, 1, window, pixels, padded, wide, inputs, weights, residual, relu, y, outputs);
}

/* dw += for each tap, the products of the gradient at a pixel and the input under that tap, summed over pixels. */
INLINE void correlate_all(const int V, const int *window, int pixels, const float *x, ptrdiff_t wide, int inputs,
                          const float *dy, ptrdiff_t centre, int outputs, float *dw) {
    for (int k = 0; k < outputs; k += OUTPUTS)
        for (int tap = 0; tap < 9; tap++)
            for (int c = 0; c < inputs; c += V * LANES) {
                const float *under = x + tap / 3 * wide + (ptrdiff_t)(tap % 3) * inputs + c, *gradient = dy + centre + k;
                const ptrdiff_t row = (ptrdiff_t)9 * inputs;
                float *to = dw + k * row + (ptrdiff_t)tap * inputs + c;
                Vector sum[MOST][2];
                for (int r = 0; r < OUTPUTS; r++)
                    for (int v = 0; v < V; v++) sum[r][v] = *(const Vector *)(to + r * row + v * LANES);
                for (int p = 0; p < pixels; p++) {
                    const float *of_input = under + (ptrdiff_t)window[p] * inputs;
                    const float *of_output = gradient + (ptrdiff_t)window[p] * outputs;
#pragma GCC unroll 8
                    for (int r = 0; r < OUTPUTS; r++)
#pragma GCC unroll 2
                        for (int v = 0; v < V; v++)
                            sum[r][v] += of_output[r] * *(const Vector *)(of_input + v * LANES);
                }
                for (int r = 0; r < OUTPUTS; r++)
                    for (int v = 0; v < V; v++) *(Vector *)(to + r * row + v * LANES) = sum[r][v];
            }
}

static void correlate(const int *window, int pixels, const float *x, ptrdiff_t wide, int inputs, const float *dy,
                      ptrdiff_t centre, int outputs, float *dw) {
    if (inputs % (2 * LANES) == 0)
        correlate_all(2, window, pixels, x, wide, inputs, dy, centre, outputs, dw);
    else
        correlate_all(1, window, pixels, x, wide, inputs, dy, centre, outputs, dw);
}

/* y = [relu] (conv(x, w) + [residual]); `residual` may be NULL. */
void conv3x3_forward(const Shape *s, const float *x, const float *w, const float *residual, int relu, float *y,
                     float *scratch) {
    const int group = group_of(s), inputs = s->inputs, outputs = s->outputs;
    const ptrdiff_t size = (ptrdiff_t)s->height * s->width, wide = (ptrdiff_t)(s->width + 2) * inputs;
    float *turned = scratch, *padded = turned + (size_t)9 * inputs * outputs;
    int *window = (int *)(padded + padded_pixels(s) * inputs);

    for (int k = 0; k < outputs; k++)
        for (int tap = 0; tap < 9; tap++)
            for (int c = 0; c < inputs; c++)
                turned[((size_t)tap * inputs + c) * outputs + k] = w[((size_t)k * 9 + tap) * inputs + c];
    const Weights weights = {turned, (ptrdiff_t)inputs * outputs, outputs};

    memset(padded, 0, padded_pixels(s) * inputs * sizeof(float));
    index_windows(s, window);
    for (int n = 0; n < s->images; n += group) {
        const int images = s->images - n < group ? s->images - n : group;
        pad(s, images, inputs, x + n * size * inputs, NULL, NULL, padded);
        convolve(window, images * (int)size, padded, wide, inputs, weights,
                 residual == NULL ? NULL : residual + n * size * outputs, relu, y + n * size * outputs, outputs);
    }
}

/* The gradients dx (may be NULL), dw and, where there was a residual behind a ReLU, dr (else NULL) from dy.
 * `y` is what conv3x3_forward made, given if that ended in a ReLU. */
void conv3x3_backward(const Shape *s, const float *x, const float *w, const float *y, const float *dy, float *dx,
                      float *dw, float *dr, float *scratch) {
    const int group = group_of(s), inputs = s->inputs, outputs = s->outputs;
    const ptrdiff_t size = (ptrdiff_t)s->height * s->width;
    const ptrdiff_t wide_in = (ptrdiff_t)(s->width + 2) * inputs, wide_out = (ptrdiff_t)(s->width + 2) * outputs;
    float *gradient = scratch, *padded = gradient + padded_pixels(s) * outputs;
    int *window = (int *)(padded + padded_pixels(s) * inputs);
    /* dx is dy convolved with the taps in reverse order, inputs and outputs having changed places. */
    const Weights reversed = {w + (ptrdiff_t)8 * inputs, -(ptrdiff_t)inputs, (ptrdiff_t)9 * inputs};

    memset(gradient, 0, padded_pixels(s) * (inputs + outputs) * sizeof(float));
    memset(dw, 0, (size_t)9 * inputs * outputs * sizeof(float));
    index_windows(s, window);
    for (int n = 0; n < s->images; n += group) {
        const int images = s->images - n < group ? s->images - n : group, pixels = images * (int)size;
        const ptrdiff_t to = n * size * outputs, from = n * size * inputs;
        pad(s, images, outputs, dy + to, y == NULL ? NULL : y + to, dr == NULL ? NULL : dr + to, gradient);
        pad(s, images, inputs, x + from, NULL, NULL, padded);
        correlate(window, pixels, padded, wide_in, inputs, gradient, wide_out + outputs, outputs, dw);
        if (dx != NULL) convolve(window, pixels, gradient, wide_out, outputs, reversed, NULL, 0, dx + from, inputs);
    }
}
