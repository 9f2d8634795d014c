# Writes OUTPUT, a header that says which commit is being built; only touched when that changes.
# Run with -DSOURCE=, -DOUTPUT=, -DVERSION=.
set(commit unknown)
execute_process(COMMAND git -C "${SOURCE}" describe --always --dirty --abbrev=40 --exclude=*
                OUTPUT_VARIABLE described RESULT_VARIABLE failed
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT failed AND described)
  set(commit "${described}")
endif()
set(text "#pragma once\n#define S3ATTN_GIT_COMMIT \"${commit}\"\n")
string(APPEND text "#define S3ATTN_PROGRAM_VERSION \"${VERSION}\"\n")
set(written "")
if(EXISTS "${OUTPUT}")
  file(READ "${OUTPUT}" written)
endif()
if(NOT written STREQUAL text)
  file(WRITE "${OUTPUT}" "${text}")
endif()
