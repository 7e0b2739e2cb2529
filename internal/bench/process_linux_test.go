package bench

import (
	"os"
	"os/exec"
	"testing"
)

// TestMain makes the test program the child of which TestTakeSample knows what
// it used.
func TestMain(m *testing.M) {
	if os.Getenv("BENCH_TEST_CHILD") != "" {
		burn()
		return
	}
	os.Exit(m.Run())
}

// burn uses memory and half a second of processor time, says so, and waits until
// its input ends.
func burn() {
	memory := make([]byte, 64<<20)
	for i := 0; ownCPU().Seconds() < 0.5; i++ {
		memory[i*4096%len(memory)]++
	}
	os.Stdout.WriteString("x")
	os.Stdin.Read(memory[:1])
}

func TestTakeSample(t *testing.T) {
	before, err := TakeSample([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "BENCH_TEST_CHILD=1")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	// The child is counted with its parent, and by itself.
	with, err := TakeSample([]int{os.Getpid(), child.Process.Pid})
	if err != nil {
		t.Fatal(err)
	}
	alone, err := TakeSample([]int{child.Process.Pid})
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	after, err := TakeSample([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	if u := usage(before, with); u.CPU() < 0.49 || u.CPU() > 30 {
		t.Errorf("with the child: %.2f s", u.CPU())
	}
	if cpu := alone.User + alone.System; cpu.Seconds() < 0.49 || alone.Resident < 64<<20 || alone.Peak < alone.Resident {
		t.Errorf("the child used %v, %d MiB of memory", cpu, alone.Resident>>20)
	}
	if with.Resident < before.Resident/2+alone.Resident {
		t.Errorf("memory is %d MiB with a child of %d MiB", with.Resident>>20, alone.Resident>>20)
	}
	// What a child used does not go when it does.
	if u := usage(before, after); u.CPU() < 0.49 {
		t.Errorf("after the child: %.2f s", u.CPU())
	}
	if _, err := TakeSample([]int{child.Process.Pid}); err == nil {
		t.Error("a process that is gone is no error")
	}
}
