// A stage of a ResNet without BatchNorm on a GPU, float32: one strided 3x3 convolution and a row of residual blocks.
//
//     h <- relu(conv(image, w0))                                 first_*: any way, it is little work
//     x <- relu(conv(relu(conv(x, a)), b) + x)  block by block   row_*: all layers in one launch
//
// Where the first convolution has stride 2, it is half of a block, and the row begins with that block's other half:
// x <- relu(conv(h, b) + the option-A shortcut of the image). So a row of an odd number of layers begins that way.
//
// A thread block keeps IMAGES images in shared memory from layer to layer and reads a layer's weights from there, so
// that global memory sees each layer's output once and its weights once a thread block. A sum of products with zeros
// alone is exactly zero. No result depends on the order in which threads run.
//
// Tensors are contiguous: images (batch, channels, height, width), weights (out, in, 3, 3). Defined before this text:
// CHANNELS, HEIGHT, WIDTH, IMAGES of the row; INPUTS, STRIDE of the first convolution, whose images are STRIDE times as
// high and wide. residual.py knows what they may be. tests/training/fast/native/emulation.h stands for a GPU.

#define OUTS 4  // channels and
#define ACROSS (WIDTH % 4 == 0 ? 4 : WIDTH % 2 == 0 ? 2 : 1)  // neighbouring pixels that a thread computes at once
#define SIDE (WIDTH / ACROSS)
#define PATCHES (HEIGHT * SIDE)  // in a plane
#define THREADS (IMAGES * PATCHES * (CHANNELS / OUTS))
// A plane in shared memory: a row of zeros, then its rows, a zero before and at least one after each. The row of zeros
// below the last one is the next plane's. Planes are an odd number of float4s apart: their banks differ.
#define ROW ((WIDTH + 2 + 3) / 4 * 4)
#define ROWS ((HEIGHT + 1) * ROW)
#define PLANE (ROWS / 4 % 2 ? ROWS : ROWS + 4)
#define IMAGE (CHANNELS * PLANE + 4)
#define BUFFER (IMAGES * IMAGE + ROW)
#define TAPS (CHANNELS * 9)
#define STRIP (CHANNELS + 4)  // floats between two taps' weights in shared memory
#define WEIGHTS (CHANNELS * TAPS)
// The gradient of a weight: a unit is an input channel and GROUP output channels. LANES neighbouring threads share a
// unit's pixels; where threads are left over, SLICES of them share all.
#define GROUP 8
#define UNITS (CHANNELS * CHANNELS / GROUP)
#define SHARE (THREADS / UNITS)
#define LANES (SHARE > 32 ? 32 : SHARE > 1 ? SHARE : 1)
#define SLICES (SHARE > 32 ? SHARE / 32 : 1)

extern __shared__ float4 memory[];

// Where a thread's patch of OUTS planes lies.
struct Patch {
    int image, channel, y, x;  // the image within the thread block
    bool real;                 // the last thread block may have fewer images than places
    size_t at;                 // in a tensor, of the first plane
};

__device__ __forceinline__ Patch own_patch(int batch) {
    Patch patch;
    const int thread = threadIdx.x;
    const int place = thread % PATCHES;
    patch.y = place / SIDE;
    patch.x = place % SIDE * ACROSS;
    patch.image = thread / PATCHES % IMAGES;
    patch.channel = thread / (PATCHES * IMAGES) * OUTS;
    const int image = blockIdx.x * IMAGES + patch.image;
    patch.real = image < batch;
    patch.at = (((size_t)image * CHANNELS + patch.channel) * HEIGHT + patch.y) * WIDTH + patch.x;
    return patch;
}

__device__ __forceinline__ void read(float (&values)[OUTS][ACROSS], const float* tensor, const Patch& patch) {
#pragma unroll
    for (int c = 0; c < OUTS; ++c) {
        const float* from = tensor + patch.at + c * (HEIGHT * WIDTH);
        if (!patch.real) {
#pragma unroll
            for (int i = 0; i < ACROSS; ++i) values[c][i] = 0;
        } else if constexpr (ACROSS == 4) {
            const float4 four = *(const float4*)from;
            values[c][0] = four.x, values[c][1] = four.y, values[c][2] = four.z, values[c][3] = four.w;
        } else {
#pragma unroll
            for (int i = 0; i < ACROSS; ++i) values[c][i] = from[i];
        }
    }
}

