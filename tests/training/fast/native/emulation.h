// A GPU for tests: the words that residual.cu uses, in C++20. A thread block's threads are coroutines; each runs until
// it waits for others, and an order decides who runs first. Run with the first thread first and with the last one first,
// a pair of threads that misses a barrier goes wrong in one of the two. Shared memory is not a number at the beginning.

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#define __global__
#define __device__
#define __shared__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

struct Index {
    int x = 0;
};
static Index threadIdx, blockIdx, blockDim;

static const size_t SHARED = 256 << 10;
alignas(16) float4 memory[SHARED / sizeof(float4)];

namespace emulation {

enum State { NEW, READY, AT_BARRIER, IN_WARP, DONE };
struct Thread {
    ucontext_t context;  // of its beginning
    jmp_buf place;       // where it waits: unlike swapcontext, a jump asks the system nothing
    std::vector<char> stack = std::vector<char>(64 << 10);
    State state = NEW;
    float given = 0;
};
static std::vector<Thread> threads;
static jmp_buf scheduler;
static int running;
static void* kernel;
static const intptr_t* given;

static void wait(State state) {
    const int self = running;
    threads[self].state = state;
    if (!_setjmp(threads[self].place)) _longjmp(scheduler, 1);
}

static void body() {
    // Arguments are pointers and ints: each takes one register or one place on the stack.
    using Kernel = void (*)(intptr_t, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t,
                            intptr_t);
    const intptr_t* a = given;
    ((Kernel)kernel)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]);
    wait(DONE);
}

static void resume(int number) {
    running = threadIdx.x = number;
    Thread& one = threads[number];
    if (_setjmp(scheduler)) return;
    if (one.state == NEW) setcontext(&one.context);
    _longjmp(one.place, 1);
}

static bool all_are(size_t from, size_t to, State state) {
    return std::all_of(&threads[from], &threads[0] + to, [=](const Thread& one) { return one.state == state; });
}

static void release(size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) threads[i].state = READY;
}

static bool run_block(const std::vector<int>& order) {
    const size_t count = order.size();
    for (Thread& one : threads) {
        getcontext(&one.context);
        one.context.uc_stack.ss_sp = one.stack.data();
        one.context.uc_stack.ss_size = one.stack.size();
        one.context.uc_link = nullptr;
        one.state = NEW;
        makecontext(&one.context, body, 0);
    }
    while (!all_are(0, count, DONE)) {
        bool moved = false;
        for (int i : order) {
            if (threads[i].state != NEW && threads[i].state != READY) continue;
            resume(i);
            moved = true;
        }
        for (size_t first = 0; first < count; first += 32)
            if (all_are(first, std::min(first + 32, count), IN_WARP)) release(first, std::min(first + 32, count)), moved = true;
        if (all_are(0, count, AT_BARRIER)) release(0, count), moved = true;
        if (!moved) return false;
    }
    return true;
}

}  // namespace emulation

static inline void __syncthreads() { emulation::wait(emulation::AT_BARRIER); }

static inline float __shfl_xor_sync(unsigned, float value, int bit) {
    using namespace emulation;
    const int self = running;
    threads[self].given = value;
    wait(IN_WARP);
    const float found = threads[self ^ bit].given;
    wait(IN_WARP);
    return found;
}

// 0; 1 if threads waited for one another in vain, 2 if they wrote behind `shared` bytes.
extern "C" int emulate(void* kernel, int grid, int block, int shared, int seed, const intptr_t* given) {
    emulation::kernel = kernel;
    emulation::given = given;
    emulation::threads = std::vector<emulation::Thread>(block);
    blockDim.x = block;
    std::vector<int> order(block);
    for (int i = 0; i < block; ++i) order[i] = seed == 1 ? block - 1 - i : i;
    std::mt19937 random(seed);
    for (int number = 0; number < grid; ++number) {
        if (seed > 1) std::shuffle(order.begin(), order.end(), random);
        std::memset(memory, 0xff, sizeof memory);
        blockIdx.x = number;
        if (!emulation::run_block(order)) return 1;
        const unsigned char* bytes = (const unsigned char*)memory;
        if (!std::all_of(bytes + shared, bytes + sizeof memory, [](unsigned char one) { return one == 0xff; })) return 2;
    }
    return 0;
}
