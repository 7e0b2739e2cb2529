package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// cores are where the client and the servers run; server is -1 on a machine
// with one core only, where nothing is pinned.
type cores struct{ client, server int }

// String names them for people.
func (c cores) String() string {
	if c.server < 0 {
		return "nothing is pinned: there is one core only"
	}
	return fmt.Sprintf("servers on core %d, client on core %d", c.server, c.client)
}

// pinClient pins this program to the last core that it may use.
func pinClient() (cores, error) {
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return cores{}, err
	}
	c := cores{-1, -1}
	for i := range len(may) * 64 {
		if !may.IsSet(i) {
			continue
		}
		if c.server < 0 {
			c.server = i
		}
		c.client = i
	}
	if c.client == c.server {
		return cores{-1, -1}, nil
	}
	return c, pinThreads(c.client)
}

// pinThreads pins all threads of this program; those to come inherit it.
func pinThreads(core int) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if err := pin(id, core); err != nil && err != unix.ESRCH {
			return err
		}
	}
	runtime.GOMAXPROCS(1)
	return nil
}

func pin(thread, core int) error {
	var set unix.CPUSet
	set.Set(core)
	return unix.SchedSetaffinity(thread, &set)
}

// start starts a program on the servers' core, which it inherits from the
// thread that starts it.
func (c cores) start(cmd *exec.Cmd) error {
	if c.server < 0 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := pin(0, c.server); err != nil {
		return err
	}
	err := cmd.Start()
	if e := pin(0, c.client); e != nil && err == nil {
		err = e
	}
	return err
}

// datasync makes what was written to a file durable.
func datasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