__device__ __forceinline__ void write(float* tensor, const float (&values)[OUTS][ACROSS], const Patch& patch) {
    if (!patch.real) return;
#pragma unroll
    for (int c = 0; c < OUTS; ++c) {
        float* to = tensor + patch.at + c * (HEIGHT * WIDTH);
        if constexpr (ACROSS == 4) {
            *(float4*)to = make_float4(values[c][0], values[c][1], values[c][2], values[c][3]);
        } else {
#pragma unroll
            for (int i = 0; i < ACROSS; ++i) to[i] = values[c][i];
        }
    }
}

// A thread's own pixel in a buffer of shared memory.
__device__ __forceinline__ float* own(float* buffer, const Patch& patch, int c, int i) {
    return buffer + patch.image * IMAGE + (patch.channel + c) * PLANE + (patch.y + 1) * ROW + 1 + patch.x + i;
}

__device__ __forceinline__ void put(float* buffer, const float (&values)[OUTS][ACROSS], const Patch& patch) {
#pragma unroll
    for (int c = 0; c < OUTS; ++c)
#pragma unroll
        for (int i = 0; i < ACROSS; ++i) *own(buffer, patch, c, i) = values[c][i];
}

// Not a number stays what it is, as in torch's relu and its gradient.
__device__ __forceinline__ float relu(float x) { return x <= 0 ? 0 : x; }
__device__ __forceinline__ float passed(float gradient, float y) { return y <= 0 ? 0 : gradient; }

// Pixels x - 1 to x + ACROSS of a row.
__device__ __forceinline__ void window(float (&pixels)[ACROSS + 2], const float* from) {
    if constexpr (ACROSS == 4) {
        const float4 four = *(const float4*)from;
        const float2 two = *(const float2*)(from + 4);
        pixels[0] = four.x, pixels[1] = four.y, pixels[2] = four.z, pixels[3] = four.w;
        pixels[4] = two.x, pixels[5] = two.y;
    } else {
#pragma unroll
        for (int i = 0; i < ACROSS + 2; ++i) pixels[i] = from[i];
    }
}

__device__ __forceinline__ void clear(float* buffers, int floats) {
    for (int i = threadIdx.x; i < floats / 4; i += THREADS) ((float4*)buffers)[i] = make_float4(0, 0, 0, 0);
}

// A layer's weights as `convolve` wants them, (in, tap, out); reversed, those of the gradient by the layer's input.
__device__ __forceinline__ void copy_weights(float* to, const float* __restrict__ from, bool reversed) {
    const int batch = 6;
    for (int first = threadIdx.x; first < WEIGHTS / 4; first += batch * THREADS) {
        float4 fours[batch];
#pragma unroll
        for (int i = 0; i < batch; ++i)
            if (first + i * THREADS < WEIGHTS / 4) fours[i] = ((const float4*)from)[first + i * THREADS];
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            const int at = 4 * (first + i * THREADS);
            if (at >= WEIGHTS) break;
            const int out = at / TAPS, tap = at % TAPS;
            const float four[4] = {fours[i].x, fours[i].y, fours[i].z, fours[i].w};
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const int in = (tap + j) / 9, place = (tap + j) % 9;
                to[reversed ? (out * 9 + 8 - place) * STRIP + in : (tap + j) * STRIP + out] = four[j];
            }
        }
    }
}

