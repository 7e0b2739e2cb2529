package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

const (
	rootID     = "MEASUREROOTKEY000001"
	rootSecret = "measure/root+secret=key/abcdefghijklmno"
	masterKey  = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

// A node is one running Daypass.
type node struct {
	cmd  *exec.Cmd
	addr string // of the S3 endpoint
	done chan struct{}
}

// startNode starts the program and waits until it serves. Quota is the share of
// a core that it may use; 0 is no bound.
func startNode(c *config, dir string, i int) (*node, error) {
	args := []string{"serve", "--data", filepath.Join(dir, fmt.Sprint("node", i)), "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0",
		"--log-level", "error", "--host-alias", hostName}
	n := &node{cmd: exec.Command(c.program, append(args, c.args...)...), done: make(chan struct{})}
	n.cmd.Env = append(os.Environ(), "DAYPASS_ROOT_ACCESS_KEY="+rootID, "DAYPASS_ROOT_SECRET_KEY="+rootSecret, "DAYPASS_MASTER_KEY="+masterKey)
	if c.quota > 0 {
		n.cmd.Env = append(n.cmd.Env, "GOMAXPROCS=1")
	}
	out, err := n.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(out)
	for n.addr == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			n.cmd.Wait()
			return nil, fmt.Errorf("the node ended before it was ready: %s", line)
		}
		if strings.Contains(line, "ready: ") {
			n.addr = regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
		} else {
			fmt.Fprint(os.Stderr, line)
		}
	}
	go func() {
		io.Copy(os.Stderr, lines)
		n.cmd.Wait()
		close(n.done)
	}()
	if c.quota > 0 {
		if err := limit(n.cmd.Process.Pid, c.quota); err != nil {
			n.stop()
			return nil, err
		}
	}
	return n, nil
}

// stop asks the node to end.
func (n *node) stop() {
	if n.cmd.Process.Signal(syscall.SIGTERM) != nil {
		return
	}
	select {
	case <-n.done:
	case <-time.After(30 * time.Second):
		n.cmd.Process.Kill()
		<-n.done
	}
	unlimit(n.cmd.Process.Pid)
}

const (
	groups = "/sys/fs/cgroup/cpu" // cgroup v1
	period = 10000                // microseconds
	// weight is such that a node has its quota whatever else runs.
	weight = 1 << 18
)

func group(pid int) string { return filepath.Join(groups, fmt.Sprint("daypass-measure-", pid)) }

// limit keeps a process to a share of a core, in slices of 10 ms.
func limit(pid int, share float64) error {
	dir := group(pid)
	err := os.Mkdir(dir, 0o755)
	for _, v := range []struct{ file, text string }{
		{"cpu.cfs_period_us", fmt.Sprint(period)},
		{"cpu.cfs_quota_us", fmt.Sprint(int(period * share))},
		{"cpu.shares", fmt.Sprint(weight)},
		{"cgroup.procs", fmt.Sprint(pid)},
	} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, v.file), []byte(v.text), 0o644)
		}
	}
	if err != nil {
		return fmt.Errorf("a quota needs root and control groups (version 1) with cpu: %w", err)
	}
	return nil
}

// unlimit removes the group of a process that has ended, where there is one.
func unlimit(pid int) {
	if err := os.Remove(group(pid)); err != nil && !errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "measure:", err)
	}
}
