// What the parts of the double share: a journal of what happened, and the rules of a stream's capture.
#pragma once
#include <cuda_runtime_api.h>
#include <stddef.h>

// Add a line to the journal.
void note(const char* format, ...) __attribute__((format(printf, 1, 2)));

// A kernel on a stream: counted and named, computed nothing. In a capture it becomes a part of the graph.
cudaError_t launch(const char* name, cudaStream_t stream);

// Keep an error for cudaGetLastError, as every call of the runtime does; returns it.
cudaError_t failed(cudaError_t error);

// A call that no capture may be interrupted by: memory, modules, waiting for the whole device.
cudaError_t unsafe(const char* what);