// The thread's patch of a convolution of the images in `from`.
__device__ __forceinline__ void convolve(
    float (&sums)[OUTS][ACROSS], const float* from, const float* weights, const Patch& patch) {
    const float* corner = from + patch.image * IMAGE + patch.y * ROW + patch.x;
    const float* strip = weights + patch.channel;
#pragma unroll
    for (int c = 0; c < OUTS; ++c)
#pragma unroll
        for (int i = 0; i < ACROSS; ++i) sums[c][i] = 0;
#pragma unroll 2
    for (int in = 0; in < CHANNELS; ++in) {
        float pixels[3][ACROSS + 2];
#pragma unroll
        for (int y = 0; y < 3; ++y) window(pixels[y], corner + in * PLANE + y * ROW);
#pragma unroll
        for (int tap = 0; tap < 9; ++tap) {
            const float4 w = *(const float4*)(strip + (in * 9 + tap) * STRIP);
#pragma unroll
            for (int i = 0; i < ACROSS; ++i) {
                const float pixel = pixels[tap / 3][tap % 3 + i];
                sums[0][i] += w.x * pixel;
                sums[1][i] += w.y * pixel;
                sums[2][i] += w.z * pixel;
                sums[3][i] += w.w * pixel;
            }
        }
    }
}

// `half` sums go to the neighbour whose number differs in `bit`, as many come from there.
template <int half>
__device__ __forceinline__ void exchange(float* sums, int lane, int bit) {
    const bool upper = lane & bit;
#pragma unroll
    for (int i = 0; i < half; ++i) {
        const float mine = upper ? sums[half + i] : sums[i];
        const float theirs = upper ? sums[i] : sums[half + i];
        sums[i] = mine + __shfl_xor_sync(0xffffffffu, theirs, bit);
    }
}

// The part of a weight's gradient (out, in, 3, 3) that these images have: sums over the pixels of x and of the gradient
// of the layer's sums. `to` is this thread block's row in a table of parts, the next slice's lies `next` floats on.
__device__ __forceinline__ void correlate(float* to, size_t next, const float* x, const float* gradient) {
    const int lane = threadIdx.x % LANES;
    const int slice = SHARE > 32 ? threadIdx.x / (LANES * UNITS) : 0;
    for (int unit = SHARE > 32 ? threadIdx.x / LANES % UNITS : threadIdx.x / LANES; unit < UNITS;
         unit += SHARE > 0 ? UNITS : THREADS) {
        const int in = unit % CHANNELS, group = unit / CHANNELS * GROUP;
        float sums[GROUP * 9];
#pragma unroll
        for (int i = 0; i < GROUP * 9; ++i) sums[i] = 0;
#pragma unroll 1
        for (int place = slice * LANES + lane; place < IMAGES * PATCHES; place += SLICES * LANES) {
            const int at = place / PATCHES * IMAGE + place % PATCHES / SIDE * ROW + place % SIDE * ACROSS;
            float pixels[3][ACROSS + 2];
#pragma unroll
            for (int y = 0; y < 3; ++y) window(pixels[y], x + at + in * PLANE + y * ROW);
#pragma unroll
            for (int out = 0; out < GROUP; ++out) {
                float g[ACROSS + 2];
                window(g, gradient + at + (group + out) * PLANE + ROW);
#pragma unroll
                for (int tap = 0; tap < 9; ++tap)
#pragma unroll
                    for (int i = 0; i < ACROSS; ++i)
                        sums[out * 9 + tap] += g[1 + i] * pixels[tap / 3][tap % 3 + i];
            }
        }
        int count = GROUP * 9, begin = 0;
        if constexpr (LANES >= 2) exchange<36>(sums, lane, 1), count = 36, begin = lane & 1 ? 36 : 0;
        if constexpr (LANES >= 4) exchange<18>(sums, lane, 2), count = 18, begin += lane & 2 ? 18 : 0;
        if constexpr (LANES >= 8) exchange<9>(sums, lane, 4), count = 9, begin += lane & 4 ? 9 : 0;
#pragma unroll
        for (int bit = 8; bit < LANES; bit *= 2)
#pragma unroll
            for (int i = 0; i < 9; ++i) sums[i] += __shfl_xor_sync(0xffffffffu, sums[i], bit);
        if (lane >= 8) continue;
        float* part = to + slice * next + (size_t)group * TAPS + in * 9;
#pragma unroll
        for (int i = 0; i < GROUP * 9; ++i)
            if (i < count) part[(begin + i) / 9 * TAPS + (begin + i) % 9] = sums[i];
    }
}

