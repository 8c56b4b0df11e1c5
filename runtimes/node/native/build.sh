#!/bin/sh
# Builds shrink.c for both architectures, to wick-native-ARCH.node in the folder given (the
# bootstrap's by default). The same compilers give the same bytes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/..}
build() {
	"$1" -std=gnu11 -Wall -Wextra -Werror \
		-Os -ffreestanding -fno-builtin -fno-stack-protector -fPIC -fvisibility=hidden \
		-fno-asynchronous-unwind-tables $4 \
		-shared -nostdlib -ffile-prefix-map="$here"=. \
		-Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,now -Wl,--hash-style=gnu \
		-Wl,-z,max-page-size="$3" -Wl,-z,noseparate-code -Wl,-z,norelro -s \
		-o "$out/wick-native-$2.node" "$here/shrink.c"
}
build "${CC_AMD64:-x86_64-linux-gnu-gcc}" amd64 4096 -fcf-protection=none
# Kernels with pages of 64 KB exist for arm64.
build "${CC_ARM64:-aarch64-linux-gnu-gcc}" arm64 65536 -mno-outline-atomics
