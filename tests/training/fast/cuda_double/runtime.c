// CUDA's runtime without a device: memory is the host's, kernels are counted and compute nothing, copies are made unless
// they are captured, and a capture refuses what CUDA's refuses. What the tests ask about is in the journal, a line an event.
//
// Only what torch needs for training: everything else is a trap that says its name (build.py).
#define _GNU_SOURCE
#include "double.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// ---- the journal

static char* journal;
static size_t written, room;

void note(const char* format, ...) {
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length > (int)sizeof line - 2) length = sizeof line - 2;
    line[length++] = '\n';
    pthread_mutex_lock(&lock);
    if (written + length + 1 > room) journal = realloc(journal, room = 2 * (written + length + 1) + 65536);
    memcpy(journal + written, line, length);
    journal[written += length] = 0;
    pthread_mutex_unlock(&lock);
}

// The journal since the last call; for one thread, and valid until its next call.
const char* double_journal(void) {
    static char* handed_out;
    pthread_mutex_lock(&lock);
    free(handed_out);
    handed_out = journal ? journal : calloc(1, 1);
    journal = NULL, written = room = 0;
    pthread_mutex_unlock(&lock);
    return handed_out;
}

// ---- errors

static _Thread_local cudaError_t last;

cudaError_t failed(cudaError_t error) {
    if (error != cudaSuccess) last = error;
    return error;
}

cudaError_t cudaGetLastError(void) {
    const cudaError_t error = last;
    last = cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError(void) { return last; }

const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
        case cudaSuccess: return "no error";
        case cudaErrorMemoryAllocation: return "out of memory";
        case cudaErrorNotSupported: return "operation not supported";
        case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
        case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
        case cudaErrorStreamCaptureImplicit: return "operation would make the legacy stream depend on a capturing stream";
        case cudaErrorStreamCaptureIsolation: return "dependency created on uncaptured work in another stream";
        case cudaErrorCapturedEvent: return "operation not permitted on an event last recorded in a capturing stream";
        case cudaErrorIllegalState: return "the operation cannot be performed in the present state";
        default: return "unknown error";
    }
}

const char* cudaGetErrorName(cudaError_t error) { return cudaGetErrorString(error); }

// ---- streams and captures

struct CUgraph_st {
    unsigned long long number;
    enum cudaStreamCaptureMode mode;
    pthread_t thread;
    int kernels, others;  // nodes
    int blocking;         // its stream waits for the legacy stream, and that one for it
    int broken;           // by a call that was refused
};

struct CUstream_st {
    struct CUgraph_st* capture;  // NULL where it is not capturing
    int blocking;
};

struct CUevent_st {
    struct CUgraph_st* capture;  // in which it was recorded last
};

static struct CUgraph_st* under_way;  // one capture at a time is all that torch has here
static unsigned long long captures, launches;
static _Thread_local enum cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

// The legacy stream, and the thread's own, are numbers.
static int is_real(cudaStream_t stream) { return (uintptr_t)stream > 2; }

static struct CUgraph_st* capture_of(cudaStream_t stream) { return is_real(stream) ? stream->capture : NULL; }

static cudaError_t refuse(struct CUgraph_st* capture, cudaError_t error, const char* what) {
    capture->broken = 1;
    note("refused %s: %s", what, cudaGetErrorString(error));
    return failed(error);
}

cudaError_t unsafe(const char* what) {
    struct CUgraph_st* capture = under_way;
    if (!capture || thread_mode == cudaStreamCaptureModeRelaxed || capture->mode == cudaStreamCaptureModeRelaxed)
        return cudaSuccess;
    if (capture->mode == cudaStreamCaptureModeThreadLocal && !pthread_equal(capture->thread, pthread_self()))
        return cudaSuccess;
    return refuse(capture, cudaErrorStreamCaptureUnsupported, what);
}

// What is asked of a stream: whether it goes on at once (capture NULL) or into a graph.
static cudaError_t enqueue(cudaStream_t stream, const char* what, struct CUgraph_st** capture) {
    *capture = capture_of(stream);
    if (*capture && (*capture)->broken) {
        note("refused %s: %s", what, cudaGetErrorString(cudaErrorStreamCaptureInvalidated));
        return failed(cudaErrorStreamCaptureInvalidated);
    }
    if (!*capture && under_way) {
        if (!is_real(stream) && under_way->blocking) return refuse(under_way, cudaErrorStreamCaptureImplicit, what);
        note("beside the capture: %s", what);  // legal, but it happens once and is no part of the graph
    }
    return cudaSuccess;
}

// How many kernels were launched so far, those of captures included.
unsigned long long double_launches(void) { return launches; }