// The row's layers on `input`, x or h. Layer l's output goes to made + l * stride; with stride 0 only the last one's
// stays. `image` is what the shortcut takes, read only if the number of layers is odd.
extern "C" __global__ void __launch_bounds__(THREADS, THREADS > 128 ? 1 : 3) row_forward(
    const float* input, const float* image, const float* weights, float* made, int stride, int batch, int layers) {
    float* const block = (float*)memory;  // a block's input, later its output: each thread its own pixels
    float* const inner = block + BUFFER;  // between its two layers
    float* const layer_weights = inner + BUFFER;
    const Patch patch = own_patch(batch);
    float values[OUTS][ACROSS];
    clear(block, 2 * BUFFER);
    __syncthreads();
    read(values, input, patch);
    if (layers % 2) {
        put(inner, values, patch);
        const int before = (CHANNELS - INPUTS) / 2;
        const int number = blockIdx.x * IMAGES + patch.image;
#pragma unroll
        for (int c = 0; c < OUTS; ++c) {
            const int channel = patch.channel + c - before;
            const bool is_there = patch.real && channel >= 0 && channel < INPUTS;
            const float* from = image + (((size_t)number * INPUTS + channel) * (HEIGHT * STRIDE) + patch.y * STRIDE) *
                                            (WIDTH * STRIDE) + patch.x * STRIDE;
#pragma unroll
            for (int i = 0; i < ACROSS; ++i) *own(block, patch, c, i) = is_there ? from[i * STRIDE] : 0;
        }
    } else {
        put(block, values, patch);
    }
    for (int layer = 0; layer < layers; ++layer) {
        const bool second = (layers - layer) % 2;
        copy_weights(layer_weights, weights + (size_t)layer * WEIGHTS, false);
        __syncthreads();  // weights and what the layer reads are there
        convolve(values, second ? inner : block, layer_weights, patch);
#pragma unroll
        for (int c = 0; c < OUTS; ++c)
#pragma unroll
            for (int i = 0; i < ACROSS; ++i)
                values[c][i] = relu(second ? values[c][i] + *own(block, patch, c, i) : values[c][i]);
        // Nobody reads this buffer now: the others are in the same layer, which reads the other one.
        put(second ? block : inner, values, patch);
        write(made + (size_t)layer * stride, values, patch);
        __syncthreads();  // the weights, and what the layer has read, may be overwritten
    }
}

