#!/bin/sh
# Builds init.c for both architectures, to amd64.elf and arm64.elf in the folder given
# (here by default). The same compilers give the same bytes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
build() {
	# shellcheck disable=SC2086 # $4 is a list of flags
	"$1" $4 -std=gnu11 -Wall -Wextra -Werror -Wno-override-init \
		-Os -ffreestanding -fno-builtin -fno-stack-protector -fno-pic \
		-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns \
		-no-pie -nostdlib -static \
		-ffile-prefix-map="$here"=. \
		-Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-z,noseparate-code \
		-Wl,-z,max-page-size="$3" -s \
		-o "$out/$2.elf" "$here/init.c"
}
build "${CC_AMD64:-x86_64-linux-gnu-gcc}" amd64 4096 -fcf-protection=none
# Kernels with pages of 64 KB exist for arm64.
build "${CC_ARM64:-aarch64-linux-gnu-gcc}" arm64 65536 ""
