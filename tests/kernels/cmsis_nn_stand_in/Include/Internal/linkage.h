// C linkage, whether the stand-in's header is read as C or as C++.
#pragma once

#ifdef __cplusplus
#define STAND_IN_BEGIN extern "C" {
#define STAND_IN_END }
#else
#define STAND_IN_BEGIN
#define STAND_IN_END
#endif