// Back through the row: from the gradient by its output, those by its weights, in parts (thread blocks x SLICES, layers,
// out, in, 3, 3), and that by the sums whose relu its input is. For an odd number of layers also that by the shortcut.
extern "C" __global__ void __launch_bounds__(THREADS, THREADS > 128 ? 1 : 3) row_backward(
    const float* input, const float* weights, const float* made, const float* output_gradient, float* input_gradient,
    float* shortcut_gradient, float* parts, int stride, int batch, int layers) {
    float* const x = (float*)memory;       // what a layer read
    float* const outer = x + BUFFER;       // the gradient by a block's second sums, each thread its own pixels
    float* const inner = outer + BUFFER;   // that by its first sums
    float* const layer_weights = inner + BUFFER;
    const Patch patch = own_patch(batch);
    float values[OUTS][ACROSS], read_by_layer[OUTS][ACROSS];
    clear(x, 3 * BUFFER);
    __syncthreads();
    read(values, output_gradient, patch);
    read(read_by_layer, made + (size_t)(layers - 1) * stride, patch);
#pragma unroll
    for (int c = 0; c < OUTS; ++c)
#pragma unroll
        for (int i = 0; i < ACROSS; ++i) values[c][i] = passed(values[c][i], read_by_layer[c][i]);
    put(outer, values, patch);
    const size_t next = (size_t)layers * WEIGHTS;
    float* const own_parts = parts + blockIdx.x * SLICES * next;
    for (int layer = layers - 1; layer >= 0; --layer) {
        const bool second = (layers - layer) % 2;
        float* const gradient = second ? outer : inner;
        read(read_by_layer, layer > 0 ? made + (size_t)(layer - 1) * stride : input, patch);
        copy_weights(layer_weights, weights + (size_t)layer * WEIGHTS, true);
        put(x, read_by_layer, patch);
        __syncthreads();  // weights, x and the gradient are there
        correlate(own_parts + (size_t)layer * WEIGHTS, next, x, gradient);
        convolve(values, gradient, layer_weights, patch);
        // `inner` is read only in the layers between those that write it, and of `outer` a first layer reads no pixel
        // but each thread its own.
#pragma unroll
        for (int c = 0; c < OUTS; ++c)
#pragma unroll
            for (int i = 0; i < ACROSS; ++i) {
                const float by_block = second ? 0 : *own(outer, patch, c, i);
                values[c][i] = passed(values[c][i] + by_block, *own(x, patch, c, i));
            }
        if (layer > 0) {
            put(second ? inner : outer, values, patch);
        } else {
            write(input_gradient, values, patch);
            if (second) {
#pragma unroll
                for (int c = 0; c < OUTS; ++c)
#pragma unroll
                    for (int i = 0; i < ACROSS; ++i) values[c][i] = *own(outer, patch, c, i);
                write(shortcut_gradient, values, patch);
            }
        }
        __syncthreads();  // weights, x and the gradient may be overwritten
    }
}

// Sums of the parts (rows, count), each in the same order.
extern "C" __global__ void sum_parts(const float* __restrict__ parts, float* gradient, int rows, int count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    float sum = 0;
#pragma unroll 8
    for (int row = 0; row < rows; ++row) sum += parts[(size_t)row * count + i];
    gradient[i] = sum;
}

// relu(conv(image, weight)) with STRIDE: a thread has a pixel of GROUP channels.
extern "C" __global__ void first_forward(
    const float* __restrict__ image, const float* __restrict__ weight, float* h, int batch) {
    const int pixels = HEIGHT * WIDTH, high = HEIGHT * STRIDE, wide = WIDTH * STRIDE;
    const int unit = blockIdx.x * blockDim.x + threadIdx.x;
    const int pixel = unit % pixels, group = unit / pixels % (CHANNELS / GROUP) * GROUP;
    const int number = unit / (pixels * (CHANNELS / GROUP));
    if (number >= batch) return;
    const int top = pixel / WIDTH * STRIDE - 1, left = pixel % WIDTH * STRIDE - 1;
    float sums[GROUP];
#pragma unroll
    for (int out = 0; out < GROUP; ++out) sums[out] = 0;
#pragma unroll 1
    for (int in = 0; in < INPUTS; ++in) {
        const float* plane = image + ((size_t)number * INPUTS + in) * (high * wide);
        const float* w = weight + (group * INPUTS + in) * 9;
#pragma unroll
        for (int tap = 0; tap < 9; ++tap) {
            const int y = top + tap / 3, x = left + tap % 3;
            const float value = y >= 0 && y < high && x >= 0 && x < wide ? plane[y * wide + x] : 0;
#pragma unroll
            for (int out = 0; out < GROUP; ++out) sums[out] += w[out * INPUTS * 9 + tap] * value;
        }
    }
    float* to = h + ((size_t)number * CHANNELS + group) * pixels + pixel;
#pragma unroll
    for (int out = 0; out < GROUP; ++out) to[out * pixels] = relu(sums[out]);
}

