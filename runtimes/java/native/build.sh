#!/bin/sh
# Builds process.c for both architectures, to wick-native-ARCH.so in the folder given (the
# bootstrap's by default). The same compilers give the same bytes. Java's headers are those
# of any JDK from 8 on: JAVA_HOME's, or one of /usr/lib/jvm.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/..}
for home in "${JAVA_HOME:-}" /usr/lib/jvm/*; do
	[ -f "$home/include/jni.h" ] && headers=$home/include && break
done
[ -n "${headers:-}" ] || { echo "build.sh: no jni.h on this machine (Debian: openjdk-17-jdk-headless); the libraries stay as they are" >&2; exit 0; }
build() {
	"$1" -std=gnu11 -Wall -Wextra -Werror -isystem "$headers" -isystem "$headers/linux" \
		-Os -ffreestanding -fno-builtin -fno-stack-protector -fPIC -fvisibility=hidden \
		-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns $4 \
		-shared -nostdlib -ffile-prefix-map="$here"=. \
		-Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,now -Wl,--hash-style=gnu \
		-Wl,-z,max-page-size="$3" -Wl,-z,noseparate-code -Wl,-z,norelro -s \
		-o "$out/wick-native-$2.so" "$here/process.c"
}
build "${CC_AMD64:-x86_64-linux-gnu-gcc}" amd64 4096 -fcf-protection=none
# Kernels with pages of 64 KB exist for arm64.
build "${CC_ARM64:-aarch64-linux-gnu-gcc}" arm64 65536 -mno-outline-atomics
