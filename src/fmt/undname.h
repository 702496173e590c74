/*
 * undname: readable names from MSVC's decorated C++ names. Refuses to know symbol files.
 *
 * `?Method@Class@ns@@QEAAXH@Z` -> `ns::Class::Method` (UND_NAME) or
 * `public: void __cdecl ns::Class::Method(int)` (UND_FULL). Names that are not decorated C++ give
 * false, except the decorations of C: `_name@12`, `@name@8` and, on x86, `_name`.
 *
 * Scheme: LLVM's MicrosoftDemangle and Wine's msvcrt/undname describe it. Work and depth are
 * bounded; output stops at UND_MAX bytes.
 */
#ifndef RS_FMT_UNDNAME_H
#define RS_FMT_UNDNAME_H

#include "base/str.h"

enum { UND_MAX = 16 * 1024 };

typedef enum und_how {
	UND_NAME, /* qualified name with template arguments */
	UND_FULL  /* access, type, calling convention, parameters */
} und_how;

/* Appends the readable name and returns true; appends nothing and returns false if name is not a
 * decorated C++ name or is damaged. */
bool undname(str name, und_how how, buf *out);
/* Class::Method for C++; C decorations taken off if x86; else the name itself. Views stay views:
 * copies into a only when the text differs. */
str undname_short(arena *a, str name, bool x86);

#endif
