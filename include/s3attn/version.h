// The version of these headers; CMakeLists.txt reads it from here.
#pragma once

#define S3ATTN_VERSION_MAJOR 0
#define S3ATTN_VERSION_MINOR 1
#define S3ATTN_VERSION_PATCH 0
