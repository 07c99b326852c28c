// CUDA's driver, as torch asks for it by name and as device_code.py calls it.
#define _GNU_SOURCE
#include "double.h"

#include <cuda.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static CUresult as_driver(cudaError_t error) { return (CUresult)error; }  // they share their numbers

static int context;
struct CUmod_st {
    int loaded;
};
struct CUfunc_st {
    char* name;
};

CUresult cuCtxGetCurrent(CUcontext* current) { return *current = (CUcontext)&context, CUDA_SUCCESS; }

CUresult cuCtxSetCurrent(CUcontext wanted) {
    (void)wanted;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
    (void)device;
    return *flags = 0, *active = 1, CUDA_SUCCESS;
}

CUresult cuModuleLoadData(CUmodule* module, const void* image) {
    const cudaError_t error = unsafe("load a module");
    if (error) return as_driver(error);
    if (memcmp(image, "\177ELF", 4)) return CUDA_ERROR_INVALID_IMAGE;
    note("load a module");
    return *module = calloc(1, sizeof **module), CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
    (void)module;
    *function = malloc(sizeof **function);
    (*function)->name = strdup(name);
    return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute name, int value) {
    (void)function, (void)name;
    return value > 227 << 10 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuLaunchKernel(
    CUfunction function, unsigned x, unsigned y, unsigned z, unsigned block_x, unsigned block_y, unsigned block_z,
    unsigned shared, CUstream stream, void** arguments, void** others) {
    (void)x, (void)y, (void)z, (void)block_x, (void)block_y, (void)block_z, (void)shared, (void)arguments;
    (void)others;
    return as_driver(launch(function->name, (cudaStream_t)stream));
}

CUresult cuGetErrorString(CUresult error, const char** words) {
    return *words = cudaGetErrorString((cudaError_t)error), CUDA_SUCCESS;
}

static CUresult unknown(void) { return CUDA_ERROR_NOT_SUPPORTED; }

cudaError_t cudaGetDriverEntryPointByVersion(
    const char* name, void** function, unsigned version, unsigned long long flags,
    enum cudaDriverEntryPointQueryResult* result) {
    (void)version, (void)flags;
    *function = dlsym(RTLD_DEFAULT, name);
    if (!*function) *function = (void*)unknown;  // for what torch asks at once and never calls here
    if (result) *result = cudaDriverEntryPointSuccess;
    return cudaSuccess;
}
