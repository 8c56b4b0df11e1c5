//go:build !linux

package install

import (
	"os/exec"
	"syscall"
)

// endWithUs has a client and its children end when the install is given up.
func endWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

func runOnThread(cmd *exec.Cmd) error { return cmd.Run() }