cudaError_t launch(const char* name, cudaStream_t stream) {
    struct CUgraph_st* capture;
    const cudaError_t error = enqueue(stream, name, &capture);
    if (error) return error;
    if (capture) capture->kernels++;
    __atomic_fetch_add(&launches, 1, __ATOMIC_RELAXED);
    note(capture ? "captured launch %s" : "launch %s", name);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
    *stream = calloc(1, sizeof **stream);
    (*stream)->blocking = !(flags & cudaStreamNonBlocking);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
    (void)priority;
    return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, 0); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) { return free(stream), cudaSuccess; }

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
    (void)stream;
    return *priority = 0, cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
    if (!is_real(stream)) return failed(cudaErrorStreamCaptureUnsupported);
    if (stream->capture || under_way) return failed(cudaErrorIllegalState);
    under_way = stream->capture = calloc(1, sizeof *under_way);
    under_way->number = ++captures, under_way->mode = mode, under_way->thread = pthread_self();
    under_way->blocking = stream->blocking;
    note("begin capture");
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
    struct CUgraph_st* capture = capture_of(stream);
    *graph = NULL;
    if (!capture) return failed(cudaErrorIllegalState);
    stream->capture = under_way = NULL;
    note("end capture");
    if (capture->broken) return failed(cudaErrorStreamCaptureInvalidated);
    *graph = capture;
    return cudaSuccess;
}

static enum cudaStreamCaptureStatus status_of(cudaStream_t stream) {
    const struct CUgraph_st* capture = capture_of(stream);
    if (!capture) return cudaStreamCaptureStatusNone;
    return capture->broken ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus* status) {
    return *status = status_of(stream), cudaSuccess;
}

cudaError_t cudaStreamGetCaptureInfo(
    cudaStream_t stream, enum cudaStreamCaptureStatus* status, unsigned long long* number, cudaGraph_t* graph,
    const cudaGraphNode_t** dependencies, const cudaGraphEdgeData** edges, size_t* count) {
    *status = status_of(stream);
    if (*status == cudaStreamCaptureStatusActive) {
        if (number) *number = stream->capture->number;
        if (graph) *graph = stream->capture;
    }
    if (dependencies) *dependencies = NULL;
    if (edges) *edges = NULL;
    if (count) *count = 0;
    return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode* mode) {
    const enum cudaStreamCaptureMode before = thread_mode;
    thread_mode = *mode;
    return *mode = before, cudaSuccess;
}

// ---- waiting

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    struct CUgraph_st* capture = capture_of(stream);
    if (capture) return refuse(capture, cudaErrorStreamCaptureUnsupported, "wait for a stream");
    if (!is_real(stream)) {
        const cudaError_t error = unsafe("wait for the legacy stream");
        if (error) return error;
    }
    note("wait for a stream");
    return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) {
    const cudaError_t error = unsafe("wait for the device");
    if (!error) note("wait for the device");
    return error;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
    struct CUgraph_st* capture = capture_of(stream);
    return capture ? refuse(capture, cudaErrorStreamCaptureUnsupported, "query a stream") : cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
    (void)flags;
    return *event = calloc(1, sizeof **event), cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }

cudaError_t cudaEventDestroy(cudaEvent_t event) { return free(event), cudaSuccess; }

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    return event->capture = capture_of(stream), cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
    (void)flags;
    return cudaEventRecord(event, stream);
}

static int in_capture(cudaEvent_t event) { return event->capture && event->capture == under_way; }

cudaError_t cudaEventQuery(cudaEvent_t event) {
    if (in_capture(event)) return refuse(event->capture, cudaErrorCapturedEvent, "query an event");
    return unsafe("query an event");
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    if (in_capture(event)) return refuse(event->capture, cudaErrorCapturedEvent, "wait for an event");
    note("wait for an event");
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
    (void)start, (void)end;
    return *milliseconds = 0, cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
    (void)flags;
    struct CUgraph_st* capture = capture_of(stream);
    if (in_capture(event)) {
        // Another stream that waits for this one would join the capture; nothing here has two.
        if (capture != event->capture) return refuse(event->capture, cudaErrorNotSupported, "a second stream");
    } else if (capture) {
        return refuse(capture, cudaErrorStreamCaptureIsolation, "wait for work outside the capture");
    }
    return cudaSuccess;
}

// ---- graphs

// A graph that can be launched is the graph itself: nobody changes one.
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long flags) {
    (void)flags;
    *made = malloc(sizeof *graph);
    memcpy(*made, graph, sizeof *graph);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t made, cudaStream_t stream) {
    const struct CUgraph_st* graph = (const struct CUgraph_st*)made;
    struct CUgraph_st* capture;
    const cudaError_t error = enqueue(stream, "a graph", &capture);
    if (error) return error;
    if (capture) return refuse(capture, cudaErrorNotSupported, "a graph in a graph");
    note("replay %d", graph->kernels);
    return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
    (void)nodes;
    return *count = graph->kernels + graph->others, cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return free(graph), cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) { return free(graph), cudaSuccess; }

