/* Gives every Python function a C function of its own, so that callgrind can tell them apart.
 *
 * PEP 523 lets an extension stand before each frame's evaluation. Each code object gets one of the trampolines below;
 * `frames.on(path)` writes "number <tab> file <tab> name" to `path` when it hands one out. Python calls are no longer
 * inlined into the caller's evaluation, so they cost more than without it: `python -m benchmarks.budget` says how much. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#if PY_VERSION_HEX < 0x030C0000
#define Py_BUILD_CORE
#include "internal/pycore_frame.h"
static PyCodeObject *code_of(struct _PyInterpreterFrame *frame) { return frame->f_code; }
#else
static PyCodeObject *code_of(struct _PyInterpreterFrame *frame) {
    PyCodeObject *code = (PyCodeObject *)PyUnstable_InterpreterFrame_GetCode(frame);
    Py_DECREF(code); /* the frame holds it */
    return code;
}
#endif

typedef struct _PyInterpreterFrame frame;

/* The value is kept in memory after the call: no tail call, the trampoline stays on the stack. */
#define ONE(n)                                                                                                         \
    __attribute__((noinline)) static PyObject *frame_##n(PyThreadState *thread, frame *f, int throws) {                \
        PyObject *volatile result = _PyEval_EvalFrameDefault(thread, f, throws);                                      \
        return result;                                                                                                 \
    }
#define TEN(n) ONE(n##0) ONE(n##1) ONE(n##2) ONE(n##3) ONE(n##4) ONE(n##5) ONE(n##6) ONE(n##7) ONE(n##8) ONE(n##9)
#define HUNDRED(n) TEN(n##0) TEN(n##1) TEN(n##2) TEN(n##3) TEN(n##4) TEN(n##5) TEN(n##6) TEN(n##7) TEN(n##8) TEN(n##9)
#define NAME(n) frame_##n,
#define TEN_NAMES(n)                                                                                                   \
    NAME(n##0) NAME(n##1) NAME(n##2) NAME(n##3) NAME(n##4) NAME(n##5) NAME(n##6) NAME(n##7) NAME(n##8) NAME(n##9)
#define HUNDRED_NAMES(n)                                                                                               \
    TEN_NAMES(n##0) TEN_NAMES(n##1) TEN_NAMES(n##2) TEN_NAMES(n##3) TEN_NAMES(n##4) TEN_NAMES(n##5) TEN_NAMES(n##6)    \
    TEN_NAMES(n##7) TEN_NAMES(n##8) TEN_NAMES(n##9)
#define THOUSAND(each, n)                                                                                              \
    each(n##0) each(n##1) each(n##2) each(n##3) each(n##4) each(n##5) each(n##6) each(n##7) each(n##8) each(n##9)

THOUSAND(HUNDRED, 1)
THOUSAND(HUNDRED, 2)
THOUSAND(HUNDRED, 3)
THOUSAND(HUNDRED, 4)

static const _PyFrameEvalFunction trampolines[] = {THOUSAND(HUNDRED_NAMES, 1) THOUSAND(HUNDRED_NAMES, 2)
                                                       THOUSAND(HUNDRED_NAMES, 3) THOUSAND(HUNDRED_NAMES, 4)};
#define COUNT (sizeof trampolines / sizeof trampolines[0])

static Py_ssize_t slot;
static size_t used;
static FILE *names;

/* What dataclasses generate all has the same name; its arguments tell it apart. */
static void name_print(PyCodeObject *code) {
    const char *file = PyUnicode_AsUTF8(code->co_filename);
    fprintf(names, "%zu\t%s\t%s", 1000 + used, file, PyUnicode_AsUTF8(code->co_qualname));
    PyObject *variables = file[0] == '<' ? PyCode_GetVarnames(code) : NULL;
    for (Py_ssize_t i = 1; variables && i < PyTuple_GET_SIZE(variables) && i < 4; i++)
        fprintf(names, " %s", PyUnicode_AsUTF8(PyTuple_GET_ITEM(variables, i)));
    Py_XDECREF(variables);
    fputc('\n', names);
    fflush(names);
}

static _PyFrameEvalFunction trampoline_of(PyCodeObject *code) {
    void *known = NULL;
    _PyCode_GetExtra((PyObject *)code, slot, &known);
    if (known) return (_PyFrameEvalFunction)known;
    if (used == COUNT) return _PyEval_EvalFrameDefault;
    _PyFrameEvalFunction mine = trampolines[used];
    name_print(code);
    used++;
    _PyCode_SetExtra((PyObject *)code, slot, (void *)mine);
    return mine;
}

static PyObject *evaluate(PyThreadState *thread, frame *f, int throws) {
    return trampoline_of(code_of(f))(thread, f, throws);
}

static PyObject *on(PyObject *self, PyObject *path) {
    const char *name = PyUnicode_AsUTF8(path);
    if (!name) return NULL;
    if (!(names = fopen(name, "w"))) return PyErr_SetFromErrnoWithFilename(PyExc_OSError, name);
    slot = _PyEval_RequestCodeExtraIndex(NULL);
    _PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Get(), evaluate);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"on", on, METH_O, "Number every function from now on; the list goes to this file."},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "frames", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_frames(void) { return PyModule_Create(&module); }
