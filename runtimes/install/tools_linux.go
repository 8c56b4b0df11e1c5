package install

import (
	"os/exec"
	"runtime"
	"syscall"
)

// endWithUs has a client and its children end when the install is given up, and the client
// also when this process is killed.
func endWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// runOnThread runs a command with its thread kept: the kernel sends Pdeathsig when the
// thread that started a process ends.
func runOnThread(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}