// ---- memory

struct Memory {
    char* at;
    size_t size;
    int on_device;  // or pinned on the host
};

static struct Memory held[65536];
static int holds;

static struct Memory* memory_of(const void* pointer) {
    for (int i = 0; i < holds; ++i)
        if ((const char*)pointer >= held[i].at && (const char*)pointer < held[i].at + held[i].size) return &held[i];
    return NULL;
}

static cudaError_t allocate(void** pointer, size_t size, int on_device) {
    const cudaError_t error = unsafe(on_device ? "allocate" : "allocate pinned memory");
    if (error) return error;
    void* at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pthread_mutex_lock(&lock);
    const int full = at == MAP_FAILED || holds == sizeof held / sizeof *held;
    if (!full) held[holds++] = (struct Memory){at, size, on_device};
    pthread_mutex_unlock(&lock);
    if (full) return failed(cudaErrorMemoryAllocation);
    note("allocate %zu bytes %s", size, on_device ? "of the device" : "pinned");
    return *pointer = at, cudaSuccess;
}

static cudaError_t release(void* pointer) {
    const cudaError_t error = unsafe("free");
    if (error || !pointer) return error;
    pthread_mutex_lock(&lock);
    struct Memory* memory = memory_of(pointer);
    if (memory) munmap(memory->at, memory->size), *memory = held[--holds];
    pthread_mutex_unlock(&lock);
    note("free");
    return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, size_t size) { return allocate(pointer, size, 1); }
cudaError_t cudaFree(void* pointer) { return release(pointer); }
cudaError_t cudaFreeHost(void* pointer) { return release(pointer); }

cudaError_t cudaHostAlloc(void** pointer, size_t size, unsigned flags) {
    (void)flags;
    return allocate(pointer, size, 0);
}

cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
    return *available = (size_t)70 << 30, *total = (size_t)80 << 30, cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes* attributes, const void* pointer) {
    pthread_mutex_lock(&lock);
    const struct Memory* memory = memory_of(pointer);
    memset(attributes, 0, sizeof *attributes);
    attributes->type = !memory             ? cudaMemoryTypeUnregistered
                       : memory->on_device ? cudaMemoryTypeDevice
                                           : cudaMemoryTypeHost;
    if (memory && memory->on_device) attributes->devicePointer = (void*)pointer;
    if (memory && !memory->on_device) attributes->hostPointer = attributes->devicePointer = (void*)pointer;
    pthread_mutex_unlock(&lock);
    return cudaSuccess;
}

static const char pageable[] = "pageable host";

static const char* place(const void* pointer) {
    pthread_mutex_lock(&lock);
    const struct Memory* memory = memory_of(pointer);
    pthread_mutex_unlock(&lock);
    return !memory ? pageable : memory->on_device ? "device" : "pinned host";
}

static cudaError_t copy(void* to, const void* from, size_t size, cudaStream_t stream) {
    char what[128];
    const char *source = place(from), *target = place(to);
    snprintf(what, sizeof what, "copy %s to %s, %zu bytes", source, target, size);
    struct CUgraph_st* capture;
    const cudaError_t error = enqueue(stream, what, &capture);
    if (error) return error;
    if (!capture)
        memmove(to, from, size);
    else if (source == pageable || target == pageable)  // torch refuses it itself; CUDA may stage it
        return refuse(capture, cudaErrorStreamCaptureUnsupported, what);
    else
        capture->others++;
    note(capture ? "captured %s" : "%s", what);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t size, enum cudaMemcpyKind kind, cudaStream_t stream) {
    (void)kind;
    return copy(to, from, size, stream);
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t size, enum cudaMemcpyKind kind) {
    (void)kind;
    const cudaError_t error = copy(to, from, size, NULL);
    return error ? error : cudaStreamSynchronize(NULL);
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t size, cudaStream_t stream) {
    struct CUgraph_st* capture;
    const cudaError_t error = enqueue(stream, "set memory", &capture);
    if (error) return error;
    if (capture)
        capture->others++;
    else
        memset(to, value, size);
    note(capture ? "captured set memory" : "set memory");
    return cudaSuccess;
}

cudaError_t cudaMemset(void* to, int value, size_t size) { return cudaMemsetAsync(to, value, size, NULL); }

// ---- kernels, as compiled code registers and launches them

struct Kernel {
    const void* address;
    const char* name;
};

static struct Kernel* kernels;
static size_t registered, kernel_room;
static int sorted;

void** __cudaRegisterFatBinary(void* binary) { return (void**)binary; }
void __cudaRegisterFatBinaryEnd(void** binary) { (void)binary; }
void __cudaUnregisterFatBinary(void** binary) { (void)binary; }

