// cuDNN's graphs of operations: descriptors that keep what they are told. Every graph has one engine, which repeats its
// bits, needs no workspace and computes nothing.
#include "double.h"

#include <cudnn_graph.h>
#include <stdlib.h>
#include <string.h>

struct Attribute {
    int name;
    int64_t count;
    void* values;
    struct Attribute* next;
};

struct Descriptor {
    int type;
    struct Attribute* attributes;
};

static size_t size_of(cudnnBackendAttributeType_t type) {
    switch (type) {
        case CUDNN_TYPE_BOOLEAN:
        case CUDNN_TYPE_CHAR: return 1;
        case CUDNN_TYPE_HANDLE:
        case CUDNN_TYPE_INT64:
        case CUDNN_TYPE_DOUBLE:
        case CUDNN_TYPE_VOID_PTR:
        case CUDNN_TYPE_BACKEND_DESCRIPTOR:
        case CUDNN_TYPE_FRACTION: return 8;
        default: return 4;  // enumerations, float, int32
    }
}

static const struct Attribute* attribute(const struct Descriptor* of, int name) {
    for (const struct Attribute* one = of->attributes; one; one = one->next)
        if (one->name == name) return one;
    return NULL;
}

static void keep(struct Descriptor* in, int name, size_t size, int64_t count, const void* values) {
    struct Attribute* made = malloc(sizeof *made);
    *made = (struct Attribute){name, count, malloc(size * count + 1), in->attributes};
    if (count) memcpy(made->values, values, size * count);
    in->attributes = made;
}

// The first descriptor that another one keeps under a name.
static struct Descriptor* kept(const struct Descriptor* in, int name) {
    const struct Attribute* found = in ? attribute(in, name) : NULL;
    return found && found->count ? *(struct Descriptor**)found->values : NULL;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* descriptor) {
    struct Descriptor* made = calloc(1, sizeof *made);
    made->type = type;
    return *descriptor = made, CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
    (void)descriptor;  // others may refer to it: a test's process is short
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
    (void)descriptor;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(
    cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
    int64_t count, const void* values) {
    keep(descriptor, name, size_of(type), count, values);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(
    cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
    int64_t room, int64_t* count, void* values) {
    const struct Descriptor* of = descriptor;
    int64_t found = 0;
    if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS) {
        found = 1;
        if (room && values) {  // a descriptor of the caller's is filled
            struct Descriptor* engine = calloc(1, sizeof *engine);
            engine->type = CUDNN_BACKEND_ENGINE_DESCRIPTOR;
            const int64_t index = 0;
            keep(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, 8, 1, &index);
            const struct Descriptor* graph = kept(of, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
            keep(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, 8, 1, &graph);
            keep(*(struct Descriptor**)values, CUDNN_ATTR_ENGINECFG_ENGINE, 8, 1, &engine);
        }
    } else if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) {
        found = 1;
        if (room) *(int64_t*)values = 0;
    } else if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR && room && values) {
        const struct Descriptor* other = kept(of, name);
        found = other != NULL;
        if (other) **(struct Descriptor**)values = *other;
    } else {
        const struct Attribute* told = attribute(of, name);
        found = told ? told->count : 0;
        if (told && values) memcpy(values, told->values, size_of(type) * (found < room ? found : room));
    }
    if (count) *count = found;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendExecute(
    cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t variant_pack) {
    (void)variant_pack;
    const struct Descriptor* config = kept(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    const struct Descriptor* engine = config ? kept(config, CUDNN_ATTR_ENGINECFG_ENGINE) : NULL;
    const struct Descriptor* graph = engine ? kept(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH) : NULL;
    const struct Descriptor* operation = graph ? kept(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS) : NULL;
    const char* name = "cudnn: other";
    if (operation) switch (operation->type) {
            case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR: name = "cudnn: convolution, forward"; break;
            case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
                name = "cudnn: convolution, gradient by its input";
                break;
            case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
                name = "cudnn: convolution, gradient by its weight";
                break;
        }
    cudaStream_t stream;
    cudnnGetStream(handle, &stream);
    return launch(name, stream) ? CUDNN_STATUS_EXECUTION_FAILED : CUDNN_STATUS_SUCCESS;
}