// The gradient of the first convolution's weight, from that of its sums: a thread block has an output and an input.
extern "C" __global__ void __launch_bounds__(256) first_backward_weight(
    const float* __restrict__ image, const float* __restrict__ gradient, float* to, int batch) {
    const int pixels = HEIGHT * WIDTH, high = HEIGHT * STRIDE, wide = WIDTH * STRIDE;
    const int out = blockIdx.x / INPUTS, in = blockIdx.x % INPUTS;
    float* const shared = (float*)memory;
    float sums[9];
#pragma unroll
    for (int tap = 0; tap < 9; ++tap) sums[tap] = 0;
#pragma unroll 2
    for (int i = threadIdx.x; i < batch * pixels; i += 256) {
        const int number = i / pixels, pixel = i % pixels;
        const int top = pixel / WIDTH * STRIDE - 1, left = pixel % WIDTH * STRIDE - 1;
        const float* plane = image + ((size_t)number * INPUTS + in) * (high * wide);
        const float g = gradient[((size_t)number * CHANNELS + out) * pixels + pixel];
#pragma unroll
        for (int tap = 0; tap < 9; ++tap) {
            const int y = top + tap / 3, x = left + tap % 3;
            const float value = y >= 0 && y < high && x >= 0 && x < wide ? plane[y * wide + x] : 0;
            sums[tap] += g * value;
        }
    }
#pragma unroll
    for (int tap = 0; tap < 9; ++tap) {
#pragma unroll
        for (int bit = 16; bit > 0; bit /= 2) sums[tap] += __shfl_xor_sync(0xffffffffu, sums[tap], bit);
        if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32 * 9 + tap] = sums[tap];
    }
    __syncthreads();
    if (threadIdx.x < 9) {
        float sum = 0;
        for (int warp = 0; warp < 8; ++warp) sum += shared[warp * 9 + threadIdx.x];
        to[blockIdx.x * 9 + threadIdx.x] = sum;
    }
}

#if STRIDE == 2
// The gradient by the image: through the first convolution, and past it through the shortcut. A thread has the four
// pixels of OUTS channels that lie in the corner of a pixel of the gradient.
extern "C" __global__ void first_backward_image(
    const float* __restrict__ gradient, const float* __restrict__ shortcut_gradient, const float* __restrict__ weight,
    float* to, int batch) {
    const int pixels = HEIGHT * WIDTH, before = (CHANNELS - INPUTS) / 2;
    const int unit = blockIdx.x * blockDim.x + threadIdx.x;
    const int pixel = unit % pixels, first = unit / pixels % (INPUTS / OUTS) * OUTS;
    const int number = unit / (pixels * (INPUTS / OUTS));
    if (number >= batch) return;
    const int y = pixel / WIDTH, x = pixel % WIDTH;
    const bool below = y + 1 < HEIGHT, right = x + 1 < WIDTH;
    float sums[OUTS][4];
#pragma unroll
    for (int c = 0; c < OUTS; ++c) {
        const float* through = shortcut_gradient + ((size_t)number * CHANNELS + before + first + c) * pixels + pixel;
        sums[c][0] = *through;
        sums[c][1] = sums[c][2] = sums[c][3] = 0;
    }
#pragma unroll 1
    for (int out = 0; out < CHANNELS; ++out) {
        const float* g = gradient + ((size_t)number * CHANNELS + out) * pixels + pixel;
        const float g00 = g[0], g01 = right ? g[1] : 0, g10 = below ? g[WIDTH] : 0;
        const float g11 = below && right ? g[WIDTH + 1] : 0;
#pragma unroll
        for (int c = 0; c < OUTS; ++c) {
            const float* w = weight + (out * INPUTS + first + c) * 9;
            sums[c][0] += w[4] * g00;
            sums[c][1] += w[3] * g01 + w[5] * g00;
            sums[c][2] += w[1] * g10 + w[7] * g00;
            sums[c][3] += w[0] * g11 + w[2] * g10 + w[6] * g01 + w[8] * g00;
        }
    }
#pragma unroll
    for (int c = 0; c < OUTS; ++c) {
        float* corner = to + (((size_t)number * INPUTS + first + c) * (2 * HEIGHT) + 2 * y) * (2 * WIDTH) + 2 * x;
        corner[0] = sums[c][0], corner[1] = sums[c][1];
        corner[2 * WIDTH] = sums[c][2], corner[2 * WIDTH + 1] = sums[c][3];
    }
}
#endif
