// What is left between the convolutions of residual blocks without BatchNorm, in one pass over memory each, float32:
//
//     add_relu   y <- relu(y + x)                 the end of a block
//     add_mask   dx <- (dx + skip) [y > 0]        the gradient at the end of the block before: both ways into this block
//
// As in torch, NaN stays NaN, and a gradient is 0 where y is 0 and passes where it is NaN. The tensors have the same
// strides and no gaps. tests/training/fast/native/emulation.h stands for a GPU.

#define EACH 4  // neighbouring numbers that a thread computes

extern "C" __global__ void add_relu(float* y, const float* x, int size) {
    const int first = (blockIdx.x * blockDim.x + threadIdx.x) * EACH;
    if (first + EACH <= size) {
        float4 a = *(const float4*)(y + first);
        const float4 b = *(const float4*)(x + first);
        a.x += b.x, a.y += b.y, a.z += b.z, a.w += b.w;
        *(float4*)(y + first) = make_float4(a.x <= 0 ? 0 : a.x, a.y <= 0 ? 0 : a.y, a.z <= 0 ? 0 : a.z, a.w <= 0 ? 0 : a.w);
        return;
    }
    for (int i = first; i < size; ++i) {
        const float sum = y[i] + x[i];
        y[i] = sum <= 0 ? 0 : sum;
    }
}

extern "C" __global__ void add_mask(float* dx, const float* skip, const float* y, int size) {
    const int first = (blockIdx.x * blockDim.x + threadIdx.x) * EACH;
    if (first + EACH <= size) {
        const float4 a = *(const float4*)(dx + first);
        const float4 b = *(const float4*)(skip + first);
        const float4 c = *(const float4*)(y + first);
        *(float4*)(dx + first) = make_float4(c.x <= 0 ? 0 : a.x + b.x, c.y <= 0 ? 0 : a.y + b.y, c.z <= 0 ? 0 : a.z + b.z,
                                             c.w <= 0 ? 0 : a.w + b.w);
        return;
    }
    for (int i = first; i < size; ++i) dx[i] = y[i] <= 0 ? 0 : dx[i] + skip[i];
}