void __cudaRegisterVar(void** binary, char* host, char* address, const char* name, int ext, size_t size, int is_constant, int global) {
    (void)binary, (void)host, (void)address, (void)name, (void)ext, (void)size, (void)is_constant, (void)global;
}

void __cudaRegisterFunction(
    void** binary, const char* host, char* device, const char* name, int limit, void* tid, void* bid, void* block,
    void* grid, int* warp) {
    (void)binary, (void)device, (void)limit, (void)tid, (void)bid, (void)block, (void)grid, (void)warp;
    pthread_mutex_lock(&lock);
    if (registered == kernel_room) kernels = realloc(kernels, (kernel_room = 2 * kernel_room + 65536) * sizeof *kernels);
    kernels[registered++] = (struct Kernel){host, name};
    sorted = 0;
    pthread_mutex_unlock(&lock);
}

static int compare(const void* one, const void* other) {
    const struct Kernel *a = one, *b = other;
    return (a->address > b->address) - (a->address < b->address);
}

static const char* kernel_name(const void* address) {
    pthread_mutex_lock(&lock);
    if (!sorted) qsort(kernels, registered, sizeof *kernels, compare), sorted = 1;
    const struct Kernel wanted = {address, NULL};
    const struct Kernel* found = bsearch(&wanted, kernels, registered, sizeof *kernels, compare);
    pthread_mutex_unlock(&lock);
    return found ? found->name : "unregistered kernel";
}

static _Thread_local struct {
    dim3 grid, block;
    size_t shared;
    void* stream;
} configuration[8];
static _Thread_local int configured;

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, void* stream) {
    configuration[configured].grid = grid, configuration[configured].block = block;
    configuration[configured].shared = shared, configuration[configured].stream = stream;
    return configured++, 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
    --configured;
    *grid = configuration[configured].grid, *block = configuration[configured].block;
    *shared = configuration[configured].shared, *(void**)stream = configuration[configured].stream;
    return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* address) {
    return *kernel = (cudaKernel_t)address, cudaSuccess;
}

cudaError_t cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** arguments, size_t shared, cudaStream_t stream) {
    (void)grid, (void)block, (void)arguments, (void)shared;
    return launch(kernel_name(kernel), stream);
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t shared, cudaStream_t stream) {
    return cudaLaunchKernel((const void*)kernel, grid, block, arguments, shared, stream);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* kernel, void** arguments) {
    (void)arguments;
    return launch(kernel_name(kernel), config->stream);
}

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes* attributes, const void* kernel) {
    (void)kernel;
    memset(attributes, 0, sizeof *attributes);
    attributes->maxThreadsPerBlock = 1024, attributes->numRegs = 32;
    attributes->ptxVersion = attributes->binaryVersion = 90;
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* kernel, enum cudaFuncAttribute name, int value) {
    (void)kernel, (void)name, (void)value;
    return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int* blocks, const void* kernel, int threads, size_t shared, unsigned flags) {
    (void)kernel, (void)threads, (void)shared, (void)flags;
    return *blocks = 2, cudaSuccess;
}

// ---- the device: like an H100, and there is one

cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
cudaError_t cudaSetDevice(int device) { return device ? failed(cudaErrorInvalidDevice) : cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) { return *least = 0, *greatest = -5, cudaSuccess; }

cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int other) {
    (void)device, (void)other;
    return *can = 0, cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* name, int length, int device) {
    (void)device;
    return snprintf(name, length, "0000:00:00.0"), cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp* found, int device) {
    (void)device;
    memset(found, 0, sizeof *found);
    strcpy(found->name, "a double of CUDA, which computes nothing");
    found->totalGlobalMem = (size_t)80 << 30;
    found->sharedMemPerBlock = 48 << 10;
    found->sharedMemPerBlockOptin = 227 << 10;
    found->sharedMemPerMultiprocessor = 228 << 10;
    found->regsPerBlock = found->regsPerMultiprocessor = 65536;
    found->warpSize = 32;
    found->maxThreadsPerBlock = 1024;
    found->maxThreadsPerMultiProcessor = 2048;
    found->maxBlocksPerMultiProcessor = 32;
    found->multiProcessorCount = 132;
    found->l2CacheSize = 50 << 20;
    found->memoryBusWidth = 5120;
    found->totalConstMem = 65536;
    found->textureAlignment = 512;
    found->unifiedAddressing = found->concurrentKernels = found->cooperativeLaunch = 1;
    for (int i = 0; i < 3; ++i) {
        found->maxThreadsDim[i] = i < 2 ? 1024 : 64;
        found->maxGridSize[i] = i ? 65535 : 2147483647;
    }
    found->major = 9;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, enum cudaDeviceAttr name, int device) {
    (void)device;
    switch (name) {
        case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
        case cudaDevAttrMultiProcessorCount: *value = 132; break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = 227 << 10; break;
        default: *value = 0;
    }
    return cudaSuccess;
}
