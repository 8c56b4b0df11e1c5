// Command probe tries, in a sandbox, what a hostile function would try, and prints what
// the kernel says to it.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

func main() {
	switch os.Args[1] {
	case "syscalls":
		// Each argument is NUMBER or NUMBER:ARG:ARG…; for each a line with the errno.
		for _, text := range os.Args[2:] {
			fmt.Println(int(try(text)))
		}
	case "int80":
		fmt.Println(int80())
	case "burn":
		for {
		}
	case "grow":
		// Takes memory until it is stopped, keeping all of it.
		var held [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			held = append(held, b)
		}
	case "fork":
		// Makes threads until the kernel refuses, and says so by its end.
		for i := 0; ; i++ {
			if _, err := os.StartProcess("/proc/self/exe", []string{"probe", "sleep"}, &os.ProcAttr{}); err != nil {
				fmt.Println(i, err)
				return
			}
		}
	case "sleep":
		time.Sleep(time.Hour)
	}
}

func try(text string) syscall.Errno {
	var args [7]uintptr
	n := 0
	for start, i := 0, 0; i <= len(text); i++ {
		if i == len(text) || text[i] == ':' {
			v, err := strconv.ParseUint(text[start:i], 0, 64)
			if err != nil {
				panic(err)
			}
			args[n], n, start = uintptr(v), n+1, i+1
		}
	}
	_, _, errno := syscall.RawSyscall6(args[0], args[1], args[2], args[3], args[4], args[5], args[6])
	return errno
}
