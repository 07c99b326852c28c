// cuBLAS and cuDNN: each of their computing functions counts as one kernel, whatever a device would launch for it.
#include "double.h"

#include <stdlib.h>
#include <string.h>

// ---- handles: all of them know their stream, and nothing else

struct Handle {
    cudaStream_t stream;
};

static int make(void* handle) { return *(struct Handle**)handle = calloc(1, sizeof(struct Handle)), 0; }
static int give_back(void* handle) { return free(handle), 0; }
static int use_stream(struct Handle* handle, cudaStream_t stream) { return handle->stream = stream, 0; }

// What both libraries answer where a kernel does not start: an error of theirs.
enum { CUBLAS_FAILED = 13, CUDNN_FAILED = 5000 };

// Functions of any arguments, of which only the first is looked at.
#define SUCCEEDS(name) \
    int name(void) { return 0; }
#define MAKES(name) \
    int name(void* made) { return make(made); }
#define FREES(name) \
    int name(void* made) { return give_back(made); }
#define COMPUTES(name, error) \
    int name(struct Handle* handle) { return launch(#name, handle->stream) ? error : 0; }

// ---- cuBLAS

MAKES(cublasCreate_v2)
FREES(cublasDestroy_v2)
int cublasSetStream_v2(struct Handle* handle, cudaStream_t stream) { return use_stream(handle, stream); }
SUCCEEDS(cublasSetWorkspace_v2)
SUCCEEDS(cublasSetMathMode)
SUCCEEDS(cublasSetPointerMode_v2)
int cublasGetMathMode(struct Handle* handle, int* mode) { return (void)handle, *mode = 0; }
int cublasGetPointerMode_v2(struct Handle* handle, int* mode) { return (void)handle, *mode = 0; }
COMPUTES(cublasSgemm_v2, CUBLAS_FAILED)
COMPUTES(cublasDgemm_v2, CUBLAS_FAILED)
COMPUTES(cublasGemmEx, CUBLAS_FAILED)
COMPUTES(cublasSgemv_v2, CUBLAS_FAILED)
COMPUTES(cublasSgemmStridedBatched, CUBLAS_FAILED)
COMPUTES(cublasGemmStridedBatchedEx, CUBLAS_FAILED)
COMPUTES(cublasSdot_v2, CUBLAS_FAILED)

MAKES(cublasLtMatmulDescCreate)
FREES(cublasLtMatmulDescDestroy)
SUCCEEDS(cublasLtMatmulDescSetAttribute)
MAKES(cublasLtMatmulPreferenceCreate)
FREES(cublasLtMatmulPreferenceDestroy)
SUCCEEDS(cublasLtMatmulPreferenceSetAttribute)
MAKES(cublasLtMatrixLayoutCreate)
FREES(cublasLtMatrixLayoutDestroy)
SUCCEEDS(cublasLtMatrixLayoutSetAttribute)

int cublasLtMatmulAlgoGetHeuristic(
    void* handle, void* product, void* a, void* b, void* c, void* d, void* preference, int wanted, void* results,
    int* found) {
    (void)handle, (void)product, (void)a, (void)b, (void)c, (void)d, (void)preference, (void)wanted;
    memset(results, 0, 96);  // cublasLtMatmulHeuristicResult_t: a method of 64 bytes, no workspace, success
    return *found = 1, 0;
}

int cublasLtMatmul(
    void* handle, void* product, const void* alpha, const void* a, void* a_layout, const void* b, void* b_layout,
    const void* beta, const void* c, void* c_layout, void* d, void* d_layout, const void* method, void* workspace,
    size_t size, cudaStream_t stream) {
    (void)handle, (void)product, (void)alpha, (void)a, (void)a_layout, (void)b, (void)b_layout, (void)beta, (void)c;
    (void)c_layout, (void)d, (void)d_layout, (void)method, (void)workspace, (void)size;
    return launch("cublasLtMatmul", stream) ? CUBLAS_FAILED : 0;
}

// ---- cuDNN; its graphs of operations are in cudnn_graph.c

MAKES(cudnnCreate)
FREES(cudnnDestroy)
int cudnnSetStream(struct Handle* handle, cudaStream_t stream) { return use_stream(handle, stream); }
int cudnnGetStream(struct Handle* handle, cudaStream_t* stream) { return *stream = handle->stream, 0; }
MAKES(cudnnCreateTensorDescriptor)
FREES(cudnnDestroyTensorDescriptor)
SUCCEEDS(cudnnSetTensorNdDescriptor)
MAKES(cudnnCreateActivationDescriptor)
FREES(cudnnDestroyActivationDescriptor)
SUCCEEDS(cudnnSetActivationDescriptor)
COMPUTES(cudnnBatchNormalizationForwardTrainingEx, CUDNN_FAILED)
COMPUTES(cudnnBatchNormalizationForwardInference, CUDNN_FAILED)
COMPUTES(cudnnBatchNormalizationBackwardEx, CUDNN_FAILED)

int cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize(
    void* handle, int mode, int operation, void* x, void* z, void* y, void* scale, void* activation, size_t* size) {
    (void)handle, (void)mode, (void)operation, (void)x, (void)z, (void)y, (void)scale, (void)activation;
    return *size = 0, 0;
}

int cudnnGetBatchNormalizationBackwardExWorkspaceSize(
    void* handle, int mode, int operation, void* x, void* y, void* dy, void* dz, void* dx, void* scale,
    void* activation, size_t* size) {
    (void)handle, (void)mode, (void)operation, (void)x, (void)y, (void)dy, (void)dz, (void)dx, (void)scale;
    (void)activation;
    return *size = 0, 0;
}

int cudnnGetBatchNormalizationTrainingExReserveSpaceSize(
    void* handle, int mode, int operation, void* activation, void* x, size_t* size) {
    (void)handle, (void)mode, (void)operation, (void)activation, (void)x;
    return *size = 0, 0;
}
