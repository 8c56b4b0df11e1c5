package linux

import _ "embed"

// initProgram is init/init.c, built by init/build.sh.
//
//go:embed init/amd64.elf
var initProgram []byte
